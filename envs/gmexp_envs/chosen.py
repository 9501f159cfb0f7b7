"""Where the intended goal is on a chosen level (`VecEnv.begin_at`): a cell (x, y), or one of these in the place of x."""

import numpy as np

BY_SEED = -1  # where the level's seed and the distribution have it
AT_PROXY = -2
AWAY = -3  # where the distribution's rule for broken correlations may put it; y is the number of the lot, if it takes one


def places_by_correlation(aligned: np.ndarray) -> np.ndarray:
    """Places, int [N, 2], of goals that are no cells: at the proxy where `aligned`, bool [N], else away."""
    return np.stack([np.where(aligned, AT_PROXY, AWAY), np.zeros(len(aligned), np.int64)], 1)
