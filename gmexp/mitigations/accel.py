"""ACCEL: robust PLR whose replayed levels are edited, and the edited ones scored (Parker-Holder et al. 2022, section 3).

An edit moves the intended goal by a cell, redraws its place, or changes the level's seed; `edits` of them make a new level.
Which levels tell the goals apart is information about the intended goal, and the law says how editing may make more of them:

    identity       none: a goal at the proxy stays there, one elsewhere stays elsewhere
    constant       after editing, the goal is elsewhere with the training distribution's own probability, delta
    binomial       every redrawn place is elsewhere with that probability, at the proxy otherwise
    unrestricted   every move and redraw takes the goal from the proxy
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from gmexp.mitigations.buffer import Levels, drawn
from gmexp.mitigations.robust_plr import RobustPLR, RobustPLRConfig
from gmexp_envs.chosen import AT_PROXY, AWAY
from gmexp_envs.vec import VecEnv

LAWS = ("identity", "constant", "binomial", "unrestricted")
MOVES = np.array([(1, 0), (-1, 0), (0, 1), (0, -1)])
KINDS = (0.8, 0.95)  # of edits below the first: moves; below the second: redraws; above: another level seed
LOTS = 2**31  # of places


@dataclass
class AccelConfig(RobustPLRConfig):
    """Robust PLR, and how levels are edited."""

    edits: int = 12
    law: str = "constant"
    name: str = "accel"

    @property
    def trained(self) -> float:
        """As robust PLR, and one more batch that is only scored for each one trained on."""
        return self.replay / (1 + self.replay)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.law not in LAWS:
            raise ValueError(f"mitigation.law = {self.law!r}: choose one of {', '.join(LAWS)}")
        if self.edits < 1:
            raise ValueError(f"mitigation.edits = {self.edits} must be at least 1")


class Accel(RobustPLR):
    """Robust PLR with edited levels."""

    name = "accel"
    price = "rollouts on levels that are not trained on; a law of editing levels"
    knows = "the scripted policy's returns on training levels, and where goals may be"
    config = AccelConfig
    options: AccelConfig

    def train(self, build: Callable[[VecEnv], Any], env: VecEnv) -> Any:
        from gmexp.mitigations.chosen_levels import ChosenLevels
        from gmexp.mitigations.curriculum import Curriculum

        shown, levels, rho = ChosenLevels(env), env.distributions[0].levels, float(env.distributions[0].rho)

        def edit(known: Levels, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
            return edited(known, rng, self.options.edits, self.options.law, 1 - rho, levels)

        return Curriculum(build(shown), shown, self.options, edit)


def edited(known: Levels, rng: np.random.Generator, edits: int, law: str, diversity: float,
           levels: Any) -> tuple[np.ndarray, np.ndarray]:
    """Each of some levels, edited -> (level seeds [n], places [n, 2] as `VecEnv.begin_at` takes them)."""
    count = len(known)
    seeds, places, aligned = known.seed.copy(), known.place.astype(np.int64), known.aligned.copy()
    for _ in range(edits):
        kind, lots = rng.random(count), rng.integers(LOTS, size=count)
        step, elsewhere = MOVES[rng.integers(len(MOVES), size=count)], rng.random(count) < diversity
        fresh = drawn(levels, rng, count)
        moves, redraws, renews = kind < KINDS[0], (kind >= KINDS[0]) & (kind < KINDS[1]), kind >= KINDS[1]
        if law == "unrestricted":
            aligned &= ~(moves | redraws)
        elif law == "binomial":
            aligned = np.where(redraws, ~elsewhere, aligned)
        moves &= ~aligned & (places[:, 0] >= 0)
        places[moves] += step[moves]
        redrawn = (redraws & ~aligned) | (renews & ~aligned)  # another level has no such cell
        places[redrawn, 0], places[redrawn, 1] = AWAY, lots[redrawn]
        seeds[renews] = fresh[renews]
    if law == "constant":
        away = rng.random(count) < diversity
        left = away & aligned
        places[left, 0], places[left, 1] = AWAY, rng.integers(LOTS, size=count)[left]
        aligned = ~away
    places[aligned, 0], places[aligned, 1] = AT_PROXY, 0
    out = (places[:, 0] >= 0) & (places.min(1) < 0)  # moved off the board
    places[out, 0], places[out, 1] = AWAY, rng.integers(LOTS, size=count)[out]
    return seeds, places
