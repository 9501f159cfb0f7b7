import time

import pytest

from gmexp.evaluation import ahead
from gmexp_envs.compiled import jit

pytestmark = pytest.mark.slow


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A cache of its own, in which no mark is left; the code itself comes from the usual one."""
    monkeypatch.setattr(jit, "CACHE_FOLDER", str(tmp_path))
    monkeypatch.setattr(ahead, "available_cores", lambda: 2)
    return tmp_path


def wait_for(*marks):
    deadline = time.monotonic() + 600
    while not all(mark.exists() for mark in marks):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_what_is_missing_is_compiled_once(folder, monkeypatch):
    marks = [folder / f"{name}.ahead" for name in ("statistics", "boat_race")]
    with ahead.compiled_ahead(["boat_race"]):
        wait_for(*marks)
    assert sorted(folder.iterdir()) == sorted(marks)
    monkeypatch.setattr(ahead, "begun", None)
    with ahead.compiled_ahead(["boat_race"]):
        pass


def test_nothing_is_begun_on_one_core_or_without_a_cache(folder, monkeypatch):
    monkeypatch.setattr(ahead, "begun", None)
    monkeypatch.setattr(ahead, "available_cores", lambda: 1)
    with ahead.compiled_ahead(["boat_race"]):
        pass
    monkeypatch.setattr(ahead, "available_cores", lambda: 2)
    monkeypatch.setattr(jit, "CACHE_FOLDER", None)
    with ahead.compiled_ahead(["boat_race"]):
        pass


def test_it_ends_with_what_it_is_beside(folder, monkeypatch):
    begun, processes = ahead.begun, []

    def kept(*arguments):
        processes.append(begun(*arguments))
        return processes[-1]

    monkeypatch.setattr(ahead, "begun", kept)
    with pytest.raises(RuntimeError), ahead.compiled_ahead(["maze"]):
        raise RuntimeError
    assert not processes[0][0].is_alive() and not list(folder.iterdir())


def test_both_parts_are_compiled():
    ahead._statistics()
    ahead._scripted("tetris")
    with pytest.raises(Exception, match="nowhere"):
        ahead._scripted("nowhere")
