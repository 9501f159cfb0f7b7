"""The critic study on critics and actors whose answer is known, and the wall one can walk through."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

import gmexp_envs
from gmexp.measures.critic import rows, watch
from gmexp_envs.coinrun.distribution import LevelDistribution
from gmexp_envs.coinrun.layout import COIN, WALL, X
from gmexp_envs.coinrun.task import TASK
from gmexp_envs.levels import split_levels

LEVELS = 60
VIEW = TASK.goal_in_view
TRAINING = LevelDistribution(mode="easy", appearance=0.0, horizon=300, levels=split_levels("evaluation", LEVELS),
                             sequential=True, masked=True, permeable_wall=VIEW.wall)  # fmt: skip


class CoinCritic(torch.nn.Module):
    """Values a state at 0.25, and at 0.75 more where a coin is in view."""

    def __init__(self) -> None:
        super().__init__()
        self.base = torch.nn.Parameter(torch.tensor(0.25))

    def forward(self, observation):
        return None, self.base + 0.75 * (observation.window == COIN).any(1).float()


class Runner:
    """Runs right and jumps all the time."""

    def act(self, observation, rows):
        return np.full(len(rows), 8, np.int32)


def make(**changes):
    return gmexp_envs.make_vec("coinrun", LEVELS, distribution=dataclasses.replace(TRAINING, **changes), seed=0)


def test_the_same_states_are_valued_with_and_without_the_coin():
    profile, reached, passed = watch(VIEW, CoinCritic(), Runner(), make())
    table = {row["distance"]: row for row in rows(profile, VIEW.nearest, 1.0)}
    assert reached.sum() >= 10
    for distance, row in table.items():
        if row["levels"]:
            assert row["value"] == pytest.approx(0.25)
        if row["pairs"]:
            assert abs(distance) <= 6
            assert row["without_goal"] == pytest.approx(0.25) and row["with_goal"] == pytest.approx(1.0)
    assert table[3]["pairs"] and table[-3]["pairs"]  # before the end and behind it
    np.testing.assert_array_equal(passed, reached)  # nothing stops a runner behind the end


def test_a_real_wall_stops_everyone():
    _, reached, passed = watch(VIEW, CoinCritic(), Runner(), make(permeable_wall=0))
    assert reached.sum() >= 10 and not passed.any()


@pytest.mark.slow
def test_a_permeable_wall_looks_like_a_wall():
    solid, permeable = make(permeable_wall=0), make()
    for part, other in zip(solid.reset(), permeable.reset(), strict=True):
        np.testing.assert_array_equal(part, other)
    np.testing.assert_array_equal(solid.world.classes, permeable.world.classes)
    drawn = [gmexp_envs.make_vec("coinrun", LEVELS, distribution=dataclasses.replace(TRAINING, permeable_wall=columns),
                                 seed=0, observation="pixels").reset() for columns in (0, VIEW.wall)]
    np.testing.assert_array_equal(*drawn)


def test_behind_the_end_the_agent_stands_in_what_looks_like_wall():
    env = make()
    observation = env.reset()
    rows = np.arange(LEVELS)
    inside = 0
    while len(rows):
        beyond = rows[env.world.body[rows, X] > env.world.facts[rows, 3] + 2]
        inside += len(beyond)
        assert (observation.window[beyond, 6, 6] == WALL).all()
        step = env.step(np.full(LEVELS, 8, np.int32), rows, autoreset=False)
        observation = step.observation
        rows = rows[~(step.terminated | step.truncated)[rows]]
    assert inside > 0 and VIEW.nearest == -VIEW.wall
