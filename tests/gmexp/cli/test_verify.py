"""`gmexp verify engine` in small: nothing differs, every deliberate fault is found, mistakes are one line."""

import json

import pytest
import torch

from gmexp.cli import verify
from gmexp.support.errors import UserError
from gmexp_envs.coinrun.procgen import parity
from gmexp_envs.procgen_family import binary as procgen

needs_procgen = pytest.mark.skipif(not procgen.installed(), reason="procgen is not installed")
SMALL = ["levels=16", "steps=1024", "frames=1024", "edited=1344"]


@pytest.mark.slow
@needs_procgen
def test_fresh_seed_finds_no_difference(capsys):
    code = verify.main(["engine", "format=json", *SMALL])
    report = json.loads(capsys.readouterr().out)
    print(f"seed={report['seed']}")
    assert report["differences"] == 0, report["examples"]
    assert all(report["controls"].values()), report["controls"]
    assert code == 0
    assert report["compared"]["levels"] == 16 and report["compared"]["steps"] >= 1024


@needs_procgen
@pytest.mark.slow
@pytest.mark.parametrize("env", ["maze", "keys_and_chests"])
def test_another_environment(env, capsys):
    code = verify.main(["engine", f"env={env}", "quick=true", "format=json", "levels=32", "steps=2048", "edited=1664"])
    report = json.loads(capsys.readouterr().out)
    print(f"seed={report['seed']}")
    assert report["differences"] == 0, report["examples"]
    assert code == 0 and all(report["controls"].values()), report["controls"]
    assert report["compared"]["levels"] == 32 and 2048 <= report["compared"]["steps"] < 16_384


@needs_procgen
def test_a_fault_sets_the_exit_code(capsys, monkeypatch):
    report = {"seed": 1, "differences": 2, "compared": {"levels": 4}, "differing": {"grid": 2}, "controls": {},
              "examples": ["grid: easy level 3"], "frames_comparable": True, "seconds": 1.0, "procgen": "procgen"}
    monkeypatch.setattr(parity, "verify_engine", lambda **values: report)
    assert verify.main(["engine", "seed=1", "steps=1", "frames=1"]) == 1
    out = capsys.readouterr().out
    assert "2 differences" in out
    assert torch.cuda.is_available() or "CPU and GPU were not compared: device 'cuda' cannot be used here" in out


@pytest.mark.parametrize("args", [[], ["levels=3"], ["engine", "levels=none"], ["engine", "sede=1"], ["engine", "env=bees"],
                                  ["engine", "recorded=mazes.npz"], ["engine", "env=maze", "recorded=nowhere.npz"],
                                  ["engine", "env=keys_and_chests", "recorded=nowhere.npz"]])
def test_mistakes_are_one_line(args):
    with pytest.raises(ValueError) as caught:  # the user's, of the command or of the environments
        verify.main(args)
    assert "\n" not in str(caught.value)


def test_without_procgen(monkeypatch):
    def missing(*args, **kwargs):
        raise procgen.ProcgenUnavailable("procgen is not installed: pip install ...")

    monkeypatch.setattr(parity, "verify_engine", missing)
    with pytest.raises(UserError, match="not installed"):
        verify.main(["engine", "seed=1"])
