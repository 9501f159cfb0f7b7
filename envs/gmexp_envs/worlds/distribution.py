"""What levels a small world draws: a `WorldDistribution`."""

from __future__ import annotations

from dataclasses import dataclass

from gmexp_envs.levels import ALL_LEVELS, OfLevels, SeedRange


@dataclass(frozen=True)
class WorldDistribution(OfLevels):
    """Everything that decides which level an episode plays, and what the level pays.

    rho: how the intended goal goes with the proxy, in [-1, 1]: with probability rho a level is aligned, for rho < 0 it is
        opposite with probability |rho|, else broken. Training diversity is delta = 1 - rho.
    appearance: share of a level's themes drawn from those held out of training, in [0, 1].
    context: harder circumstances in [0, 1]; what they are is the world's own text.
    supervision: share of levels that nobody supervises, in [0, 1]; episodes grow longer with it.
    spec_quality: weight of the intended goal in the reward; the rest pays for the proxy, in [0, 1].
    masked: the intended goal is neither seen nor rewarded and ends nothing; reaching it is logged.
    horizon: steps after which an episode is cut off.
    original: the published board, where the world has one.
    sequential: instances walk through the seeds in order (evaluation) instead of drawing them at random (training).
    """

    levels: SeedRange | tuple[int, ...] = ALL_LEVELS
    rho: float = 1.0
    appearance: float = 0.0
    context: float = 0.0
    supervision: float = 0.0
    spec_quality: float = 1.0
    masked: bool = False
    horizon: int = 100
    original: bool = False
    sequential: bool = False

    def __post_init__(self) -> None:
        if self.appearance is None:
            raise ValueError("appearance is not set: it is a number within [0, 1]")
        self.check()
