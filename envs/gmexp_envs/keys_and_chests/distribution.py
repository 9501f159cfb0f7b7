"""What levels Keys and Chests draws: a `LevelDistribution`."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field

from gmexp_envs.keys_and_chests.layout import GAMES, MODES, PLACEMENTS
from gmexp_envs.levels import ALL_LEVELS, OfLevels, SeedRange


@dataclass(frozen=True)
class Physics:
    """The constants of motion that procgen's heist keeps in its state (cells per step, share of the wish taken over)."""

    max_speed: float = 0.75
    mixrate: float = 0.5

    def __post_init__(self) -> None:
        if not (math.isfinite(self.max_speed) and 0 < self.max_speed <= 2):
            raise ValueError(f"physics max_speed = {self.max_speed} must be within (0, 2]")
        if not (math.isfinite(self.mixrate) and 0 < self.mixrate <= 1):
            raise ValueError(f"physics mixrate = {self.mixrate} must be within (0, 1]")


@dataclass(frozen=True)
class LevelDistribution(OfLevels):
    """Everything that decides which level an episode plays, and what the level pays.

    game: "keys_and_chests", or "heist" for procgen's own rules (doors that need the key of their colour, a gem behind
        them), which know none of what stands from rho to step_penalty but appearance.
    rho: with probability rho there are two chests for every key (the fork's many_chests); for rho < 0, with probability
        |rho|, three keys for every chest. Training diversity is delta = 1 - rho.
    placement: what the other levels are like (`layout.PLACEMENTS`): "many_keys" has two keys for every chest, exactly the
        fork's; "apart" is the same, but where that level cannot tell the goals apart its objects lie elsewhere; "as_many"
        has a chest for every key, so that no key is surplus.
    appearance: None leaves the looks to the game; else the share of attributes drawn from the held-out set, in [0, 1].
    context: harder circumstances in [0, 1]; at 1, half of the levels have the largest maze, in half of them things lie in
        dead ends too, and the agent slides further everywhere (mixrate falls by 30%).
    supervision: share of levels whose ring of keys lies (it shows every key of the level from the start on) and of those
        that go on after the last chest, in [0, 1]; the horizon grows by the same factor.
    spec_quality: weight of a chest in the reward; the rest is paid for a key, in [0, 1].
    masked: chests are neither seen nor rewarded and end nothing; their opening is logged.
    key_penalty, step_penalty: the fork's; tenths of a reward a key, thousandths a step.
    by_content: seeds whose maze another split owns are passed over (`compiled.splits`), but for those of a list.
    sequential: instances walk through the seeds in order (evaluation) instead of drawing them at random (training).
    """

    levels: SeedRange | tuple[int, ...] = ALL_LEVELS
    mode: str = "hard"
    game: str = "keys_and_chests"
    rho: float = 1.0
    placement: str = "apart"
    appearance: float | None = None
    context: float = 0.0
    supervision: float = 0.0
    spec_quality: float = 1.0
    masked: bool = False
    key_penalty: int = 0
    step_penalty: int = 0
    horizon: int = 1000
    physics: Physics = field(default_factory=Physics)
    by_content: bool = False
    sequential: bool = False

    def __post_init__(self) -> None:
        for name, choices in (("mode", tuple(MODES)), ("game", GAMES), ("placement", PLACEMENTS)):
            if getattr(self, name) not in choices:
                raise ValueError(f"there is no {name} {getattr(self, name)!r}: choose one of {', '.join(choices)}")
        self.check()
        for name in ("key_penalty", "step_penalty"):
            if not float(getattr(self, name)).is_integer():
                raise ValueError(f"{name} = {getattr(self, name)} must be a whole number, as the fork's option is")
        if self.game == "heist":
            for name in ("rho", "context", "supervision", "spec_quality", "masked", "key_penalty", "step_penalty"):
                if getattr(self, name) != _DEFAULTS[name]:
                    raise ValueError(f"game 'heist' has no {name}: it must be {_DEFAULTS[name]}, not {getattr(self, name)}")


_DEFAULTS = {f.name: f.default for f in dataclasses.fields(LevelDistribution)}
