"""What holds for every preset in conf/: no level is used twice for different ends, and no grade 0 shifts anything."""

import dataclasses
from functools import cache
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


PRESETS = [*(f"env={name}" for name in names("env")),
           *(pytest.param(f"experiment={name}", marks=[pytest.mark.slow] * (name != "quickstart"))
             for name in names("experiment"))]


@cache
def preset(name: str) -> tuple[list[tuple[Task, Any]], list[tuple[Task, Any]]]:
    """What an environment or an experiment trains on and what it evaluates on: tasks with distributions."""
    if name.startswith("env="):
        config = load("train", [name])
        plan = load("evaluate", ["run=none"]).evaluation
        task = config.task
        return [(task, config.training)], [(task, cell.distribution) for cell in cells(task, config.training, plan)]
    config = load("run", [name])
    runs = training_runs(config)
    evaluated = [(run.task, cell.distribution) for run in runs
                 for cell in cells(run.task, run.training, config.evaluation, run.seed)]
    return [(run.task, run.training) for run in runs], evaluated


def bounds(levels: SeedRange | tuple[int, ...]) -> tuple[int, int]:
    """First seed, and the one after the last."""
    if isinstance(levels, SeedRange):
        return levels.first, levels.first + levels.count
    return min(levels), max(levels) + 1


def disjoint(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return one[1] <= other[0] or other[1] <= one[0]


@pytest.mark.slow
@pytest.mark.parametrize("name", PRESETS)
def test_no_level_is_both_trained_and_evaluated_on(name):
    trained, evaluated = preset(name)
    validation = bounds(split_levels("validation"))
    played = {bounds(distribution.levels) for _, distribution in evaluated}
    for train in {bounds(distribution.levels) for _, distribution in trained}:
        assert SPLITS["train"].first <= train[0] and disjoint(train, validation)
        assert all(disjoint(train, other) and disjoint(validation, other) for other in played)


@pytest.mark.slow
@pytest.mark.parametrize("name", PRESETS)
def test_the_levels_that_are_played_are_from_their_split(name):
    """Not only by the ranges: the seeds that environments draw, long after their sequence has begun anew."""
    trained, evaluated = preset(name)
    for split, distributions in (("train", trained), ("evaluation", evaluated)):
        first, last = bounds(SPLITS[split])
        for task, distribution in {(task.name, bounds(d.levels)): (task, d) for task, d in distributions}.values():
            env = gmexp_envs.make_vec(task, 64, distribution=dataclasses.replace(distribution, horizon=1), seed=0)
            env.reset()
            for _ in range(8):
                seeds = env.present.level_seed
                assert (first <= seeds).all() and (seeds < last).all()
                env.step(np.full(64, 4))
            env.close()


@pytest.mark.slow
@pytest.mark.parametrize("name", PRESETS)
def test_at_grade_0_no_preset_is_shifted(name):
    """Equal distributions make equal worlds (tests/envs/test_shifts.py compares them bit by bit)."""
    trained, _ = preset(name)
    for task, training in trained:
        assert all(shift(task, training, kind.type, 0.0) == training for kind in task.shifts)
        assert all(shift_factor(task, training, factor.name, 0.0) == training for factor in task.factors)
