"""Whatever is raised, the user reads one line, and a fault of ours is not called a mistake of theirs."""

import errno
import os
import subprocess
import sys
import zipfile

import numpy as np
import pytest

import gmexp_envs
from gmexp.support import extras
from gmexp.support.boundary import FAULT, MISTAKE, guarded
from gmexp.support.errors import UserError


def raising(error: BaseException):
    def action() -> int:
        raise error
    return action


def bad_environment() -> int:
    gmexp_envs.make_vec("coinrun", 4, rho=7.0)
    return 0


@pytest.mark.parametrize(("action", "code", "word"), [
    (raising(UserError("no such\nthing")), MISTAKE, "no such thing"),
    (raising(MemoryError("7 GiB")), MISTAKE, "not enough memory"),
    (raising(RuntimeError("DefaultCPUAllocator: can't allocate memory: 4 TB")), MISTAKE, "not enough memory"),
    (raising(FileNotFoundError(errno.ENOENT, "No such file", "x.json")), MISTAKE, "x.json: No such file"),
    (raising(OSError(errno.ENOSPC, "No space left on device")), MISTAKE, "cannot write the output"),
    (raising(ModuleNotFoundError("No module named 'wandb.sdk'", name="wandb.sdk")), MISTAKE, "pip install wandb"),
    (raising(zipfile.BadZipFile("bad")), MISTAKE, "bad"),
    (raising(UnicodeDecodeError("utf-8", b"x", 0, 1, "bad")), MISTAKE, "bad"), (bad_environment, MISTAKE, "rho"),
    (raising(KeyboardInterrupt()), 130, "stopped"),
    (raising(KeyError("absent")), FAULT, "a fault of gmexp"), (raising(ValueError("nan")), FAULT, "a fault of gmexp"),
    (raising(ModuleNotFoundError("No module named 'gmexp.x'", name="gmexp.x")), FAULT, "a fault of gmexp"),
    (raising(np.linalg.LinAlgError("singular")), FAULT, "singular"), (raising(RecursionError("deep")), FAULT, "deep")])
def test_one_line_and_a_code(capsys, action, code, word):
    assert guarded("train", action) == code
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and err.startswith("gmexp train: ") and word in err


def test_the_traceback_is_there_for_who_asks(capsys, monkeypatch):
    monkeypatch.setenv("GMEXP_TRACEBACK", "1")
    assert guarded("train", raising(KeyError("absent"))) == FAULT
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs /proc")
def test_a_fault_leaves_no_file_open(capfd):
    before = len(os.listdir("/proc/self/fd"))
    kept = os.dup(sys.__stdout__.fileno())
    try:
        for _ in range(5):
            assert guarded("verb", raising(UserError("no"))) == MISTAKE
    finally:
        os.dup2(kept, sys.__stdout__.fileno())
        os.close(kept)
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_missing_package_is_named_with_what_installs_it(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match="launcher=slurm needs the package submitit: pip install submitit"):
        extras.require("submitit", "launcher=slurm")
    assert extras.missing_package("gmexp") is None and extras.missing_package(None) is None


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
@pytest.mark.parametrize("arguments", [["--help"], ["audit"], ["train", "--help"]])
def test_a_full_output_is_one_line(arguments):
    with open("/dev/full", "w") as full:
        done = subprocess.run([sys.executable, "-m", "gmexp", *arguments], stdout=full, stderr=subprocess.PIPE, text=True,
                              env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}, check=False)
    assert done.returncode == MISTAKE and done.stderr.count("\n") == 1
    assert "cannot write the output: No space left on device" in done.stderr
