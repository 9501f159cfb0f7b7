"""Behavioural cloning: the demonstrator's goal becomes the imitator's, by the same stages and bit for bit."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from gmexp import artefacts
from gmexp.agents.checkpoint import load_checkpoint
from gmexp.agents.cloning import Cloning, trained_demonstrator
from gmexp.agents.ppo import PPO, sample_actions
from gmexp.artefacts import tables
from gmexp.artefacts.condition import condition_labels
from gmexp.artefacts.records import CurvePoint
from gmexp.cli.config import load
from gmexp.cli.main import main
from gmexp.pipeline import training_runs
from gmexp.published.modifiers import canonical
from gmexp.support.errors import UserError
from gmexp.support.seeding import stream
from gmexp.training import train
from gmexp.training.run import describe, identity
from gmexp_envs.coinrun.task import TASK

from ..tiny import AGENT, ITERATION, assert_equal_arrays, assert_equal_runs, train_config


@pytest.fixture(scope="module")
def demonstrators(tmp_path_factory) -> list[Path]:
    """The folders of two trained runs, with preferences among their actions. Read only."""
    learning = ("agent.learning_rate=0.02", "agent.entropy=0")
    return [train.train(train_config(tmp_path_factory.mktemp("demonstrator"), *learning, f"seed={seed}",
                                     f"env.diversity={seed}", iterations=10)) for seed in (0, 1)]


def imitating(demonstrator: Path) -> tuple[str, ...]:
    return "agent=cloning", f"agent.demonstrator={demonstrator}"


@pytest.fixture
def likelihood(monkeypatch) -> list[float]:
    """The mean log-likelihood of the demonstrator's actions, minibatch by minibatch."""
    found = []
    loss = Cloning._policy_loss
    monkeypatch.setattr(Cloning, "_policy_loss", lambda self, logp, before, advantage: (
        found.append(float(logp.detach().mean())), loss(self, logp, before, advantage))[1])
    return found


# --- imitation --------------------------------------------------------------------------------------------------------

@pytest.mark.slow
@pytest.mark.parametrize("goal", ["intended", "proxy"])
def test_the_policy_comes_to_do_what_the_demonstrator_does(tmp_path, goal, likelihood):
    config = train_config(tmp_path, f"agent=cloning_{goal}", "env.diversity=1", "env.horizon=200", iterations=30)
    folder = train.train(config)
    assert np.mean(likelihood[-20:]) > np.mean(likelihood[:4]) + 0.3
    points = tables.read_records(folder / "curve.parquet", CurvePoint)
    assert all(point.success is None for point in points) and sum(point.episodes for point in points)
    assert load_checkpoint(folder / "best").meta == load_checkpoint(folder).meta


@pytest.mark.slow
def test_what_is_imitated_is_what_the_trained_demonstrators_policy_samples(tmp_path, demonstrators, likelihood):
    agent = _agent(train_config(tmp_path, *imitating(demonstrators[0]), "agent.learning_rate=0.01"))
    network, generator = load_checkpoint(demonstrators[0]).network, torch.Generator().manual_seed(stream(5, "demonstrator"))
    for _ in range(8):
        agent.iterate()
        with torch.no_grad():
            for seen, action in zip(zip(*agent._stored, strict=True), agent._action, strict=True):
                logits, _ = network(agent._stored._make(seen))
                torch.testing.assert_close(sample_actions(logits, generator), action, rtol=0, atol=0)
    assert np.mean(likelihood[-12:]) > np.mean(likelihood[:4]) + 0.1  # of a demonstrator that itself has hardly learnt


