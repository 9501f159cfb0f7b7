"""Held out by content: no layout of one split is met in another, whatever shifts; seeds are passed over within theirs."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import gmexp_envs
from gmexp_envs import find_task, split_levels
from gmexp_envs.levels import SPLITS, batches_of, is_by_content
from gmexp_envs.shifts import shift

TASKS = ("coinrun", "maze", "maze_line_and_gem", "keys_and_chests")
COUNT = 400


def distribution(name: str, split: str, **knobs):
    return dataclasses.replace(find_task(name).knobs(split_levels(split, COUNT), mode="easy", appearance=0.0,
                                                     **{"by_content": True, **knobs}), sequential=True)


def played(name: str, levels) -> np.ndarray:
    env = gmexp_envs.make_vec(name, levels.num_levels, distribution=levels, seed=0)
    env.reset()
    return np.array(env.present.level_seed, np.int64)


@pytest.mark.slow
@pytest.mark.parametrize("name", TASKS)
def test_no_layout_is_in_two_splits(name):
    """Also where circumstances are harder than in training; by seeds alone, many are in both."""
    task = find_task(name)
    trained, again = (task.layout_hash(distribution(name, "train", by_content=by_content)) for by_content in (True, False))
    assert len(np.unique(trained)) < COUNT  # there are repeated ones to be told apart
    for split in ("validation", "evaluation"):
        held_out = distribution(name, split)
        for kind in (0, 3):
            assert not np.isin(task.layout_hash(shift(task, held_out, kind, 1.0) if kind else held_out), trained).any()
        assert np.isin(task.layout_hash(dataclasses.replace(held_out, by_content=False)), again).any()


@pytest.mark.parametrize("name", TASKS)
def test_seeds_are_passed_over_within_their_split(name):
    for split, seeds in SPLITS.items():
        levels = distribution(name, split)
        asked, found = np.arange(seeds.first, seeds.first + COUNT), played(name, levels)
        kept = found == asked
        assert abs(kept.mean() - (0.6 if split == "train" else 0.2)) < 0.15
        assert ((seeds.first <= found) & (found < seeds.first + seeds.count)).all()
        # the level is that of the seed which the log names, and a list of seeds is played as it is
        listed = dataclasses.replace(levels, levels=tuple(found.tolist()))
        np.testing.assert_array_equal(played(name, listed), found)
        task = find_task(name)
        np.testing.assert_array_equal(task.layout_hash(listed), task.layout_hash(levels))
        np.testing.assert_array_equal(played(name, dataclasses.replace(levels, by_content=False)), asked)
        np.testing.assert_array_equal(played(name, dataclasses.replace(levels, levels=tuple(asked.tolist()))), asked)


@pytest.mark.parametrize("name", TASKS)
def test_arms_play_the_same_levels(name):
    levels = distribution(name, "evaluation", rho=0.0)
    arms = find_task(name).arms(levels)
    for arm in ("masked", "aligned"):
        np.testing.assert_array_equal(played(name, arms[arm]), played(name, levels))


@pytest.mark.parametrize("name", TASKS)
def test_training_draws_only_what_is_its_own(name):
    levels = dataclasses.replace(distribution(name, "train"), sequential=False, levels=split_levels("train"), horizon=5)
    env = gmexp_envs.make_vec(name, 64, distribution=levels, seed=3)
    env.reset()
    seen = set()
    for _ in range(40):
        env.step(np.zeros(64, np.int32))
        seen |= set(env.present.level_seed.tolist())
    own = dataclasses.replace(levels, levels=tuple(sorted(seen)))
    assert len(seen) > 300
    np.testing.assert_array_equal(find_task(name).layout_hash(own) % 5 < 3, True)


@pytest.mark.parametrize("name", TASKS[1:])
def test_a_maze_has_the_number_of_its_walls_whatever_is_done_in_it(name):
    """Not of what lies in it, and at any time: it is read off when it is asked for."""
    levels = distribution(name, "train", rho=0.0, by_content=False)
    env = gmexp_envs.make_vec(name, COUNT, distribution=levels, seed=0)
    env.reset()
    numbers, walls = env.layouts(), env.world.grid == 51
    rng = np.random.default_rng(0)
    for _ in range(60):
        env.step(rng.integers(0, 9, COUNT, dtype=np.int32), autoreset=False)
    np.testing.assert_array_equal(env.layouts(), numbers)
    others = find_task(name).layout_hash(dataclasses.replace(levels, rho=1.0))
    np.testing.assert_array_equal(others, numbers)
    if name != "keys_and_chests":  # where a maze may lie anywhere in its level
        patterns = np.unique(walls.reshape(COUNT, -1), axis=0, return_inverse=True)[1].ravel()
        assert len(set(patterns)) == len(set(numbers)) == len(set(zip(patterns, numbers, strict=True)))


def test_what_cannot_be_held_out_by_content_is_refused():
    with pytest.raises(ValueError, match="four mazes"):
        find_task("maze").knobs(None, sizes=(3, 3), by_content=True)
    assert is_by_content("content") and not is_by_content("seeds")
    with pytest.raises(ValueError, match="env.held_out = seed: content, or seeds"):
        is_by_content("seed")


@pytest.mark.parametrize("levels", [split_levels("train", 10), tuple(range(10))])
def test_batches_are_the_same_levels(levels):
    parts = list(batches_of(levels, 4))
    assert [len(p) if isinstance(p, tuple) else p.count for p in parts] == [4, 4, 2]
    assert sum((p if isinstance(p, tuple) else tuple(range(p.first, p.first + p.count)) for p in parts), ()) == (
        tuple(range(10)))
