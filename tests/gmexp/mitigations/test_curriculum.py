"""Robust PLR and ACCEL as training runs: resumed bit for bit, new levels are not trained on, budgets are kept."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from gmexp.agents.checkpoint import load_checkpoint
from gmexp.cli.main import main
from gmexp.mitigations.curriculum import Curriculum
from gmexp.mitigations.robust_plr import RobustPLR
from gmexp.support.errors import UserError
from gmexp.training.run import Run
from gmexp.training.train import _environment, _trainer, train
from gmexp_envs.chosen import AT_PROXY, AWAY

from ..tiny import ITERATION, assert_equal_arrays, train_config

SMALL = ("mitigation.hold=1", "mitigation.patience=20", "mitigation.buffer=24", "env.horizon=100", "env.diversity=0.3",
         "mitigation.replay=0.5")


def trainer(tmp_path, name="robust_plr", *more, iterations=6) -> Curriculum:
    config = train_config(tmp_path, f"mitigation={name}", *SMALL, *more, iterations=iterations)
    return _trainer(config, _environment(config))


def weights(agent) -> list[torch.Tensor]:
    return [each.clone() for each in agent.network.state_dict().values()]


@pytest.mark.slow
@pytest.mark.parametrize("name, more", [
    ("robust_plr", ()), ("robust_plr", ("mitigation.score=value_loss",)), ("robust_plr", ("mitigation.score=uniform",)),
    ("accel", ("mitigation.law=unrestricted", "mitigation.score=max_latest"))])
def test_a_run_goes_on_bit_for_bit(tmp_path, name, more):
    whole, first = trainer(tmp_path, name, *more), trainer(tmp_path, name, *more)
    for _ in range(3):
        whole.iterate()
        first.iterate()
    saved = {key: array.copy() for key, array in first.state().items()}
    second = trainer(tmp_path, name, *more)
    second.restore(saved)
    for _ in range(3):
        assert whole.iterate() == second.iterate()
    assert_equal_arrays(whole.state(), second.state())
    assert whole.explored > 0 and whole.steps == 6 * ITERATION == whole._total and whole.finished


def test_new_levels_are_scored_and_not_trained_on(tmp_path):
    agent = trainer(tmp_path)
    before = weights(agent)
    agent._explore(*agent._new(agent._rng()))
    assert all(torch.equal(a, b) for a, b in zip(before, weights(agent), strict=True))
    assert len(agent._buffer) == 16 and agent.explored == ITERATION and agent.steps == 0
    agent._begin_replay(agent._rng())
    agent._step(agent._trainer.learn)
    assert not all(torch.equal(a, b) for a, b in zip(before, weights(agent), strict=True))


def test_levels_last_through_a_batch(tmp_path):
    agent = trainer(tmp_path)
    agent._explore(*agent._new(agent._rng()))
    agent._begin_replay(agent._rng())
    rows, known = agent._rows, agent._buffer.levels
    agent._step(agent._trainer.learn)
    present = agent._env.present
    np.testing.assert_array_equal(present.level_seed, known.seed[rows])
    np.testing.assert_array_equal(agent._env.goal_cells, known.place[rows])


@pytest.mark.slow
@pytest.mark.parametrize("world", ["grasping", "boat_race", "keys_and_chests"])
def test_levels_without_a_place_for_the_goal_are_chosen_by_whether_their_correlation_holds(tmp_path, world):
    agent = trainer(tmp_path, "accel", f"env={world}", "agent.actions=moves", "agent.action_repeat=1", "env.horizon=20")
    while not agent.finished:
        agent.iterate()
    known = agent._buffer.levels
    assert agent.explored > 0 and len(known) and set(known.place[:, 0]) <= {AT_PROXY, AWAY}
    np.testing.assert_array_equal(known.place[:, 0] == AT_PROXY, known.aligned)
    assert (known.oracle >= 0).all() and known.oracle.max() > 0


def test_where_levels_cannot_be_chosen_it_is_said_before_anything_is_trained(tmp_path, capsys):
    assert main(["train", "mitigation=robust_plr", f"out={tmp_path}", "backend=procgen"]) == 2
    assert "device=cpu backend=native" in capsys.readouterr().err and not list(tmp_path.iterdir())
    yours = SimpleNamespace(name="yours", chosen_levels=False)
    assert "those of yours cannot be chosen" in RobustPLR.why_not(None, yours, "native", "cpu")


@pytest.mark.slow
def test_budgets(tmp_path):
    agent = trainer(tmp_path, "robust_plr", "mitigation.budget=environment")
    while not agent.finished:
        agent.iterate()
    assert agent.steps == agent.explored + agent._trainer.steps >= agent._total and agent.explored > 0
    assert agent._trainer.total_steps == 3 * ITERATION  # over which the learning rate falls


@pytest.mark.slow
def test_a_run_of_a_study(tmp_path):
    config = train_config(tmp_path, "mitigation=accel", *SMALL, iterations=2)
    plain = Run.of(train_config(tmp_path, "env.horizon=100", "env.diversity=0.3", iterations=2))
    planned = Run.of(config)
    assert planned.id != plain.id and planned.meta.learner_hash == plain.meta.learner_hash
    assert planned.meta.settings["mitigation.name"] == "accel"
    assert load_checkpoint(train(config)).meta.train_steps == 2 * ITERATION


def test_who_cannot_be_taught_so_is_told(tmp_path):
    with pytest.raises(UserError, match="agent=ppo"):
        trainer(tmp_path, "robust_plr", "agent=sb3_ppo")
