"""Whoever waits for the compiler is told, once."""

from types import SimpleNamespace

import pytest

from gmexp_envs.compiled import jit


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def compiling(module: str) -> SimpleNamespace:
    """numba's event for a function of a module."""
    return SimpleNamespace(data={"dispatcher": SimpleNamespace(py_func=SimpleNamespace(__module__=module))})


@pytest.mark.parametrize(("module", "seconds", "lines"), [
    ("gmexp_envs.maze.engine", 3.0, ["compiling maze: about a minute, the first time only"]),
    ("gmexp_envs.maze.engine", 1.0, []), ("somebodys.kernels", 3.0, [])])
def test_only_our_own_compiling_that_takes_long_is_announced(module, seconds, lines, monkeypatch, capsys):
    monkeypatch.setattr(jit, "CACHE_FOLDER", "somewhere")
    clock = Clock()
    notice = jit._Notice(clock)
    for _ in range(3):
        notice.on_start(compiling(module))
        for _ in range(5):
            clock.now += seconds / 5
            notice.on_start(compiling(module)), notice.on_end(compiling(module))
        notice.on_end(compiling(module))
    assert capsys.readouterr().err.splitlines() == (lines if seconds > jit.SLOW_SECONDS else [])


def test_many_quick_ones_are_not_announced(capsys):
    clock = Clock()
    notice = jit._Notice(clock)
    for _ in range(20):
        notice.on_start(compiling("gmexp.agents.first_layer"))
        clock.now += 1.5
        notice.on_end(compiling("gmexp.agents.first_layer"))
    assert not capsys.readouterr().err


def test_without_a_folder_the_line_says_what_helps(monkeypatch, capsys):
    monkeypatch.setattr(jit, "CACHE_FOLDER", None)
    clock = Clock()
    notice = jit._Notice(clock)
    notice.on_start(compiling("gmexp_envs.coinrun.engine"))
    clock.now = 5.0
    notice.on_start(compiling("gmexp_envs.coinrun.rules"))
    assert "compiling coinrun: about a minute, in every process" in (line := capsys.readouterr().err)
    assert "GMEXP_CACHE_DIR" in line
