"""The levels worth playing again: prioritised level replay's buffer (Jiang et al. 2021a, section 3; 2021b, appendix).

A level is drawn with probability (1 - mix) P_S + mix P_C: by rank of its score, P_S ~ (1 / rank)^(1 / temperature), and by
staleness, P_C ~ c - C_i, where c is the number of the present draw and C_i that of the level's last one, without adding 1:
what was drawn just now has no staleness at all. Where nothing is stale, P_C is even. Levels of a draw differ.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from gmexp_envs.levels import SeedRange

FIELDS = {"seed": np.int64, "place": np.int64, "aligned": bool, "score": np.float64, "best": np.float64,
          "oracle": np.float64, "drawn": np.int64}


@dataclass
class Levels:
    """Levels and what is known of them, a row each.

    seed: level seeds, int [n]. place: the intended goal's cell, int [n, 2]. aligned: it is at the proxy. score: by which
    they are ranked. best: the highest return ever. oracle: the scripted policy's return, NaN where it was not asked. drawn:
    number of the last draw.
    """

    seed: np.ndarray
    place: np.ndarray
    aligned: np.ndarray
    score: np.ndarray
    best: np.ndarray
    oracle: np.ndarray
    drawn: np.ndarray

    @staticmethod
    def none() -> Levels:
        return Levels(**{name: np.zeros((0, 2) if name == "place" else 0, kind) for name, kind in FIELDS.items()})

    def __len__(self) -> int:
        return len(self.seed)

    def take(self, rows: np.ndarray) -> Levels:
        return Levels(*(getattr(self, name)[rows] for name in FIELDS))

    def joined(self, other: Levels) -> Levels:
        return Levels(*(np.concatenate([getattr(self, name), getattr(other, name)]) for name in FIELDS))


def drawn(levels: SeedRange | tuple[int, ...], rng: np.random.Generator, count: int) -> np.ndarray:
    """Level seeds as training draws them: int64 [count]."""
    if isinstance(levels, SeedRange):
        return levels.first + rng.integers(levels.count, size=count)
    return np.array(levels)[rng.integers(len(levels), size=count)]


class LevelBuffer:
    """At most `capacity` levels; the lowest scores make room."""

    def __init__(self, capacity: int, temperature: float, staleness: float) -> None:
        self.capacity, self.temperature, self.staleness = capacity, temperature, staleness
        self.levels = Levels.none()

    def __len__(self) -> int:
        return len(self.levels)

    def add(self, new: Levels) -> None:
        """Take in new levels; one that is there already is as new, its best return apart."""
        known = {key: row for row, key in enumerate(self._keys(self.levels))}
        own, fresh = self.levels, []
        for row, key in enumerate(self._keys(new)):
            if key in known:
                self._renew(own, known[key], new, row)
            else:
                known[key] = len(own) + len(fresh)
                fresh.append(row)
        joined = own.joined(new.take(np.array(fresh, np.int64)))
        order = np.argsort(-joined.score, kind="stable")[:self.capacity]
        self.levels = joined.take(np.sort(order))

    def update(self, rows: np.ndarray, score: np.ndarray, best: np.ndarray) -> None:
        """What a new play of levels (by row) showed."""
        self.levels.score[rows], self.levels.best[rows] = score, np.maximum(self.levels.best[rows], best)

    def probabilities(self, now: int) -> np.ndarray:
        """Of being drawn as the `now`-th draw: float [levels]."""
        order = np.argsort(-self.levels.score, kind="stable")
        rank = np.empty(len(order))
        rank[order] = np.arange(1, len(order) + 1)
        by_score = (1 / rank) ** (1 / self.temperature)
        stale = (now - self.levels.drawn).astype(float)
        by_age = stale / stale.sum() if stale.sum() > 0 else np.full(len(stale), 1 / max(len(stale), 1))
        return (1 - self.staleness) * by_score / by_score.sum() + self.staleness * by_age

    def draw(self, count: int, now: int, rng: np.random.Generator) -> np.ndarray:
        """Rows of `count` different levels, the `now`-th draw; ValueError where there are fewer."""
        if count > len(self):
            raise ValueError(f"{count} levels are wanted of a buffer of {len(self)}")
        keys = -np.log(rng.random(len(self)).clip(1e-300)) / np.maximum(self.probabilities(now), 1e-300)
        rows = np.argsort(keys, kind="stable")[:count]  # as drawing one after the other without putting back
        self.levels.drawn[rows] = now
        return rows

    def state(self) -> dict[str, np.ndarray]:
        return {name: getattr(self.levels, name).copy() for name in FIELDS}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        self.levels = Levels(*(state[name].copy() for name in FIELDS))

    @staticmethod
    def _keys(levels: Levels) -> list[tuple[int, int, int]]:
        return list(zip(levels.seed.tolist(), *levels.place.T.tolist(), strict=True))

    @staticmethod
    def _renew(own: Levels, at: int, new: Levels, row: int) -> None:
        if at < len(own):
            own.best[at] = max(own.best[at], new.best[row])
            own.score[at], own.drawn[at], own.oracle[at] = new.score[row], new.drawn[row], new.oracle[row]
