"""procgen's states read into rows of the native engine's `World`, and bit-by-bit comparison of such rows."""

import numpy as np

from gmexp_envs.maze import layout as L
from gmexp_envs.maze.layout import World
from gmexp_envs.procgen_family.binary import Binary, MODES
from gmexp_envs.procgen_family.state import State, twister_after, twister_words

# columns that both engines know; the rest is ours alone
CLOCK = ("TIME", "X", "Y", "MIRRORED")
FACTS = ("SEED", "EASY", "SIZE", "MARGIN", "BACKGROUND", "HORIZON", "GOAL_X", "GOAL_Y")


def read_state(state: State, world: World, e: int) -> None:
    """Read a state of the real binary into row `e`: what is in the maze, and where the agent is."""
    clock, facts, grid, agent = world.clock[e], world.facts[e], state["grid"], state["entities"][0]
    side = int(state["world_dim"])
    clock[L.TIME], clock[L.MIRRORED] = state["cur_time"], agent["is_reflected"]
    clock[L.X], clock[L.Y] = int(agent["x"]), int(agent["y"])
    if agent["x"] != clock[L.X] + 0.5 or agent["y"] != clock[L.Y] + 0.5:
        raise ValueError(f"procgen's agent is at ({agent['x']}, {agent['y']}), which is no cell's middle")
    facts[L.SEED], facts[L.EASY] = state["current_level_seed"], state["distribution_mode"] == MODES["easy"]
    facts[L.SIZE], facts[L.MARGIN] = state["maze_dim"], (side - state["maze_dim"]) // 2
    facts[L.BACKGROUND], facts[L.HORIZON] = state["background_index"], state["timeout"]
    world.gains[e, L.BACKGROUND_SHIFT] = state["bg_pct_x"]
    world.grid[e, :side, :side] = grid
    y, x = np.nonzero(grid == L.GOAL)
    facts[L.GOAL_X], facts[L.GOAL_Y] = (x[0], y[0]) if len(x) else (-1, -1)


def read_states(binary: Binary, world: World) -> None:
    """Read the states of all sub-environments of a binary into the rows of `world`."""
    for e in range(binary.num_envs):
        read_state(State(binary.get_state(e)), world, e)


def differences(ours: World, theirs: World) -> dict[str, np.ndarray]:
    """Rows that differ, per quantity; quantities without a difference are left out. Of `ours`, a masked goal counts as the
    free cell that procgen sees."""
    differing = {}
    pairs = {name: (ours.clock[:, getattr(L, name)], theirs.clock[:, getattr(L, name)]) for name in CLOCK}
    pairs |= {name: (ours.facts[:, getattr(L, name)], theirs.facts[:, getattr(L, name)]) for name in FACTS}
    pairs["BACKGROUND_SHIFT"] = tuple(world.gains[:, L.BACKGROUND_SHIFT].view(np.uint32) for world in (ours, theirs))
    for name, (a, b) in pairs.items():
        if (a != b).any():
            differing[name] = np.flatnonzero(a != b)
    cells = (np.where(ours.grid == L.HIDDEN, L.SPACE, ours.grid) != theirs.grid).any(axis=(1, 2))
    if cells.any():
        differing["grid"] = np.flatnonzero(cells)
    return differing


def generator_differs(state: State, world: World, e: int) -> bool:
    """Whether the level's generator is not where row `e` says that it is: after the level's outputs, and one a step."""
    words, position = twister_words(state["twister"])
    taken = int(world.facts[e, L.DRAWN]) + int(world.clock[e, L.TIME])
    ours, our_position = twister_after(int(world.facts[e, L.SEED]), taken)
    return position != our_position or not np.array_equal(words, ours)
