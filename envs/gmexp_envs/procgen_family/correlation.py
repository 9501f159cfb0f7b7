"""Whether a level's goals are together: drawn by the level's seed, or told (`gmexp_envs.chosen`)."""

import numpy as np

from gmexp_envs.chosen import AT_PROXY, AWAY
from gmexp_envs.compiled.jit import jit


@jit(inline="always")
def rho_told(rho, told):
    """The correlation that a level is drawn with: the distribution's own, unless it is told AT_PROXY or AWAY."""
    return np.float32(1) if told == AT_PROXY else np.float32(0) if told == AWAY else np.float32(rho)
