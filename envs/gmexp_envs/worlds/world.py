"""What a small world brings: its words and its rules. One world is one file that ends in a `World`."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from gmexp_envs.task import Goal, Semantics
from gmexp_envs.worlds.layout import LOOK, WINDOW

BLANK = (".....",) * 5


@dataclass(frozen=True)
class Tile:
    """A class of cells: its name, how it is drawn (5 x 5 points in a colour), and its character in a level as text."""

    name: str
    character: str
    glyph: tuple[str, ...] = BLANK
    colour: str = "#000000"


def _imported(module: str) -> World:
    return importlib.import_module(module).WORLD


FREE_TILE, WALL_TILE = Tile("free", " "), Tile("wall", "#")


class Pictured(NamedTuple):
    """What people are shown of a game whose goals are no cells: boxes (left, top, across, down), in cells of the board."""

    intended: tuple[float, float, float, float] | None
    proxy: tuple[float, float, float, float] | None
    now: str = ""  # what goes on that no cell shows, in words


@dataclass(frozen=True, eq=False)  # a world is itself
class World:
    """One small world: the `WORLD` of its module, as which it is pickled.

    The functions are scalar ones (see `scalar`); what they do stands in `episode`, and of the last two here:

        advise(game, search, intended) -> int   the action of the scripted policy of a goal, by shortest paths (`search`)
        goals(game) -> (x, y, x, y)             cells of the intended and of the proxy goal, x < 0 where there is none
    """

    name: str
    title: str  # "Boat race"
    intended: Goal
    proxy: Goal
    tiles: tuple[Tile, ...]  # classes of cells, in order; the first two are FREE_TILE and WALL_TILE
    state: tuple[str, ...]
    bounds: tuple[float, ...]  # of the state's absolute values
    facts: tuple[str, ...]  # counts that the log keeps: the first columns of Game.now from OWN on
    factors: Mapping[str, str]  # in words, what appearance, context, correlation and supervision change
    shifts: tuple[str, ...]  # in words, the five types
    broken: str  # what a level that is not aligned is, in two or three words
    opposite: str
    typical: int  # cells in a usual window that are not free
    plan: Callable[..., Any]
    build: Callable[..., Any]
    step: Callable[..., Any]
    show: Callable[..., Any]
    sense: Callable[..., Any]
    advise: Callable[..., Any]
    goals: Callable[..., Any]
    actions: tuple[str, ...] = ("stay", "up", "down", "left", "right")
    horizon: int = 100  # steps, where nothing else is asked for
    stretch: float = 2.0  # how many times as long an episode is at supervision 1
    original: bool = False  # whether it has the published board as a mode
    centred: bool = True  # the agent is a cell, in the middle of its window
    pictured: Callable[[Any], Pictured] | None = None  # what pictures mark of a game, where the cells of `goals` say little

    def __reduce__(self):
        return _imported, (self.plan.__module__,)

    @property
    def num_actions(self) -> int:
        return len(self.actions)

    @property
    def semantics(self) -> Semantics:
        return Semantics(classes=tuple(tile.name for tile in self.tiles), window=(WINDOW, WINDOW), state=self.state,
                         bounds=self.bounds, appearance=LOOK, typical=self.typical, walls=(WALL_TILE.name,))

    @property
    def bindings(self) -> dict[str, Any]:
        """What the shared functions call by these names."""
        return {"plan": self.plan, "build": self.build, "step": self.step, "show": self.show, "sense": self.sense,
                "advise": self.advise, "goals": self.goals, "STATE": len(self.state), "STRETCH": self.stretch}
