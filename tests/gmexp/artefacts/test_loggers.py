"""TensorBoard and Trackio get the same copies, read here by their own readers; their failures are never ours."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys

import pytest
from PIL import Image

from gmexp.artefacts import loggers
from gmexp.artefacts.table import Table
from gmexp.artefacts.tracking import Tracker, open_tracker


def fill(tracker: Tracker, folder) -> None:
    """Everything that a tracker can be given."""
    picture, page = folder / "picture.png", folder / "page.html"
    Image.new("RGB", (8, 8), "red").save(picture)
    Image.new("RGB", (8, 8), "red").save(folder / "film.gif")
    page.write_text("<p>page")
    with tracker:
        tracker.log({"success": 0.5, "mean_return": None}, step=1000)
        tracker.log({"success": 0.75}, step=2000)
        tracker.summary({"shift3/goal_failure": 0.25, "accepted": False})
        tracker.table("episodes", Table.from_pydict({"seed": [1, 2], "facts": [(1,), (2,)]}))
        tracker.figure(picture)
        tracker.video(folder / "film.gif", "films/one", "a film")
        tracker.page(page, "report")
        tracker.artefact(picture, "model", "weights", ["best"])


def test_tensorboard_reads_what_was_logged(tmp_path, capsys):
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    pytest.importorskip("torch")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    fill(open_tracker("tensorboard", dir=tmp_path, name="n", config={"env": "coinrun"}), tmp_path)
    read = EventAccumulator(str(tmp_path / "tensorboard"))
    read.Reload()
    assert [(point.step, point.value) for point in read.Scalars("success")] == [(1000, 0.5), (2000, 0.75)]
    assert [(point.step, point.value) for point in read.Scalars("shift3/goal_failure")] == [(2000, 0.25)]
    assert read.Tags()["images"] == ["figures/picture"] and "accepted" not in read.Tags()["scalars"]
    assert {"about/text_summary", "episodes/text_summary"} <= set(read.Tags()["tensors"])
    assert capsys.readouterr() == ("", "")


PROGRAM = """
import importlib.util, sys
from pathlib import Path
from gmexp.artefacts.tracking import open_tracker
spec = importlib.util.spec_from_file_location("this", sys.argv[1])
spec.loader.exec_module(this := importlib.util.module_from_spec(spec))
folder = Path(sys.argv[2])
this.fill(open_tracker("trackio", project="gmexp-test", name="n", dir=folder, config={"env": "coinrun"}), folder)
"""


@pytest.mark.slow
def test_trackio_reads_what_was_logged(tmp_path):
    pytest.importorskip("trackio", reason="trackio is not installed")
    done = subprocess.run([sys.executable, "-c", PROGRAM, __file__, tmp_path], capture_output=True, text=True,
                          env=os.environ | {"TRACKIO_DIR": str(tmp_path / "trackio")})  # read when it is imported
    assert done.returncode == 0 and not done.stdout and "warning" not in done.stderr, done.stderr
    with sqlite3.connect(tmp_path / "trackio" / "gmexp-test.db") as base:
        stored = str(base.execute("select * from metrics").fetchall())
    assert all(name in stored for name in ("success", "shift3/goal_failure", "episodes", "figures/picture", "films/one"))


class Broken:
    def __getattr__(self, name: str):
        raise OSError("the disk is gone")


@pytest.mark.parametrize("kind", [loggers.TensorboardTracker, loggers.TrackioTracker])
def test_one_that_fails_warns_once_and_costs_nothing(kind, tmp_path, capsys):
    tracker = kind.__new__(kind)
    tracker._to, tracker._step = Broken(), 0
    fill(tracker, tmp_path)
    assert capsys.readouterr().err == (
        f"warning: {kind.NAME} failed (the disk is gone); carrying on without it, the artefacts on disk are complete\n")


def test_one_that_cannot_start_is_done_without(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "trackio", None)
    fill(loggers.TrackioTracker(loggers.Session(name="n")), tmp_path)
    assert capsys.readouterr().err.startswith("warning: Trackio could not start")
