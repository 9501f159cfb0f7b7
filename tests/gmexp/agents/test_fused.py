"""The gradient that is written out is autograd's, and runs by it learn, repeat and go on like others."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import gmexp_envs
from gmexp import artefacts
from gmexp.agents.cloning import Cloning
from gmexp.agents.config import PPOConfig
from gmexp.agents.fused import FusedGradient, Samples, fusible
from gmexp.agents.networks import SEMANTIC
from gmexp.agents.ppo import PPO
from gmexp.cli.config import load
from gmexp.training.run import describe

from ..tiny import AGENT, ITERATION, assert_equal_arrays, train_config

CONFIG: PPOConfig = load("train", AGENT).agent
AUTOGRAD = dataclasses.replace(CONFIG, update="autograd")
WALK = [gmexp_envs.find_task(name) for name in ("coinrun", "maze", "boat_race")]


def make(config: PPOConfig = CONFIG, iterations: int = 4, name: str = "coinrun", kind: type[PPO] = PPO) -> PPO:
    task = gmexp_envs.find_task(name)
    env = gmexp_envs.make_vec(task, config.num_envs, seed=0, action_repeat=config.action_repeat)
    return kind(dataclasses.replace(config, actions="usual"), task, env, iterations * ITERATION, 0)


def trained(agent: PPO) -> list:
    reports = []
    while not agent.finished:
        reports.append(agent.iterate())
    return reports


# --- against autograd -------------------------------------------------------------------------------------------------

def met(agent: PPO, random: np.random.Generator, moved: float) -> Samples:
    """A rollout whose policy was another: log-probabilities and values are `moved` so far from the present ones.

    Advantages and targets are anything; some advantages are zero.
    """
    agent.collect()
    count = agent._reward.numel()

    def drawn(scale: float) -> torch.Tensor:
        return torch.from_numpy(random.normal(0, scale, count).astype(np.float32))

    advantage = drawn(1) * torch.from_numpy(random.random(count) > 0.1)
    value = agent._value[:-1].flatten()
    return Samples(agent._stored._make(part.flatten(0, 1) for part in agent._stored), agent._action.flatten(),
                   agent._logp.flatten() + drawn(moved), advantage, value + drawn(moved), value + drawn(1))


def gradients(agent: PPO) -> dict[str, torch.Tensor]:
    return {name: weight.grad.clone() for name, weight in agent.network.named_parameters()}


sizes = {"width": st.integers(1, 80), "hidden": st.integers(1, 40), "num_envs": st.integers(2, 9),
         "network": st.sampled_from(sorted(SEMANTIC)), "value_clip": st.booleans(), "clip": st.sampled_from([0.05, 0.2, 1.0]),
         "entropy": st.sampled_from([0.0, 0.01, 1.0]), "value_coefficient": st.sampled_from([0.0, 0.5, 2.0])}


@settings(deadline=None, max_examples=60)
@given(st.sampled_from([task.name for task in WALK]), st.fixed_dictionaries(sizes), st.integers(0, 2**32 - 1),
       st.sampled_from([0.0, 0.1, 0.5, 3.0]), st.floats(0.1, 5))
def test_gradients_and_losses_are_autograds(name, change, seed, moved, gain):
    agent = make(dataclasses.replace(CONFIG, rollout=4, minibatches=1, **change), name=name)
    random = np.random.default_rng(seed)
    with torch.no_grad():
        agent.network.policy.weight.mul_(100 * gain)  # as sharp a policy as a trained one's
        for weight in agent.network.parameters():
            weight.add_(torch.from_numpy(random.normal(0, 0.01, weight.shape).astype(np.float32)))
    samples = met(agent, random, moved)
    rows = torch.from_numpy(np.sort(random.permutation(len(samples.action))[:max(2, len(samples.action) // 2)]))
    expected_losses = agent._autograd(samples, rows)
    expected = gradients(agent)
    losses = FusedGradient(agent.network, agent.config, len(rows))(samples, rows)
    torch.testing.assert_close(losses, expected_losses, rtol=1e-5, atol=1e-6, check_dtype=False)
    written = gradients(agent)
    largest = max(1.0, *(float(each.abs().max()) for each in expected.values()))
    for part, gradient in expected.items():
        torch.testing.assert_close(written[part], gradient, rtol=1e-6, atol=1e-6 * largest, msg=lambda text, part=part: f"{part}: {text}")
