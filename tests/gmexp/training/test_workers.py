"""Tasks in worker processes: all done, failures kept apart, nothing left over."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from gmexp.support.errors import UserError
from gmexp.training.workers import work_through


def act(task: tuple[str, Path], report) -> None:
    """What a task's first word says, with its second as the place to write."""
    name, place = task
    report(1)
    if name == "refuse":
        raise UserError("no such thing")
    if name == "crash":
        raise ZeroDivisionError("one over nothing")
    if name == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if name == "sleep":
        place.write_text(str(os.getpid()))
        time.sleep(600)
    if name == "die once" and not place.exists():
        place.write_text("")
        os.kill(os.getpid(), signal.SIGKILL)
    if name == "time":
        begun = time.time()
        time.sleep(0.2)
        name = f"{begun} {time.time()}"
    place.write_text(name)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 3])
def test_every_task_is_done_and_failures_are_apart(tmp_path, workers):
    words = ["a", "refuse", "b", "die", "c", "crash", "d"]
    reports, settled = [], []
    failures = work_through([(word, tmp_path / word) for word in words], act, workers, reports.append, settled.append)
    assert {p.name for p in tmp_path.iterdir()} == set("abcd")
    assert sum(reports) == len(words) and sorted(settled)[-1] == len(words)
    assert sorted(failures) == [1, 3, 5]
    assert failures[1] == ("no such thing", None)
    assert "SIGKILL" in failures[3].reason and failures[3].details is None
    assert failures[5].reason == "ZeroDivisionError: one over nothing" and "Traceback" in failures[5].details


def test_an_exception_here_kills_the_workers_at_once(tmp_path):
    class Stop(Exception):
        pass

    def stop(amount: int) -> None:
        deadline = time.monotonic() + 60
        while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        raise Stop

    with pytest.raises(Stop):
        work_through([("sleep", tmp_path / "pid")], act, 2, stop, lambda count: None)
    assert not alive(int((tmp_path / "pid").read_text()))


def test_no_tasks_need_no_workers():
    assert work_through([], act, 2, lambda amount: None, lambda count: None) == {}
