"""Processes that are begun beside this one: what they know, and that they end with it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gmexp.support.parents import begun
from gmexp.training.workers import LOADED

SCRIPT = """
import time
from gmexp.support.parents import begun
from tests.gmexp.support import test_parents
if __name__ == "__main__":
    process, connection = begun(test_parents.{target}, {arguments}, loaded={loaded})
    print(connection.recv(), flush=True)
    time.sleep({seconds})
"""
SLOW = pytest.param(LOADED, marks=pytest.mark.slow)


def knows(names, connection):
    connection.send({"environment": dict(os.environ), "loaded": [name for name in names if name in sys.modules]})


def masks(connection):
    connection.send(signal.pthread_sigmask(signal.SIG_BLOCK, []))


def sleeps(connection):
    connection.send(os.getpid())
    time.sleep(600)


@pytest.mark.parametrize("loaded", [(), SLOW])
def test_it_has_the_environment_of_this_moment(loaded, monkeypatch):
    for value in ("first", "second"):
        monkeypatch.setenv("GMEXP_OF_THIS_MOMENT", value)
        process, connection = begun(knows, ([],), loaded=loaded)
        assert connection.recv()["environment"] == dict(os.environ)
        process.join()
        assert process.exitcode == 0


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="needs signal masks")
@pytest.mark.parametrize("loaded", [(), SLOW])
def test_it_leaves_interrupts_to_its_parent(loaded):
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    process, connection = begun(masks, (), loaded=loaded)
    assert signal.SIGINT in connection.recv() and signal.pthread_sigmask(signal.SIG_BLOCK, []) == before
    process.join()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere every process imports for itself")
def test_what_is_loaded_is_there_before_it_is_asked_for():
    """In an interpreter of its own: the modules are those of the first call."""
    script = SCRIPT.format(target="knows", arguments=(["colorsys", "wave"],), loaded=["wave"], seconds=0)
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout
    assert "'loaded': ['wave']" in said


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs /proc")
@pytest.mark.parametrize("loaded", [(), SLOW])
def test_it_ends_with_its_parent_however_that_ends(loaded):
    script = SCRIPT.format(target="sleeps", arguments=(), loaded=loaded, seconds=600)
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    child = Path("/proc", parent.stdout.readline().strip())
    assert child.exists()
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 60
    while child.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not child.exists()
