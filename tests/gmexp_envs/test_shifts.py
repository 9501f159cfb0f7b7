"""The ladder of shifts: its identity at grade 0, its targets at grade 1, and what grows in between."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import gmexp_envs
from gmexp_envs import LevelDistribution, split_levels
from gmexp_envs.coinrun import layout as L
from gmexp_envs.coinrun.task import SHIFTS, TASK
from gmexp_envs.levels import SPLITS
from gmexp_envs.shifts import find_shift, shift, shift_factor
from gmexp_envs.task import FACTOR_NAMES

TRAINING = LevelDistribution(levels=split_levels("train"), mode="easy", appearance=0.0)
KINDS = range(len(SHIFTS))
grades = st.floats(0, 1)


def _first_worlds(distribution, count=256):
    """The levels of the first `count` evaluation seeds, as facts and appearance."""
    distribution = dataclasses.replace(distribution, levels=split_levels("evaluation", count), sequential=True)
    env = gmexp_envs.make_vec("coinrun", count, distribution=distribution, seed=0)
    env.reset()
    return env.world


def _broken(distribution):
    facts = _first_worlds(distribution).facts
    return (facts[:, L.COIN_X] != facts[:, L.END_X]) | (facts[:, L.COIN_Y] != facts[:, L.END_Y])


@pytest.mark.slow
@pytest.mark.parametrize("move, what", [*((shift, kind) for kind in KINDS),
                                        *((shift_factor, factor) for factor in FACTOR_NAMES)])
def test_grade_0_is_the_training_distribution(move, what):
    """As a value; and bit for bit in levels, observations, frames, rewards and endings, for every type and factor."""
    shifted = move(TASK, TRAINING, what, 0.0)
    assert shifted == TRAINING
    ours, theirs = (gmexp_envs.make_vec("coinrun", 8, distribution=d, seed=3, drawable=True) for d in (shifted, TRAINING))
    for a, b in zip(ours.reset(), theirs.reset(), strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(ours.frames(), theirs.frames())
    np.testing.assert_array_equal(ours.world.facts, theirs.world.facts)
    rng = np.random.default_rng(0)
    for _ in range(60):
        actions = rng.integers(6, 9, 8)
        ours_step, theirs_step = ours.step(actions), theirs.step(actions)
        for a, b in zip((*ours_step.observation, *ours_step[1:]), (*theirs_step.observation, *theirs_step[1:]),
                        strict=True):
            np.testing.assert_array_equal(a, b)


@given(st.sampled_from(FACTOR_NAMES), st.floats(-1, 1))
def test_factor_at_grade_0_is_the_training_distribution(factor, rho):
    training = dataclasses.replace(TRAINING, rho=rho)
    assert shift_factor(TASK, training, factor, 0.0) is training
    unthemed = LevelDistribution(rho=rho, appearance=None)
    assert shift(TASK, unthemed, 4, 0.0) is unthemed


@given(grades)
def test_correlation_follows_the_ladder(grade):
    assert [shift(TASK, TRAINING, kind, grade).rho for kind in KINDS] == [1, 1, 1 - grade / 2, 1 - grade, 1 - 2 * grade]


@given(st.sampled_from(KINDS[1:]), grades, st.floats(-1, 1), st.floats(0, 1), st.floats(0, 1))
def test_factors_move_towards_their_targets(kind, grade, rho, appearance, context):
    training = dataclasses.replace(TRAINING, rho=rho, appearance=appearance, context=context)
    shifted, whole = shift(TASK, training, kind, grade), shift(TASK, training, kind, 1.0)
    assert shifted.rho <= training.rho
    for name in ("rho", "appearance", "context", "supervision"):
        ends = sorted((getattr(training, name), getattr(whole, name)))
        assert ends[0] - 1e-12 <= getattr(shifted, name) <= ends[1] + 1e-12
    target = SHIFTS[kind].targets.get("correlation")
    assert whole.rho == (rho if target is None else min(rho, target))
    assert whole.appearance == 1.0
    assert (shifted.levels, shifted.physics, shifted.spec_quality) == (training.levels, training.physics,
                                                                       training.spec_quality)


@pytest.mark.parametrize("kind", KINDS)
def test_broken_levels_stay_broken(kind):
    """Common random numbers: a level broken at some grade is broken at every higher one."""
    before = np.zeros(256, bool)
    for grade in (0.0, 0.25, 0.5, 0.75, 1.0):
        broken = _broken(shift(TASK, TRAINING, kind, grade))
        assert (before <= broken).all()
        before = broken
    target = SHIFTS[kind].targets.get("correlation")
    expected = 0.0 if target is None else min(1.0, 1.0 - target)
    assert abs(broken.mean() - expected) <= (0.1 if 0 < expected < 1 else 0)


def _held_out(world):
    """Rows of the appearance features that training never shows."""
    attributes = ((L.WALL_FEATURES, L.TRAIN_WALLS, L.WALL_THEMES), (L.AGENT_FEATURES, L.TRAIN_AGENTS, L.AGENT_THEMES),
                  (L.BACKGROUND_FEATURES, L.TRAIN_BACKGROUNDS, L.BACKGROUNDS),
                  (L.ENEMY_FEATURES, L.TRAIN_ENEMIES, L.ENEMY_THEMES), (L.CRATE_FEATURES, L.TRAIN_CRATES, L.CRATE_THEMES))
    return {first: (world.appearance[:, first + trained:first + total], world.appearance[:, first:first + trained])
            for first, trained, total in attributes}


@pytest.mark.parametrize("mode", ["easy", "hard"])
def test_held_out_themes(mode):
    training = dataclasses.replace(TRAINING, mode=mode)
    for held_out, trained in _held_out(_first_worlds(training)).values():
        assert not held_out.any() and trained.any()
    for held_out, trained in _held_out(_first_worlds(shift(TASK, training, 1, 1.0))).values():
        assert held_out.any() and not trained.any()


def test_probe_separates_every_level():
    for kind in KINDS:
        world = _first_worlds(TASK.distinguishing(shift(TASK, TRAINING, kind, 1.0)))
        assert world.facts[:, L.DISTINGUISHING].all()


def test_supervision_lengthens_and_opens():
    facts = _first_worlds(shift(TASK, TRAINING, "extreme", 1.0)).facts
    assert (facts[:, L.HORIZON] == 2000).all() and facts[:, L.OPEN_ENDED].all() and facts[:, L.DECOY].all()
    facts = _first_worlds(shift_factor(TASK, TRAINING, "supervision", 0.5)).facts
    assert (facts[:, L.HORIZON] == 1500).all() and 0.3 < facts[:, L.OPEN_ENDED].mean() < 0.7


def test_names():
    assert [find_shift(TASK, s.name) for s in SHIFTS] == [find_shift(TASK, s.type) for s in SHIFTS] == list(SHIFTS)
    assert find_shift(TASK, "3") is SHIFTS[3]


@pytest.mark.slow
@given(st.lists(st.tuples(st.sampled_from(sorted(SPLITS)), st.integers(0, 10**6), st.integers(1, 10**6)), min_size=2,
                max_size=2, unique_by=lambda part: part[0]))
def test_splits_are_disjoint(parts):
    one, other = (split_levels(split, count, offset) for split, offset, count in parts)
    assert one.first + one.count <= other.first or other.first + other.count <= one.first


@pytest.mark.parametrize(("call", "message"), [
    (lambda: shift(TASK, TRAINING, 5, 0.5), "there is no shift 5"),
    (lambda: shift(TASK, TRAINING, "superfical", 0.5), "superficial"),
    (lambda: shift(TASK, TRAINING, 1, 1.5), "grade 1.5"),
    (lambda: shift(TASK, TRAINING, 1, float("nan")), "grade nan"),
    (lambda: shift_factor(TASK, TRAINING, "weather", 1.0), "there is no factor 'weather'"),
    (lambda: shift(TASK, LevelDistribution(), 1, 0.1), "appearance=0.0"),
    (lambda: shift_factor(TASK, LevelDistribution(placement="end"), "correlation", 0.1), "placement 'end'"),
    (lambda: shift(TASK, LevelDistribution(placement="langosco", appearance=0.0), 4, 1.0), "langosco"),
])
def test_what_does_not_fit(call, message):
    with pytest.raises(ValueError, match=message) as error:
        call()
    assert "\n" not in str(error.value)
