"""What levels CoinRun draws: a `LevelDistribution`."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field

from gmexp_envs.coinrun.layout import PLACEMENTS, SIZE
from gmexp_envs.levels import ALL_LEVELS, OfLevels, SeedRange
from gmexp_envs.vec import LONGEST


@dataclass(frozen=True)
class Physics:
    """The constants that procgen's CoinRun keeps in its state (cells per step, cells per step squared)."""

    gravity: float = 0.2
    max_jump: float = 1.5
    max_speed: float = 0.5
    mixrate: float = 0.2
    air_control: float = 0.15

    def __post_init__(self) -> None:
        for name, value in dataclasses.asdict(self).items():
            if not (math.isfinite(value) and 0 < value <= 5):
                raise ValueError(f"physics {name} = {value} must be within (0, 5]")


@dataclass(frozen=True)
class LevelDistribution(OfLevels):
    """Everything that decides which level an episode plays, and what the level pays.

    rho: spurious correlation of coin and end in [-1, 1]; training diversity is delta = 1 - rho.
    placement: where the coin is when the correlation is broken (`layout.PLACEMENTS`), `cell` for placement "cell".
    appearance: None leaves themes to the game; else the share of attributes drawn from the held-out set, in [0, 1].
    context: harder circumstances in [0, 1]; at 1, half of the levels have the hardest layout, half have walking
        enemies, and gravity is 15% stronger everywhere.
    supervision: share of levels with a decoy at the end and of those that go on after the coin, in [0, 1]; the horizon
        grows by the same factor.
    spec_quality: weight of the coin in the reward; the rest pays for progress towards the end, in [0, 1].
    permeable_wall: columns behind the end that look like wall but can be walked through, as far as the level goes.
    masked: the coin is neither seen nor rewarded and ends nothing; its touch is logged.
    by_content: seeds whose layout another split owns are passed over (`compiled.splits`), but for those of a list.
    sequential: worlds walk through the seeds in order (evaluation) instead of drawing them at random (training).
    """

    levels: SeedRange | tuple[int, ...] = ALL_LEVELS
    mode: str = "hard"
    rho: float = 1.0
    placement: str = "off_path"
    cell: tuple[int, int] | None = None
    appearance: float | None = None
    context: float = 0.0
    supervision: float = 0.0
    spec_quality: float = 1.0
    masked: bool = False
    permeable_wall: int = 0
    horizon: int = 1000
    physics: Physics = field(default_factory=Physics)
    by_content: bool = False
    sequential: bool = False

    def __post_init__(self) -> None:
        if self.mode not in ("easy", "hard"):
            raise ValueError(f"mode {self.mode!r} is neither 'easy' nor 'hard'")
        if self.placement not in PLACEMENTS:
            raise ValueError(f"there is no coin placement {self.placement!r}: choose one of {', '.join(PLACEMENTS)}")
        if (self.placement == "cell") != (self.cell is not None):
            raise ValueError("a coin cell (x, y) goes with placement='cell', and only with it")
        if self.cell is not None and not all(0 <= v < SIZE for v in self.cell):
            raise ValueError(f"coin cell {self.cell} is outside the level of {SIZE} x {SIZE} cells")
        self.check(LONGEST)
        if self.placement == "langosco" and self.rho < 0:
            raise ValueError(f"rho = {self.rho} is negative: placement 'langosco' never puts the coin opposite the end")
        if not 0 <= self.permeable_wall <= SIZE:
            raise ValueError(f"permeable_wall = {self.permeable_wall} columns is not within [0, {SIZE}]")
