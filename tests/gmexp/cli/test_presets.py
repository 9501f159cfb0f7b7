"""What holds for every preset in conf/: no level is used twice for different ends, and no grade 0 shifts anything."""

import dataclasses

import numpy as np
import pytest

import gmexp_envs
from gmexp.cli.config import load
from gmexp.evaluation.cells import cells
from gmexp.pipeline import training_runs
from gmexp.support.conf import config_folder
from gmexp_envs.coinrun.distribution import LevelDistribution
from gmexp_envs.coinrun.layout import SEED
from gmexp_envs.coinrun.task import SHIFTS, TASK
from gmexp_envs.levels import SPLITS, SeedRange, split_levels
from gmexp_envs.shifts import shift, shift_factor
from gmexp_envs.task import FACTOR_NAMES


def names(group: str) -> list[str]:
    return sorted(path.stem for path in (config_folder() / group).glob("*.yaml"))


def presets() -> list[tuple[str, list[LevelDistribution], list[LevelDistribution]]]:
    """(name, distributions trained on, distributions evaluated on) of every environment and experiment."""
    plan = load("evaluate", ["run=none"]).evaluation
    found = []
    for name in names("env"):
        training = load("train", [f"env={name}"]).training
        found.append((f"env={name}", [training], [cell.distribution for cell in cells(TASK, training, plan)]))
    for name in names("experiment"):
        config = load("run", [f"experiment={name}"])
        runs = training_runs(config)
        trained = [run.training for run in runs]
        evaluated = [cell.distribution for run, training in zip(runs, trained, strict=True)
                     for cell in cells(TASK, training, config.evaluation, run.seed)]
        found.append((f"experiment={name}", trained, evaluated))
    return found


PRESETS = presets()


def bounds(levels: SeedRange | tuple[int, ...]) -> tuple[int, int]:
    """First seed, and the one after the last."""
    if isinstance(levels, SeedRange):
        return levels.first, levels.first + levels.count
    return min(levels), max(levels) + 1


def disjoint(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return one[1] <= other[0] or other[1] <= one[0]


@pytest.mark.parametrize("name, trained, evaluated", PRESETS, ids=[preset[0] for preset in PRESETS])
def test_no_level_is_both_trained_and_evaluated_on(name, trained, evaluated):
    validation = bounds(split_levels("validation"))
    for distribution in trained:
        train = bounds(distribution.levels)
        assert SPLITS["train"].first <= train[0] and disjoint(train, validation)
        for other in evaluated:
            assert disjoint(train, bounds(other.levels)) and disjoint(validation, bounds(other.levels))


@pytest.mark.parametrize("name, trained, evaluated", PRESETS, ids=[preset[0] for preset in PRESETS])
def test_the_levels_that_are_played_are_from_their_split(name, trained, evaluated):
    """Not only by the ranges: the seeds that environments draw, long after their sequence has begun anew."""
    for split, distributions in (("train", trained), ("evaluation", evaluated)):
        first, last = bounds(SPLITS[split])
        for distribution in dict.fromkeys(distributions):
            env = gmexp_envs.make_vec("coinrun", 64, distribution=dataclasses.replace(distribution, horizon=1), seed=0)
            env.reset()
            for _ in range(8):
                seeds = env.world.facts[:, SEED]
                assert (first <= seeds).all() and (seeds < last).all()
                env.step(np.full(64, 4))
            env.close()


@pytest.mark.parametrize("name, trained, evaluated", PRESETS, ids=[preset[0] for preset in PRESETS])
def test_at_grade_0_no_preset_is_shifted(name, trained, evaluated):
    """Equal distributions make equal worlds (tests/envs/test_shifts.py compares them bit by bit)."""
    for training in trained:
        assert all(shift(TASK, training, kind.type, 0.0) == training for kind in SHIFTS)
        assert all(shift_factor(TASK, training, factor, 0.0) == training for factor in FACTOR_NAMES)
