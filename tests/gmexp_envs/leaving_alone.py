"""What every environment that begins at chosen levels leaves alone."""

import numpy as np

from gmexp_envs.chosen import BY_SEED


def assert_others_are_left_alone(env, other, everything) -> None:
    """Of two equal environments one begins two instances at chosen levels: `everything(env)` of the others stays, and so
    does what each instance draws next."""
    other.begin_at(np.array([3, 4]), np.array([11, 12]), np.full((2, 2), BY_SEED))
    before, after = everything(env), everything(other)
    rest = np.setdiff1d(env.rows, [3, 4])
    for name in before:
        np.testing.assert_array_equal(before[name][rest], after[name][rest])
    for each in (env, other):
        each.begin(each.rows)
    np.testing.assert_array_equal(env.present.level_seed, other.present.level_seed)
