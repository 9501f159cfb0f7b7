"""Themes that training shows, and themes held out of it: choices of ours, by hashes of the level seed."""

import numpy as np

from gmexp_envs.compiled.jit import jit
from gmexp_envs.compiled.mersenne_twister import hash_below, hash_unit


@jit
def choose_theme(seed, salt, trainable, total, grade):
    """One of the first `trainable` of `total` themes, or with probability `grade` one of the others (uses two salts)."""
    if hash_unit(seed, salt) < grade:
        return np.int32(trainable + hash_below(seed, salt + 1, total - trainable))
    return hash_below(seed, salt + 1, trainable)
