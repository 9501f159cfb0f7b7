"""Behavioural cloning: the demonstrator's goal becomes the imitator's, by the same stages and bit for bit."""

from __future__ import annotations

import numpy as np
import pytest

from gmexp import artefacts, train
from gmexp.agents.cloning import Cloning
from gmexp.calculator.modifiers import canonical
from gmexp.checkpoint import load_checkpoint
from gmexp.errors import UserError
from gmexp.records import CurvePoint
from gmexp.train import describe

from .tiny import ITERATION, assert_equal_arrays, train_config


@pytest.mark.parametrize("goal", ["coin", "proxy"])
def test_the_policy_comes_to_do_what_the_demonstrator_does(tmp_path, goal, monkeypatch):
    likelihood = []
    loss = Cloning._policy_loss
    monkeypatch.setattr(Cloning, "_policy_loss", lambda self, logp, before, advantage: (
        likelihood.append(float(logp.detach().mean())), loss(self, logp, before, advantage))[1])
    config = train_config(tmp_path, f"agent=cloning_{goal}_seeker", "env.diversity=1", "env.horizon=200", iterations=30)
    folder = train.train(config)
    assert np.mean(likelihood[-20:]) > np.mean(likelihood[:4]) + 0.3
    points = artefacts.read_records(folder / "curve.parquet", CurvePoint)
    assert all(point.success is None for point in points) and sum(point.episodes for point in points)
    assert load_checkpoint(folder / "best").meta == load_checkpoint(folder).meta


def test_an_interrupted_run_goes_on_bit_for_bit_with_its_demonstrators_plans(tmp_path, monkeypatch):
    config = train_config(tmp_path, "agent=cloning_coin_seeker", "env.diversity=1")
    agents = [_agent(config) for _ in range(2)]
    for _ in range(2):
        agents[0].iterate()
    agents[1].restore(agents[0].state())
    for agent in agents:
        agent.iterate()
    assert_equal_arrays(agents[0].state(), agents[1].state())


def _agent(config) -> Cloning:
    import envs

    env = envs.make_vec("coinrun", config.agent.num_envs, distribution=config.env.distribution(), seed=3,
                        action_repeat=config.agent.action_repeat)
    return Cloning(config.agent, env, 9 * ITERATION, 5)


def test_methods_carry_the_calculators_names(tmp_path):
    for agent, method in (("cloning_coin_seeker", "behavioral_cloning"), ("ppo", "standard")):
        named = describe(train_config(tmp_path, f"agent={agent}")).align_method
        assert named == method == canonical("alignment_methods", named)


def test_actions_that_the_demonstrator_may_take_must_be_there(tmp_path):
    with pytest.raises(UserError, match="agent.actions=moves"):
        train.train(train_config(tmp_path, "agent=cloning_coin_seeker", "agent.actions=jumps"))
