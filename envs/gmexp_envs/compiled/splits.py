"""Levels belong to splits by what they hold: of all layouts, three fifths are training's, a fifth validation's and a fifth
evaluation's.

Every split has level seeds of its own, but two seeds may well have the same level. So where a distribution is held out by
content, a seed whose layout belongs elsewhere is passed over for another of its split, and no held-out level is one that
training could meet, however few layouts a game has.
"""

import numpy as np

from gmexp_envs.compiled.jit import jit
from gmexp_envs.compiled.mersenne_twister import hash_bits
from gmexp_envs.levels import SPLITS

u64, i64 = np.uint64, np.int64
FIRST = tuple(split.first for split in SPLITS.values())
COUNT = tuple(split.count for split in SPLITS.values())
SALT_ANOTHER = 2**32  # and on: no other choice of a level has such salts
PASSED_OVER = 10_000  # seeds at most; distributions with so few layouts are refused where they are made


@jit
def split_of(seed):
    """0 training, 1 validation, 2 evaluation: the split that a level seed belongs to."""
    return 0 if seed < FIRST[1] else 1 if seed < FIRST[2] else 2


@jit
def owner(content):
    """The split that a layout belongs to."""
    share = content % u64(5)
    return 0 if share < u64(3) else 1 if share == u64(3) else 2


@jit
def another(seed, attempt):
    """The level seed of the same split that is tried after so many (from 1) were passed over for `seed`."""
    split = split_of(seed)
    return i64(FIRST[split]) + i64(hash_bits(seed, SALT_ANOTHER + attempt) % u64(COUNT[split]))


@jit
def mixed(content, value):
    """The content of a layout, one number further (uint64): a multiplicative hash, which `settled` ends."""
    product = u64(u64(content ^ u64(value)) * u64(0x9E3779B97F4A7C15))
    return u64(product ^ (product >> u64(32)))


@jit
def settled(content):
    """The number of a layout (uint64), from the content of all of it."""
    return hash_bits(content, 0)


@jit
def belongs(layout, seed, attempt):
    """Whether a level, held out by content, is one of its seed's split; after so many attempts any is."""
    return owner(layout) == split_of(seed) or attempt >= PASSED_OVER
