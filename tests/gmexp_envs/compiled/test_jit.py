"""Code is compiled once, by one process, and whoever waits for it is told, once."""

import threading
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


# --- what is compiled, and by whom ------------------------------------------------------------------------------------

def called_and_caller():
    @jit.jit
    def called(x):
        return x + 1

    @jit.jit
    def caller(x):
        return 2 * called(x)

    return called, caller


def test_what_compiled_code_calls_is_wrapped_for_python_only_when_python_calls_it():
    called, caller = called_and_caller()
    assert caller(3) == 8 and caller.overloads and not called.overloads
    assert called(3) == 4 and len(called.overloads) == 1
    assert caller(3.5) == 9.0  # another signature, after both


@pytest.mark.skipif(jit.fcntl is None, reason="needs file locks")
def test_a_function_that_another_process_compiles_is_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr(jit, "CACHE_FOLDER", str(tmp_path))
    called, _ = called_and_caller()
    found = []
    thread = threading.Thread(target=lambda: found.append(called(3)), daemon=True)
    with jit._alone(f"{__name__}.called_and_caller.<locals>.called"):
        thread.start()
        thread.join(1)
        assert thread.is_alive() and not found
    thread.join(60)
    assert found == [4]
