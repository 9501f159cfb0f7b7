"""Bit-by-bit comparison of the native engine's worlds with states of the real binary."""

import numpy as np

from gmexp_envs.coinrun import layout as L
from gmexp_envs.coinrun.layout import World
from gmexp_envs.compiled.mersenne_twister import WORDS, draw

# columns that both engines know; the rest is ours alone
BODY = ("X", "Y", "VX", "VY", "LAST_Y", "GRAVITY", "MAX_JUMP", "MAX_SPEED", "MIXRATE", "AIR_CONTROL",
        "BACKGROUND_SHIFT")
CLOCK = ("TIME", "FLAGS")
FACTS = ("SEED", "NUM_ENEMIES", "NUM_STATICS", "BACKGROUND", "WALL_THEME", "AGENT_THEME", "HORIZON")


def differences(ours: World, theirs: World) -> dict[str, np.ndarray]:
    """Rows that differ, per quantity; quantities without a difference are left out.

    Floats are compared by their bits. Of `ours`, an invisible coin counts as the free cell that procgen sees.
    """
    found = {}

    def check(name: str, differs: np.ndarray) -> None:
        if differs.ndim > 1:
            differs = differs.any(axis=tuple(range(1, differs.ndim)))
        if differs.any():
            found[name] = np.flatnonzero(differs)

    for name in BODY:
        column = getattr(L, name)
        check(name, ours.body[:, column].view(np.uint32) != theirs.body[:, column].view(np.uint32))
    for name in CLOCK:
        check(name, ours.clock[:, getattr(L, name)] != theirs.clock[:, getattr(L, name)])
    moved = ours.clock[:, L.TIME] > 0  # procgen's reset leaves the last episode's action behind
    check("ACTION_X", moved & (ours.clock[:, L.ACTION_X] != theirs.clock[:, L.ACTION_X]))
    for name in FACTS:
        check(name, ours.facts[:, getattr(L, name)] != theirs.facts[:, getattr(L, name)])
    check("OVERFLOW", ours.facts[:, L.OVERFLOW] != 0)
    check("grid", np.where(ours.grid == L.HIDDEN, L.SPACE, ours.grid) != theirs.grid)
    alive = np.arange(L.MAX_ENEMIES) < theirs.facts[:, L.NUM_ENEMIES, None]
    placed = np.arange(L.MAX_STATICS) < theirs.facts[:, L.NUM_STATICS, None]
    check("enemies", alive[:, :, None] & (ours.enemies.view(np.uint32) != theirs.enemies.view(np.uint32)))
    check("enemy_themes", alive & (ours.enemy_themes != theirs.enemy_themes))
    check("statics", placed[:, :, None] & (ours.statics != theirs.statics))
    return found


def generator_in_blocks(words: np.ndarray, drawn: int, taken: int) -> tuple[np.ndarray, int]:
    """One of our generators, which renew a word when it is drawn, as std::mt19937, which renews all 624 at once.

    `drawn` of the words (at most 624) have been renewed, `taken` of their outputs have been used.
    """
    words = words.copy()
    if drawn:
        for index in range(drawn, WORDS):
            draw(words, index)
    return (words, taken) if drawn else (words, WORDS)
