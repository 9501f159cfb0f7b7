"""What a level is made of, as a number: two levels with the same hash are the same to play, whatever they look like."""

from __future__ import annotations

import dataclasses
import hashlib

import numpy as np

from gmexp_envs.coinrun.distribution import LevelDistribution
from gmexp_envs.coinrun.engine import CoinRun
from gmexp_envs.coinrun.layout import END_X, END_Y
from gmexp_envs.levels import seeds_of

BATCH = 4096  # levels generated together


def layout_hash(distribution: LevelDistribution) -> np.ndarray:
    """uint64 [levels]: a hash of walls, lava, crates, saws, enemies and the end of each level, in the order of its seeds.

    Themes, and where the intended goal is, have no part in it.
    """
    seeds = seeds_of(distribution.levels)
    return np.concatenate([_hashed(distribution, seeds[start:start + BATCH]) for start in range(0, len(seeds), BATCH)])


def _hashed(distribution: LevelDistribution, seeds: np.ndarray) -> np.ndarray:
    levels = tuple(seeds.tolist())
    env = CoinRun(len(levels), [dataclasses.replace(distribution, levels=levels, sequential=True)], seed=0)
    env.reset()
    world, n = env.world, len(levels)
    obstacles = world.statics.copy()
    obstacles[..., 2] = np.minimum(obstacles[..., 2], 1)  # a crate is a crate, whatever its theme
    parts = [world.terrain, obstacles, world.enemies, world.facts[:, [END_X, END_Y]]]
    rows = np.concatenate([np.ascontiguousarray(part).reshape(n, -1).view(np.uint8) for part in parts], axis=1)
    env.close()
    digests = b"".join(hashlib.blake2b(row.tobytes(), digest_size=8).digest() for row in rows)
    return np.frombuffer(digests, "<u8").astype(np.uint64)