@pytest.mark.slow
def test_a_student_goes_through_the_same_stages(tmp_path, demonstrators, capsys):
    folder = train.train(train_config(tmp_path, *imitating(demonstrators[0])))
    student = load_checkpoint(folder)
    assert student.meta == load_checkpoint(folder / "best").meta and student.meta.algo == "cloning_of_ppo_d0"
    points = tables.read_records(folder / "curve.parquet", CurvePoint)
    assert all(point.success is None for point in points) and np.isfinite([point.value_loss for point in points]).all()
    few = ("evaluation.episodes=4", "evaluation.slots=4", "evaluation.shifts=[0]", "evaluation.probes=[]")
    assert main(["evaluate", f"run={folder}", *few]) == 0 and (folder / "episodes.parquet").is_file()
    assert describe(train_config(tmp_path, *imitating(folder))).algo == "cloning_of_cloning_of_ppo_d0_d0"


# --- interrupted ------------------------------------------------------------------------------------------------------

@pytest.mark.slow
@pytest.mark.parametrize("agent", ["cloning_intended", "cloning"])
def test_an_interrupted_run_goes_on_bit_for_bit_with_its_demonstrator(tmp_path, demonstrators, agent):
    chosen = imitating(demonstrators[1]) if agent == "cloning" else (f"agent={agent}",)
    config = train_config(tmp_path, *chosen, "env.diversity=1")
    agents = [_agent(config) for _ in range(2)]
    for _ in range(2):
        agents[0].iterate()
    agents[1].restore(agents[0].state())
    for agent in agents:
        agent.iterate()
    assert_equal_arrays(agents[0].state(), agents[1].state())


@pytest.mark.slow
def test_an_interrupted_student_ends_as_it_would_have(tmp_path, demonstrators, monkeypatch):
    whole, cut = (train_config(tmp_path / name, *imitating(demonstrators[0]), "checkpoint_seconds=0")
                  for name in ("whole", "cut"))
    with monkeypatch.context() as patched:
        patched.setattr(train, "_finish", lambda *_: None)
        folder = train.train(cut)
    assert [path.name for path in folder.iterdir()] == ["resume.npz"]
    told = []
    assert_equal_runs(train.train(cut, told.append), train.train(whole))
    assert told[0] == 3 * ITERATION  # went on, not anew


def _agent(config) -> Cloning:
    import gmexp_envs

    env = gmexp_envs.make_vec("coinrun", config.agent.num_envs, distribution=config.training, seed=3,
                        action_repeat=config.agent.action_repeat)
    return Cloning(config.agent, TASK, env, 9 * ITERATION, 5)


# --- who a student is -------------------------------------------------------------------------------------------------

@pytest.mark.slow
def test_a_student_is_known_by_its_demonstrators_weights_wherever_they_lie(tmp_path, demonstrators):
    elsewhere = shutil.copy(demonstrators[0] / "checkpoint.npz", tmp_path / "kept.npz")
    here, there, other = (train_config(tmp_path / name, *imitating(path)) for name, path in {
        "here": demonstrators[0], "there": elsewhere, "other": demonstrators[1]}.items())
    assert describe(here).run_id == describe(there).run_id
    assert describe(here).config_hash != describe(other).config_hash
    before = describe(there)
    shutil.copy(demonstrators[1] / "checkpoint.npz", elsewhere)
    assert describe(there).config_hash == describe(other).config_hash and describe(there).algo == "cloning_of_ppo_d1"
    shutil.copy(demonstrators[0] / "checkpoint.npz", elsewhere)
    assert describe(there).run_id == before.run_id
    digest = hashlib.sha256(Path(elsewhere).read_bytes()).hexdigest()
    assert identity(here)["agent"]["demonstrator"] == digest
    folders = [train.train(config) for config in (here, there)]
    assert_equal_runs(*folders)
    assert load_checkpoint(folders[0]).agent.demonstrator == digest


@pytest.mark.slow
def test_the_identities_of_other_runs_know_of_no_demonstrator(tmp_path, demonstrators):
    assert "demonstrator" not in identity(train_config(tmp_path))["agent"]
    about = json.loads(str(artefacts.read_npz(demonstrators[0] / "checkpoint.npz")["about"]))
    assert "demonstrator" not in about["agent"]


