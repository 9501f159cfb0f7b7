"""How far runs are: of finished curves and of what training saves on the way."""

import json
import math

import numpy as np

from gmexp.training.progress import OWN, POINTS, progress


def saved(folder, successes):
    folder.mkdir(parents=True)
    points = [{"steps": 10 * (i + 1), "success": success} for i, success in enumerate(successes)]
    np.savez(folder / "resume.npz", **{f"{OWN}curve": np.array(json.dumps(points))})


def test_finished_runs_and_one_that_trains(study):
    saved(study.root / "runs" / "new", [None, 0.0, *[1.0] * 40])
    runs = progress(study.root)
    assert [(run.run_id, run.state) for run in runs if run.state != "trained"] == [
        *((run.run_id, "evaluated") for run in runs if run.state == "evaluated"), ("new", "training")]
    new = runs[-1].curve
    assert new[0] == (20, 0.0) and new[1] == (30, 0.5) and new[-1] == (420, 1.0)
    assert all(not math.isnan(success) for run in runs for _, success in run.curve)


def test_long_curves_are_thinned_and_damage_is_passed_over(tmp_path):
    saved(tmp_path / "runs" / "long", [0.5] * 1000)
    (tmp_path / "runs" / "torn").mkdir()
    (tmp_path / "runs" / "torn" / "resume.npz").write_bytes(b"PK")
    (run,) = progress(tmp_path)
    assert len(run.curve) == POINTS and run.curve[-1] == (10_000, 0.5)
