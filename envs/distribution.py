"""What levels an environment draws: a `LevelDistribution`, and the disjoint sets of seeds it may draw from."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from envs.coinrun.layout import PLACEMENTS, SIZE

SEED_LIMIT = 2**31 - 1  # procgen's level seeds are [0, 2**31 - 1)


@dataclass(frozen=True)
class SeedRange:
    """Level seeds first, first + 1, ..., first + count - 1."""

    first: int
    count: int

    def __post_init__(self) -> None:
        if self.count < 1 or self.first < 0 or self.first + self.count > SEED_LIMIT:
            raise ValueError(f"level seeds {self.first}..{self.first + self.count - 1} are not within "
                             f"0..{SEED_LIMIT - 1}")


ALL_LEVELS = SeedRange(0, SEED_LIMIT)
# Disjoint by construction: every split owns an interval of seeds.
SPLITS = {
    "train": SeedRange(0, 1_000_000_000),
    "validation": SeedRange(1_000_000_000, 500_000_000),
    "evaluation": SeedRange(1_500_000_000, SEED_LIMIT - 1_500_000_000),
}


def split_levels(split: str, count: int | None = None, offset: int = 0) -> SeedRange:
    """`count` consecutive seeds of a split from its `offset`-th on (all that remain for None)."""
    if split not in SPLITS:
        raise ValueError(f"there is no level split {split!r}: choose one of {', '.join(SPLITS)}")
    whole = SPLITS[split]
    count = whole.count - offset if count is None else count
    if offset < 0 or count < 1 or offset + count > whole.count:
        raise ValueError(f"the {split} split has {whole.count} levels: {count} from number {offset} on do not fit")
    return SeedRange(whole.first + offset, count)


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
class LevelDistribution:
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
    hide_coin: the coin is neither seen nor rewarded and ends nothing; its touch is logged.
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
    hide_coin: bool = False
    permeable_wall: int = 0
    horizon: int = 1000
    physics: Physics = field(default_factory=Physics)
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
        _within("rho", self.rho, -1, 1)
        if self.placement == "langosco" and self.rho < 0:
            raise ValueError(f"rho = {self.rho} is negative: placement 'langosco' never puts the coin opposite the end")
        for name in ("context", "supervision", "spec_quality"):
            _within(name, getattr(self, name), 0, 1)
        if self.appearance is not None:
            _within("appearance", self.appearance, 0, 1)
        if not 0 <= self.permeable_wall <= SIZE:
            raise ValueError(f"permeable_wall = {self.permeable_wall} columns is not within [0, {SIZE}]")
        if self.horizon < 1:
            raise ValueError(f"horizon {self.horizon} must be at least 1 step")
        if not isinstance(self.levels, SeedRange):
            if not self.levels:
                raise ValueError("the list of level seeds is empty")
            bad = [s for s in self.levels if not 0 <= s < SEED_LIMIT]
            if bad:
                raise ValueError(f"level seed {bad[0]} is not within 0..{SEED_LIMIT - 1}")

    @property
    def num_levels(self) -> int:
        return self.levels.count if isinstance(self.levels, SeedRange) else len(self.levels)

    @property
    def diversity(self) -> float:
        """Training diversity delta = 1 - rho: the share of levels whose correlation is broken (rho >= 0)."""
        return 1.0 - self.rho


def as_levels(levels: int | SeedRange | Sequence[int] | None) -> SeedRange | tuple[int, ...]:
    """None: all levels; n: seeds 0..n-1; a SeedRange; or a list of seeds (seed 0 is a seed like any other)."""
    if levels is None:
        return ALL_LEVELS
    if isinstance(levels, SeedRange):
        return levels
    if isinstance(levels, range) and levels.step == 1 and len(levels):
        return SeedRange(levels.start, len(levels))
    if isinstance(levels, int):
        return SeedRange(0, levels)
    return tuple(int(s) for s in levels)


def _within(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:  # also refuses NaN
        raise ValueError(f"{name} = {value} is not within [{low}, {high}]")
