"""Level seeds: ranges of them, and the disjoint splits that training, validation and evaluation draw from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

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


def is_by_content(held_out: str) -> bool:
    """Whether env.held_out says that layouts, not only level seeds, belong to splits (`compiled.splits`)."""
    if held_out not in ("content", "seeds"):
        raise ValueError(f"env.held_out = {held_out}: content, or seeds, as studies of the first edition")
    return held_out == "content"


def batches_of(levels: SeedRange | tuple[int, ...], size: int) -> Iterator[SeedRange | tuple[int, ...]]:
    """The same levels in order, `size` at a time at most."""
    count = levels.count if isinstance(levels, SeedRange) else len(levels)
    for first in range(0, count, size):
        some = min(size, count - first)
        yield SeedRange(levels.first + first, some) if isinstance(levels, SeedRange) else levels[first:first + some]


def check_within(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:  # also refuses NaN
        raise ValueError(f"{name} = {value} is not within [{low}, {high}]")


class OfLevels:
    """What the level distributions of this package share: dataclasses with these fields, and more of their own."""

    levels: SeedRange | tuple[int, ...]
    rho: float
    appearance: float | None
    context: float
    supervision: float
    spec_quality: float
    horizon: int

    def check(self, longest: int | None = None) -> None:
        """ValueError naming the field that does not fit; `longest` is the longest horizon that there may be."""
        check_within("rho", self.rho, -1, 1)
        for name in ("context", "supervision", "spec_quality"):
            check_within(name, getattr(self, name), 0, 1)
        if self.appearance is not None:
            check_within("appearance", self.appearance, 0, 1)
        if longest is not None and not 1 <= self.horizon <= longest:
            raise ValueError(f"horizon {self.horizon} is not within 1..{longest} steps")
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
