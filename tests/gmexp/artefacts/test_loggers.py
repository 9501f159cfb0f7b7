"""TensorBoard and Trackio get the same copies, read here by their own readers; their failures are never ours."""

from __future__ import annotations

import sqlite3

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
        tracker.table("episodes", Table.from_pydict({"seed": [1, 2], "facts": [(1,), None]}))
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


def test_trackio_reads_what_was_logged(tmp_path, monkeypatch, capsys):
    trackio = pytest.importorskip("trackio", reason="trackio is not installed")
    from trackio import sqlite_storage, utils

    for module in (utils, sqlite_storage):  # read when it was imported
        monkeypatch.setattr(module, "TRACKIO_DIR", tmp_path / "trackio", raising=False)
    fill(open_tracker("trackio", project="gmexp-test", name="n", dir=tmp_path, config={"env": "coinrun"}), tmp_path)
    out, err = capsys.readouterr()
    assert not out and "warning" not in err and trackio is not None
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
    monkeypatch.setitem(__import__("sys").modules, "trackio", None)
    fill(loggers.TrackioTracker(loggers.Session(name="n")), tmp_path)
    assert capsys.readouterr().err.startswith("warning: Trackio could not start")