@pytest.mark.slow
def test_students_of_different_demonstrators_are_different_conditions(demonstrators):
    both = "conditions=[" + ",".join(f"{{agent.demonstrator: '{folder}'}}" for folder in demonstrators) + "]"
    runs = training_runs(load("run", ["experiment=shift_ladder", "agent=cloning", both, "seeds=[0, 1]"]))
    labels = condition_labels([describe(run) for run in runs])
    assert sorted(labels.values()) == [f"algo=cloning_of_ppo_d{d}, delta=0" for d in (0, 0, 1, 1)]


@pytest.mark.slow
def test_a_study_compares_students_with_agents_that_learn_by_themselves(demonstrators):
    varied = "conditions=[{agent: ppo}, {env.diversity: 0.3}]"
    runs = training_runs(load("run", ["experiment=quickstart", *imitating(demonstrators[0]), varied, "seeds=[0]"]))
    assert [getattr(run.agent, "demonstrator", None) for run in runs] == [None, str(demonstrators[0])]


@pytest.mark.slow
def test_methods_carry_the_calculators_names(tmp_path, demonstrators):
    for chosen, method in (("agent=cloning_intended",), "behavioral_cloning"), (("agent=ppo",), "standard"), (
            imitating(demonstrators[0]), "behavioral_cloning"):
        named = describe(train_config(tmp_path, *chosen)).align_method
        assert named == method == canonical("alignment_methods", named)


# --- what can go wrong ------------------------------------------------------------------------------------------------

REFUSED = {
    "there is no checkpoint": ("agent=cloning", "agent.demonstrator=nowhere"),
    "damaged": ("agent=cloning", "agent.demonstrator=damaged.npz"),
    "needs agent.demonstrator": ("agent=cloning",),
    "there is no key 'agent.demonstrator'": ("agent.demonstrator=good.npz",),
    "agent.network=impala, but the demonstrator good.npz has semantic": (
        "agent=cloning", "agent.demonstrator=good.npz", "agent.network=impala"),
    "agent.actions=full, but": ("agent=cloning", "agent.demonstrator=good.npz", "agent.actions=full"),
    "agent.action_repeat=1, but": ("agent=cloning", "agent.demonstrator=good.npz", "agent.action_repeat=1"),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("expected", REFUSED)
@pytest.mark.parametrize("verb", ["train", "run"])
def test_a_demonstrator_that_cannot_be_imitated_is_one_line_before_anything_is_trained(
        tmp_path, demonstrators, monkeypatch, capsys, verb, expected):
    monkeypatch.setattr(PPO, "iterate", lambda self: pytest.fail("trained"))
    monkeypatch.chdir(tmp_path)
    whole = (demonstrators[0] / "checkpoint.npz").read_bytes()
    (tmp_path / "good.npz").write_bytes(whole), (tmp_path / "damaged.npz").write_bytes(whole[:1000])
    study = ("experiment=quickstart",) if verb == "run" else ()
    assert main([verb, *study, *AGENT, *REFUSED[expected]]) == 2
    out, err = capsys.readouterr()
    assert expected in err and err.count("\n") == 1 and not out
    assert not (tmp_path / "outputs").exists()


def test_a_demonstrator_of_an_environment_that_shows_something_else_is_refused(tmp_path, demonstrators, monkeypatch):
    config = train_config(tmp_path, *imitating(demonstrators[0]))
    other = type(TASK)()
    monkeypatch.setattr(other, "semantics", dataclasses.replace(TASK.semantics, window=(9, 9)), raising=False)
    with pytest.raises(UserError, match="trained in coinrun, which does not show what coinrun shows"):
        trained_demonstrator(config.agent, other)


def test_actions_that_the_demonstrator_may_take_must_be_there(tmp_path):
    with pytest.raises(UserError, match="agent.actions=moves"):
        train.train(train_config(tmp_path, "agent=cloning_intended", "agent.actions=jumps"))
