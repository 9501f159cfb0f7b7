"""Which way the agent is turned."""

import math

import numpy as np

from gmexp_envs.keys_and_chests.layout import f32

_MOVES = ((move // 3 - 1, move % 3 - 1) for move in range(9))
# radians by clock[FACING]: 0 in a new level, then 1 + the last action that was no standing still
ROTATIONS = np.array([0.0, *(-1.0 * math.atan2(up, across) + 0.0 for across, up in _MOVES)], f32)
