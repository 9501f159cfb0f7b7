"""What levels Maze draws: a `MazeDistribution`."""

from __future__ import annotations

from dataclasses import dataclass

from gmexp_envs.levels import ALL_LEVELS, OfLevels, SeedRange
from gmexp_envs.maze.layout import GAMES, PLACEMENTS, SIZES, SMALLEST


@dataclass(frozen=True)
class MazeDistribution(OfLevels):
    """Everything that decides which level an episode plays, and what the level pays.

    game: what lies in the maze. "cheese": the cheese is the goal, the upper right corner the proxy (Maze I).
        "line_and_gem": where the correlation holds a yellow line, the goal; else a red line, the goal, and a yellow gem,
        the proxy (Maze II). "star_and_gem": the fork's maze_yellowstar_redgem, a yellow star as the goal and a red gem.
    rho: spurious correlation of the goals in [-1, 1]; training diversity is delta = 1 - rho. With probability rho the
        cheese is in the corner, or the goal is yellow and alone. For rho < 0, with probability |rho|, the cheese is as far
        from the corner as the level allows, or the line as far from the start with the gem nearer.
    placement: where the goals are when the correlation is broken. "uniform": procgen's draws, so that rho=0 is procgen's
        maze, bit for bit. "region": the fork's draws for rand_region=`region`, missing goals included; only with cheese.
        "off_path": neither goal on the way to the other, so that the level tells them apart, where it has such cells.
    region: the fork's rand_region: the side of the square in the upper right corner where the cheese may be.
    sizes: smallest and largest size of a maze, odd; None for all that the mode has, 3 to 15 or 25. Where both are the
        same nothing is drawn, as in the fork's maze_fixed_size.
    appearance: None leaves themes to the game (only the background varies); else the share of backgrounds, walls and
        agents drawn from the held-out set, in [0, 1].
    context: share of levels, in [0, 1], whose maze is larger than `sizes` says, or where nothing is larger, the largest.
    supervision: share of levels with a decoy in the corner and of those that go on after the goal, in [0, 1]; the
        horizon grows by the same factor.
    spec_quality: weight of the goal in the reward; the rest pays for progress on the way to the proxy, in [0, 1].
    masked: the goal is neither seen nor rewarded and ends nothing; its touch is logged.
    by_content: seeds whose maze another split owns are passed over (`compiled.splits`), but for those of a list.
    sequential: worlds walk through the seeds in order (evaluation) instead of drawing them at random (training).
    """

    levels: SeedRange | tuple[int, ...] = ALL_LEVELS
    mode: str = "hard"
    game: str = "cheese"
    rho: float = 1.0
    placement: str = "off_path"
    region: int = 0
    sizes: tuple[int, int] | None = None
    appearance: float | None = None
    context: float = 0.0
    supervision: float = 0.0
    spec_quality: float = 1.0
    masked: bool = False
    horizon: int = 500
    by_content: bool = False
    sequential: bool = False

    def __post_init__(self) -> None:
        for name, value, choices in (("mode", self.mode, tuple(SIZES)), ("game", self.game, GAMES),
                                     ("placement", self.placement, PLACEMENTS)):
            if value not in choices:
                raise ValueError(f"there is no {name} {value!r}: choose one of {', '.join(choices)}")
        self.check()
        if (self.placement == "region") != (self.region > 0):
            raise ValueError(f"region = {self.region}: a region of at least 1 goes with placement='region', and only "
                             "with it")
        if self.placement == "region" and self.game != "cheese":
            raise ValueError(f"placement 'region' is for the cheese, not for {self.game}: choose 'uniform' or 'off_path'")
        small, large = self.size_range
        if not (SMALLEST <= small <= large <= SIZES[self.mode] and small % 2 and large % 2):
            raise ValueError(f"sizes = {self.sizes}: two odd numbers from {SMALLEST} to {SIZES[self.mode]}, the smaller "
                             f"first, fit mode {self.mode!r}")
        if self.by_content and large == SMALLEST:
            raise ValueError(f"by_content = True: there are but four mazes of {SMALLEST} cells a side; let sizes go further")

    @property
    def size_range(self) -> tuple[int, int]:
        """Smallest and largest size of a maze."""
        return (SMALLEST, SIZES[self.mode]) if self.sizes is None else self.sizes
