"""Trainers are chosen by a table; another package's comes in by a name, an import path or a file, and does all ours do."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest

from gmexp.agents import trainer
from gmexp.agents.checkpoint import load_checkpoint
from gmexp.agents.config import CloningConfig, PPOConfig
from gmexp.agents.trainer import find_trainer, TRAINERS, trainer_names
from gmexp.artefacts import read_json, read_npz, write_npz
from gmexp.cli.config import load
from gmexp.cli.main import main
from gmexp.support.errors import UserError
from gmexp.training import train
from gmexp.training.run import describe

from ..tiny import assert_equal_runs, train_config

STEPS = 16 * 8 * 2  # game steps of an iteration of the toy trainer


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch):
    """The folder of somebody's `random_search_trainer.py` can be imported from."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[3] / "docs" / "examples"))
    find_trainer.cache_clear()
    yield
    find_trainer.cache_clear()


def toy_config(out: Path, *overrides: str, agent: str = "random_search_trainer:SPEC"):
    return load("train", [f"out={out}", f"agent={agent}", f"steps={6 * STEPS}", *overrides])


# --- somebody else's --------------------------------------------------------------------------------------------------

@pytest.mark.slow
def test_a_trainer_of_ones_own_goes_through_the_stages(tmp_path, capsys):
    settings = (f"out={tmp_path}", f"steps={6 * STEPS}", "agent.spread=0.3")
    assert main(["train", "agent=random_search_trainer:SPEC", *settings]) == 0
    folder = Path(capsys.readouterr().out.strip())
    meta = read_json(folder / "run.json")["meta"]
    assert meta["algo"] == "random_search_trainer:SPEC" and meta["align_method"] == "random_search"
    assert folder.name.startswith("coinrun-random_search_trainer_SPEC-d0-s0-")
    checkpoint = load_checkpoint(folder)
    assert type(checkpoint.agent).__name__ == "RandomSearchConfig" and checkpoint.agent.spread == 0.3
    few = ("evaluation.episodes=4", "evaluation.slots=4", "evaluation.shifts=[0]", "evaluation.probes=[]")
    assert main(["evaluate", f"run={folder}", *few]) == 0
    assert (folder / "episodes.parquet").is_file()


@pytest.mark.slow
def test_its_interrupted_run_goes_on_bit_for_bit(tmp_path, monkeypatch):
    cut = toy_config(tmp_path / "cut", "checkpoint_seconds=0")
    with monkeypatch.context() as patched:
        patched.setattr(train, "_finish", lambda *_: None)
        folder = train.train(cut)
    assert read_npz(folder / "resume.npz")["steps"] == 5 * STEPS
    assert_equal_runs(train.train(cut), train.train(toy_config(tmp_path / "whole")))


