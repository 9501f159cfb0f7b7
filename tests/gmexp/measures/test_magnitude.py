"""Distances that are zero where nothing shifted, grow with what did, and match textbook formulas."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from gmexp.agents.networks import Semantic
from gmexp.agents.policy import Policy
from gmexp.measures.magnitude import energy_coefficient, two_sample, visit
from gmexp_envs.coinrun.distribution import LevelDistribution
from gmexp_envs.coinrun.task import TASK
from gmexp_envs.levels import split_levels
from gmexp_envs.shifts import shift, shift_factor


LEVELS = 200
CLASSES = len(TASK.semantics.classes)
TRAINING = LevelDistribution(mode="easy", appearance=0.0, levels=split_levels("validation", LEVELS), sequential=True)


@pytest.fixture(scope="module")
def network() -> Semantic:
    return Semantic(TASK.semantics, 32, 16, 6, torch.Generator().manual_seed(0))


def states(network, *distributions):
    held_out = [TRAINING, *(dataclasses.replace(d, levels=split_levels("evaluation", LEVELS)) for d in distributions)]
    return visit(TASK, network, Policy(network, TASK.action_sets["jumps"], 0), held_out, 2, np.random.default_rng(0), 0)


@pytest.mark.slow
def test_unseen_levels_of_the_training_distribution_are_not_far(network):
    here, there = states(network, TRAINING)
    assert abs(two_sample(here, there, CLASSES, 0)) < 0.2
    assert abs(energy_coefficient(here.features, there.features)) < 0.02


@pytest.mark.slow
def test_appearance_moves_observations_the_further_the_higher_its_grade(network):
    here, *there = states(network, *(shift_factor(TASK, TRAINING, "appearance", grade) for grade in (0.3, 0.6, 1.0)))
    found = [two_sample(here, other, CLASSES, 0) for other in there]
    assert sorted(found) == found and found[0] > 0.3 and found[-1] > 0.95


def test_rho_is_measured_where_the_coin_is(network):
    for kind, rho in ((0, 1.0), (2, 0.5), (3, 0.0), (4, -1.0)):
        _, there = states(network, shift(TASK, TRAINING, kind, 1.0))
        assert there.place.mean() == pytest.approx(rho, abs=0.12)


def test_energy_coefficient():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(300, 4)), rng.normal(size=(300, 4))
    assert abs(energy_coefficient(a, b)) < 0.01
    assert energy_coefficient(a, b + 1) < energy_coefficient(a, b + 3) < 1
    points = energy_coefficient(np.zeros((5, 1)), np.ones((5, 1)))
    assert points == 1.0  # 2 E|X - Y| = 2, nothing within
    assert energy_coefficient(np.zeros((5, 1)), np.zeros((5, 1))) == 0.0
