"""Every slot contributes the same number of episodes, and every log row is that of the episode that ended."""

from __future__ import annotations

import numpy as np
import pytest

import gmexp_envs
from gmexp.evaluation.rollout import play
from gmexp_envs.coinrun.distribution import LevelDistribution
from gmexp_envs.coinrun.task import TASK
from gmexp_envs.levels import split_levels
from gmexp_envs.outcome import NEVER
from gmexp_envs.vec import EpisodeLog, Present, SemanticObservation, Step, VecEnv

SHORT, LONG = 1, 25  # steps


class Toy(VecEnv):
    """Episodes succeed with a known probability and then last so many steps, else so many others.

    The observation is the slot's clock.
    """

    def __init__(self, num_envs: int, seed: int, rate: float = 0.5, lengths: tuple[int, int] = (SHORT, LONG)) -> None:
        super().__init__(num_envs, [LevelDistribution()], seed, "semantic", 1)
        self._rng, self._rate, self._lengths = np.random.default_rng(seed), rate, lengths
        self._clock = np.zeros(num_envs, np.int32)
        self._success = np.zeros(num_envs, bool)
        self._index = np.zeros(num_envs, np.int32)
        self._log = EpisodeLog(*(np.zeros(num_envs, np.int32) for _ in EpisodeLog._fields))
        self.moved: list[np.ndarray] = []

    def _begin(self, rows: np.ndarray) -> None:
        self._clock[rows] = 0
        self._success[rows] = self._rng.random(len(rows)) < self._rate

    def _observation(self) -> SemanticObservation:
        return SemanticObservation(self._clock[:, None, None], self._clock[:, None], self._clock[:, None])

    def reset(self, seed: int | None = None) -> SemanticObservation:
        self._begin(np.arange(self.num_envs))
        return self._observation()

    def step(self, actions: np.ndarray, rows: np.ndarray | None = None) -> Step:
        rows = np.arange(self.num_envs) if rows is None else rows
        self.moved.append(rows.copy())
        self._clock[rows] += 1
        ended = np.zeros(self.num_envs, bool)
        ended[rows] = self._clock[rows] >= np.where(self._success[rows], *self._lengths)
        self._log.intended_step[ended] = np.where(self._success[ended], self._lengths[0], NEVER)
        self._log.length[ended] = self._clock[ended]
        self._log.index[ended] = self._index[ended]
        self._index[ended] += 1
        self._begin(np.flatnonzero(ended))
        return Step(self._observation(), np.zeros(self.num_envs, np.float32), ended, np.zeros(self.num_envs, bool))

    @property
    def log(self) -> EpisodeLog:
        return self._log

    @property
    def present(self) -> Present:
        raise NotImplementedError

    def state(self) -> dict:
        raise NotImplementedError

    def restore(self, state) -> None:
        raise NotImplementedError


class Idle:
    """Acts by doing nothing, and remembers for whom it was asked."""

    def act(self, observation: SemanticObservation, rows: np.ndarray) -> np.ndarray:
        return np.zeros(len(rows), np.int32)


class Random:
    def __init__(self, num_envs: int, seed: int = 0) -> None:
        self._rng, self._num_envs = np.random.default_rng(seed), num_envs

    def act(self, observation: SemanticObservation, rows: np.ndarray) -> np.ndarray:
        return self._rng.integers(15, size=self._num_envs, dtype=np.int32)[rows]


def stop_at_a_total(env: Toy, episodes: int) -> float:
    """The success rate as commonly measured: step everyone until so many episodes have finished."""
    env.reset()
    successes = []
    while len(successes) < episodes:
        step = env.step(np.zeros(env.num_envs, np.int32))
        successes += (env.log.intended_step[step.terminated] != NEVER).tolist()
    return float(np.mean(successes[:episodes]))


