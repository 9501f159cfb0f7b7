"""Which level comes next: the streams of level seeds as vecgame.cpp seeds and draws them, or levels in order."""

import numpy as np

from gmexp_envs.compiled.jit import jit
from gmexp_envs.compiled.mersenne_twister import draw


def stream_seeds(seed: int, num_envs: int) -> np.ndarray:
    """The seeds of the level streams of `num_envs` environment instances from procgen's rand_seed, uint32 [N]."""
    generator = np.random.MT19937()
    generator._legacy_seeding(seed & 0xFFFFFFFF)
    return generator.random_raw(num_envs).astype(np.uint32)


@jit
def draw_index(stream, position, count):
    """Draw one of `count` levels from a stream (uint32 [624]) at a position -> its number, and the next position."""
    v, following = draw(stream, position)
    return np.int64(v % np.uint32(count)), following


@jit
def index_in_order(offset, episode, stride, count):
    """Number of the level that an instance plays in its n-th episode where `stride` instances share them in order."""
    return (np.int64(offset) + np.int64(episode) * np.int64(stride)) % count
