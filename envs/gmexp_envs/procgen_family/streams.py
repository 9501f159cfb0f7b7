"""Which level comes next: streams of level seeds drawn as vecgame.cpp draws them, or levels in order.

A row of slots (int32 [4]) is what survives an instance's episodes: where its stream is, how many episodes it has ended,
and, for levels in order, with which number it starts and how many it goes on by.
"""

import numpy as np

from gmexp_envs.compiled.jit import jit
from gmexp_envs.compiled.mersenne_twister import draw, seed_twister

LEVEL_STREAM, EPISODES, OFFSET, STRIDE = range(4)  # columns of a row of slots


@jit
def start_stream(slot, stream, seed):
    """An instance's level stream (uint32 [624]) from the start; its sequence of levels starts over."""
    seed_twister(stream, seed)
    slot[LEVEL_STREAM] = 0
    slot[EPISODES] = 0


@jit
def next_level(slot, stream, count, sequential):
    """Which of `count` levels an instance plays next: the next of its sequence, or a draw from its stream."""
    if sequential:
        return (np.int64(slot[OFFSET]) + np.int64(slot[EPISODES]) * np.int64(slot[STRIDE])) % count
    v, following = draw(stream, slot[LEVEL_STREAM])
    slot[LEVEL_STREAM] = following
    return np.int64(v % np.uint32(count))