def test_hydras_target_names_a_trainer_in_a_file(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("_target_: random_search_trainer.SPEC\nspread: 0.2\nnum_envs: 4\n")
    config = toy_config(tmp_path, agent=str(file))
    assert config.agent.name == "random_search_trainer:SPEC" and config.agent.spread == 0.2 and config.agent.num_envs == 4
    same = toy_config(tmp_path, "agent.spread=0.2", "agent.num_envs=4")
    assert describe(config).config_hash == describe(same).config_hash


def test_a_plugin_is_found_by_its_name(tmp_path, monkeypatch):
    points = [EntryPoint("random_search", "random_search_trainer:SPEC", "gmexp.trainers")]
    monkeypatch.setattr(trainer, "entry_points", lambda group: [point for point in points if point.group == group])
    assert trainer_names() == [*TRAINERS, "random_search"]
    meta = describe(toy_config(tmp_path, agent="random_search"))
    assert meta.algo == "random_search" and meta.learner_hash != describe(load("train")).learner_hash


WRONG = {
    "nobodys": "there is no trainer 'nobodys': choose one of ppo, sb3_ppo, cloning, .*package.module:SPEC",
    "no_such_module:SPEC": "cannot be imported from no_such_module:SPEC: No module named",
    "random_search_trainer:NOTHING": "cannot be imported from random_search_trainer:NOTHING",
    "random_search_trainer:RandomSearch": "is a type: a trainer is a gmexp.agents.trainer.TrainerSpec",
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_trainer_is_one_line(name, tmp_path, capsys):
    with pytest.raises(ValueError, match=WRONG[name]):
        find_trainer(name)
    assert main(["train", f"agent={name}", f"out={tmp_path}"]) == 2
    assert capsys.readouterr().err.count("\n") == 1 and not list(tmp_path.iterdir())


def test_a_configuration_that_is_none_of_ours_is_refused(monkeypatch):
    import random_search_trainer

    monkeypatch.setattr(random_search_trainer, "SPEC", trainer.TrainerSpec(dict, random_search_trainer.RandomSearch))
    with pytest.raises(ValueError, match="should be a dataclass that extends gmexp.agents.config.AgentConfig"):
        find_trainer("random_search_trainer:SPEC")


@pytest.mark.slow
def test_a_package_that_a_trainer_needs_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(TRAINERS, "ppo", trainer.TrainerSpec(PPOConfig, lambda *_: None, needs="no_such_package"))
    assert main(["train", f"out={tmp_path}"]) == 2
    assert "agent=ppo needs the package no_such_package" in capsys.readouterr().err


# --- our own ----------------------------------------------------------------------------------------------------------

@pytest.mark.slow
def test_each_trainer_has_its_own_keys(capsys):
    assert isinstance(load("train", ["agent=cloning"]).agent, CloningConfig)
    assert not hasattr(load("train").agent, "demonstrator")
    assert main(["train", "agent.demonstrator=x"]) == 2 and "there is no key 'agent.demonstrator'" in capsys.readouterr().err


@pytest.mark.slow
def test_names_of_an_earlier_version_are_read_with_one_line(monkeypatch, capsys):
    monkeypatch.setattr(trainer, "_noticed", set())
    for _ in range(2):
        assert load("train", ["agent=cloning_coin_seeker"]).agent.name == "cloning_intended"
        assert load("train", ["agent=cloning_proxy", "agent.name=cloning_proxy_seeker"]).agent.name == "cloning_proxy"
    lines = capsys.readouterr().err.splitlines()
    assert lines == [f"agent=cloning_{old}_seeker is of an earlier version: it is read as cloning_{new}"
                     for old, new in (("coin", "intended"), ("proxy", "proxy"))]


def test_a_checkpoint_of_an_earlier_version_is_read(tmp_path):
    folder = train.train(train_config(tmp_path, "agent=cloning_proxy", iterations=1))
    arrays = read_npz(folder / "checkpoint.npz")
    about = json.loads(str(arrays["about"]))
    about["agent"]["name"] = about["meta"]["algo"] = "cloning_proxy_seeker"
    del about["meta"]["condition_hash"], about["meta"]["learner_hash"], about["meta"]["demonstrator"]
    write_npz(folder / "checkpoint.npz", arrays | {"about": np.array(json.dumps(about))})
    checkpoint = load_checkpoint(folder)
    assert checkpoint.agent.name == "cloning_proxy" and checkpoint.meta.learner_hash is None


def test_a_checkpoint_does_not_make_a_module_run(tmp_path):
    folder = train.train(toy_config(tmp_path))
    arrays = read_npz(folder / "checkpoint.npz")
    about = json.loads(str(arrays["about"]))
    about["agent"]["name"] = "antigravity:SPEC"
    write_npz(folder / "checkpoint.npz", arrays | {"about": np.array(json.dumps(about))})
    with pytest.raises(UserError, match="it is of the trainer 'antigravity:SPEC', which is not known here"):
        load_checkpoint(folder)
    assert "antigravity" not in sys.modules


@pytest.mark.slow
def test_the_table_is_read_without_torch_or_numba():
    """So that help and configurations do not wait for them."""
    code = ("import sys, gmexp.agents.trainer, gmexp.training.run;"
            "print([name for name in ('torch', 'numba', 'stable_baselines3') if name in sys.modules])")
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
