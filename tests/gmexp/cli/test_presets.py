"""What holds for every preset in conf/: no level is used twice for different ends, and no grade 0 shifts anything."""

import dataclasses
from typing import Any

import numpy as np
import pytest

import gmexp_envs
from gmexp.cli.config import load
from gmexp.evaluation.cells import cells
from gmexp.pipeline import training_runs
from gmexp.support.conf import config_folder
from gmexp_envs.levels import SPLITS, SeedRange, split_levels
from gmexp_envs.shifts import shift, shift_factor
from gmexp_envs.task import Task


def names(group: str) -> list[str]:
    return sorted(path.stem for path in (config_folder() / group).glob("*.yaml"))


def presets() -> list[tuple[str, Task, list[Any], list[Any]]]:
    """(name, task, distributions trained on, distributions evaluated on) of every environment and experiment."""
    plan = load("evaluate", ["run=none"]).evaluation
    found = []
    for name in names("env"):
        config = load("train", [f"env={name}"])
        evaluated = [cell.distribution for cell in cells(config.task, config.training, plan)]
        found.append((f"env={name}", config.task, [config.training], evaluated))
    for name in names("experiment"):
        config = load("run", [f"experiment={name}"])
        runs = training_runs(config)
        evaluated = [cell.distribution for run in runs
                     for cell in cells(run.task, run.training, config.evaluation, run.seed)]
        found.append((f"experiment={name}", runs[0].task, [run.training for run in runs], evaluated))
    return found


PRESETS = presets()


def bounds(levels: SeedRange | tuple[int, ...]) -> tuple[int, int]:
    """First seed, and the one after the last."""
    if isinstance(levels, SeedRange):
        return levels.first, levels.first + levels.count
    return min(levels), max(levels) + 1


def disjoint(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return one[1] <= other[0] or other[1] <= one[0]


@pytest.mark.parametrize("name, task, trained, evaluated", PRESETS, ids=[preset[0] for preset in PRESETS])
def test_no_level_is_both_trained_and_evaluated_on(name, task, trained, evaluated):
    validation = bounds(split_levels("validation"))
    for distribution in trained:
        train = bounds(distribution.levels)
        assert SPLITS["train"].first <= train[0] and disjoint(train, validation)
        for other in evaluated:
            assert disjoint(train, bounds(other.levels)) and disjoint(validation, bounds(other.levels))


@pytest.mark.slow
@pytest.mark.parametrize("name, task, trained, evaluated", PRESETS, ids=[preset[0] for preset in PRESETS])
def test_the_levels_that_are_played_are_from_their_split(name, task, trained, evaluated):
    """Not only by the ranges: the seeds that environments draw, long after their sequence has begun anew."""
    for split, distributions in (("train", trained), ("evaluation", evaluated)):
        first, last = bounds(SPLITS[split])
        for distribution in dict.fromkeys(distributions):
            env = gmexp_envs.make_vec(task, 64, distribution=dataclasses.replace(distribution, horizon=1), seed=0)
            env.reset()
            for _ in range(8):
                seeds = env.present.level_seed
                assert (first <= seeds).all() and (seeds < last).all()
                env.step(np.full(64, 4))
            env.close()


@pytest.mark.parametrize("name, task, trained, evaluated", PRESETS, ids=[preset[0] for preset in PRESETS])
def test_at_grade_0_no_preset_is_shifted(name, task, trained, evaluated):
    """Equal distributions make equal worlds (tests/envs/test_shifts.py compares them bit by bit)."""
    for training in trained:
        assert all(shift(task, training, kind.type, 0.0) == training for kind in task.shifts)
        assert all(shift_factor(task, training, factor.name, 0.0) == training for factor in task.factors)