@pytest.mark.parametrize("rate", [0.3, 0.5, 0.7])
@pytest.mark.parametrize("per_slot", [1, 3])
@pytest.mark.parametrize("lengths", [(SHORT, LONG), (LONG, SHORT)], ids=["quick success", "quick failure"])
def test_stopping_at_a_total_is_biased_and_equal_shares_are_not(rate, per_slot, lengths):
    """A Monte Carlo of both estimators where the truth is known and outcomes differ in how long they take."""
    slots, repetitions = 50, 40
    naive = [stop_at_a_total(Toy(slots, seed, rate, lengths), slots * per_slot) for seed in range(repetitions)]
    ours = []
    for seed in range(repetitions):
        log, _ = play(Idle(), Toy(slots, seed, rate, lengths), per_slot)
        assert len(log.length) == slots * per_slot  # no fewer than the other
        ours.append((log.intended_step != NEVER).mean())
    error = np.sqrt(rate * (1 - rate) / (slots * per_slot * repetitions))
    assert abs(np.mean(ours) - rate) < 4 * error
    bias = np.mean(naive) - rate
    assert bias > 4 * error if lengths == (SHORT, LONG) else bias < -4 * error  # the trap is real


def test_the_trap_at_its_worst():
    """A true .5 that is measured as more than .9: whatever is quick enough to be counted is a success."""
    assert np.mean([stop_at_a_total(Toy(50, seed), 50) for seed in range(40)]) > 0.9


def test_every_slot_plays_equally_many_and_then_rests():
    env = Toy(9, seed=0)
    log, slot = play(Idle(), env, 4)
    assert np.bincount(slot).tolist() == [4] * 9
    assert slot.tolist() == np.repeat(np.arange(9), 4).tolist() and log.index.tolist() == [0, 1, 2, 3] * 9
    steps = np.bincount(np.concatenate(env.moved), minlength=9)
    assert steps.tolist() == [log.length[slot == s].sum() for s in range(9)]  # not a step beyond its last episode


def test_progress_adds_up():
    env, seen = Toy(5, seed=1), []
    log, _ = play(Idle(), env, 3, lambda *added: seen.append(added))
    steps, episodes = np.sum(seen, axis=0)
    assert episodes == 15 and steps == log.length.sum()


class Witness:
    """Passes everything on to a real environment and keeps its own books of every slot's episodes."""

    def __init__(self, env: VecEnv) -> None:
        self._env, self.num_envs, self.rows = env, env.num_envs, env.rows
        self._length, self._return = np.zeros(env.num_envs, int), np.zeros(env.num_envs)
        self.episodes: list[list[tuple]] = [[] for _ in range(env.num_envs)]

    def reset(self) -> SemanticObservation:
        return self._env.reset()

    def step(self, actions: np.ndarray, rows: np.ndarray) -> Step:
        levels = self._env.world.facts.copy()
        resting = np.setdiff1d(np.arange(self.num_envs), rows)
        before = [array[resting].copy() for array in self._env.world]
        step = self._env.step(actions, rows)
        for array, was in zip(self._env.world, before, strict=True):
            assert array[resting].tobytes() == was.tobytes()  # who rests does not move
        self._length[rows] += 1
        self._return[rows] += step.reward[rows]
        for e in rows[(step.terminated | step.truncated)[rows]]:
            self.episodes[e].append((levels[e], self._length[e], self._return[e], bool(step.truncated[e])))
            self._length[e], self._return[e] = 0, 0.0
        return step

    @property
    def log(self) -> EpisodeLog:
        return self._env.log


def test_a_log_row_is_that_of_the_episode_that_ended():
    """With autoreset the world already plays the next level when its log is read: nothing of that may leak in."""
    from gmexp_envs.coinrun.layout import COIN_X, END_X, SEED

    slots, per_slot = 8, 6
    levels = split_levels("evaluation", slots * per_slot)
    witness = Witness(gmexp_envs.make_vec("coinrun", slots, distribution=LevelDistribution(
        levels=levels, mode="easy", rho=0.0, horizon=60, sequential=True), seed=0))
    log, slot = play(Random(slots), witness, per_slot)
    for row, (s, index) in enumerate(zip(slot, log.index, strict=True)):
        facts, length, reward, truncated = witness.episodes[s][index]
        assert log.level_seed[row] == facts[SEED] == levels.first + s + index * slots
        coin_x, end_x = (log.facts[row, TASK.facts.index(name)] for name in ("coin_x", "end_x"))
        assert (coin_x, end_x) == (facts[COIN_X], facts[END_X])
        assert (log.length[row], log.truncated[row]) == (length, truncated)
        assert log.episode_return[row] == np.float32(reward)
        assert log.truncated[row] == (log.length[row] == 60 and not log.died[row] and log.intended_step[row] == NEVER)
    assert sorted(log.level_seed) == list(range(levels.first, levels.first + levels.count))  # each level once
