"""--dry-run: every planned run with its identity, what is done, what the rest costs; nothing is written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from gmexp.artefacts import tables
from gmexp.artefacts.records import CurvePoint
from gmexp.cli.config import load
from gmexp.cli.main import main
from gmexp.pipeline import training_runs
from gmexp.training.run import Run

from ..tiny import AGENT, ITERATION


def printed(capsys, *arguments: str) -> str:
    capsys.readouterr()
    assert main([*arguments]) == 0
    return capsys.readouterr().out


def finish(run: Run, seconds: float) -> None:
    """What a finished run leaves, as far as a dry run looks."""
    from gmexp import artefacts

    points = [CurvePoint(run.config.steps, seconds, 1, 0.5, 1.0, 1.0, 1.0, 1.0, 0.5, 1.0)]
    origin = artefacts.provenance(None, run.identity, "a test")
    tables.write_table(run.folder / "curve.parquet", points, CurvePoint, origin)
    for name in ("checkpoint.npz", "best/checkpoint.npz"):
        artefacts.write_bytes(run.folder / name, b"")
    artefacts.write_json(run.folder / "run.json", {"meta": artefacts.plain(run.meta), "config": run.identity}, origin)


@pytest.mark.slow
def test_a_study_is_listed_with_its_cost(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    text = printed(capsys, "run", "experiment=quickstart", "workers=2", "--dry-run")
    runs = [Run.of(item) for item in training_runs(load("run", ["experiment=quickstart"]))]
    assert all(run.id in text for run in runs) and text.count("nothing yet") == 10
    assert "10 runs in outputs/quickstart, 0 trained" in text and "30,000,000 steps to train" in text
    assert "minutes on this machine, 2 side by side; 0 GPU hours" in text and "conf/speed.yaml" in text
    assert "2,800 episodes of every run (14 cells and arms)" in text
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_gpu_that_is_elsewhere_is_planned_with(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    text = printed(capsys, "run", "experiment=langosco_maze_paper", "device=cuda:0", "workers=3", "--dry-run")
    hours = 6 * 200e6 / 20000 / 3600  # of conf/speed.yaml; runs side by side share the GPU
    assert f"{hours:.0f} GPU hours. By the speed of gmexp bench train on an H100" in text
    assert f"about {60 * hours:.0f} minutes" in text
    assert main(["run", "experiment=quickstart", "device=coda", "--dry-run"]) == 2
    assert "device = 'coda'" in capsys.readouterr().err


@pytest.mark.slow
def test_what_is_done_is_left_out_and_tells_the_speed(tmp_path, capsys):
    typed = ["run", "experiment=quickstart", "seeds=[1,2]", "workers=1", f"out={tmp_path}"]
    first, second, *_ = [Run.of(item) for item in training_runs(load("run", typed[1:]))]
    finish(first, seconds=300.0)  # 3,000,000 steps: the three others take 15 minutes
    (second.folder).mkdir(parents=True)
    (second.folder / "resume.npz").touch()
    before = sorted(tmp_path.rglob("*"))
    text = printed(capsys, *typed, "--dry-run")
    rows = [line.split() for line in text.splitlines()]
    assert [first.id, "delta=0", "1", "3,000,000", "trained"] in rows
    assert [second.id, "delta=0", "2", "3,000,000", "begun"] in rows
    assert "4 runs" in text and "1 trained" in text and "9,000,000 steps" in text
    assert "about 15 minutes on this machine" in text and "its finished runs" in text
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.slow
def test_runs_of_other_studies_are_listed_where_they_are(tmp_path, capsys):
    first, second, own = (tmp_path / name for name in ("first", "second", "own"))
    typed = ["run", "experiment=quickstart", "seeds=[1,2]", "workers=1", f"out={own}"]
    planned = training_runs(load("run", typed[1:]))
    for out, places in ((first, (0,)), (second, (0, 1)), (own, (2,))):
        for place in places:
            finish(Run.of(replace(planned[place], out=str(out))), seconds=300.0)
    text = printed(capsys, *typed, f"reuse=[{first},{second},{tmp_path}/none]", "--dry-run")
    states = {line.split()[0]: line.split(maxsplit=4)[4] for line in text.splitlines()[2:6]}
    assert states == dict(zip([Run.of(item).id for item in planned], [
        f"in {first}", f"in {second}", "trained", "nothing yet"], strict=True))  # the first that has it, but for our own
    assert f"4 runs in {own}, 1 trained, 1 to take over from {first}, 1 to take over from {second}\n" in text
    assert "3,000,000 steps to train" in text and len(list(own.glob("runs/*"))) == 1
    finish(Run.of(replace(planned[3], out=str(first))), seconds=300.0)
    text = printed(capsys, *typed, f"reuse=[{first},{second}]", "--dry-run")
    assert f"1 trained, 2 to take over from {first}, 1 to take over from {second}; nothing is left to train" in text


@pytest.mark.slow
def test_evaluations_and_measures_are_listed(tmp_path, capsys):
    assert main(["train", *AGENT, f"steps={ITERATION}", f"out={tmp_path}"]) == 0
    run = capsys.readouterr().out.split()[-1]
    plan = [f"run={run}", "evaluation.episodes=4", "evaluation.slots=4", "shift=extreme"]
    assert "24 episodes of 3 cells in 2 arms: nothing yet" in printed(capsys, "evaluate", *plan, "--dry-run")
    assert main(["evaluate", *plan]) == 0
    assert "in 2 arms: done" in printed(capsys, "evaluate", *plan, "--dry-run")
    assert "made anew" in printed(capsys, "evaluate", *plan, "evaluation.seed=3", "--dry-run")
    assert "for attribution" in printed(capsys, "measure", *plan, "measures=[attribution]", "--dry-run")
    assert not (Path(run) / "attribution.parquet").exists()


def test_nothing_tells_how_fast_an_unknown_learner_is(tmp_path, capsys):
    text = printed(capsys, "train", "--dry-run", "agent=impala_langosco", "device=cpu", f"out={tmp_path}")
    assert "4,000,000 steps to train" in text and "the first finished run will tell" in text
