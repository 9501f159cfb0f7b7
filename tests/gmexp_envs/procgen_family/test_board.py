"""A board put together from cut images is what procgen draws, and a dug maze is procgen's."""

import numpy as np
import pytest

from gmexp_envs.compiled.mersenne_twister import seed_twister
from gmexp_envs.procgen_family import binary as procgen
from gmexp_envs.procgen_family.blit import FRAME, RESOLUTION
from gmexp_envs.procgen_family.board import NO_OVERLAP, OVERLAP, View, cover, cut, draw_cells, put_block
from gmexp_envs.procgen_family.images import flat_colour, read_image, topdown_backgrounds
from gmexp_envs.procgen_family.mazes import below, dig, new_digger
from gmexp_envs.procgen_family.state import State

needs_procgen = pytest.mark.skipif(not procgen.exact_pixels() if procgen.installed() else True,
                                   reason="procgen with Qt 5.9.7 is not installed")
WALL, GOAL = 51, 2


@needs_procgen
@pytest.mark.parametrize(("mode", "flat"), [("easy", False), ("hard", False), ("easy", True)])
def test_a_board_is_procgens(mode, flat):
    n = 12
    assets = procgen.assets_folder()
    if flat:
        images, mouse = [flat_colour(WALL, 0), flat_colour(GOAL, 0)], flat_colour(0, 0)
    else:
        images = [read_image(assets / name) for name in ("kenney/Ground/Sand/sandCenter.png", "misc_assets/cheese.png")]
        mouse = read_image(assets / "kenney/Enemies/mouse_move.png")
    image_of_cell = np.full(256, -1, np.int32)
    image_of_cell[[WALL, GOAL]] = 0, 1
    with procgen.Binary(n, game="maze", mode=mode, seed=9, use_monochrome_assets=flat) as binary:
        states = [State(binary.get_state(e)) for e in range(n)]
        expected = binary.frames.copy()
    size = int(states[0]["world_dim"])
    view = View(size)
    cells, entities = cut(view, images, OVERLAP, flat), cut(view, [mouse], NO_OVERLAP, flat)
    grounds = [cover(view, image) for image in topdown_backgrounds()]
    for state, frame in zip(states, expected, strict=True):
        drawn = np.append(grounds[state["background_index"]], np.uint8(0))
        grid = state["grid"].astype(np.uint8)
        agent = state["entities"][0]
        draw_cells(cells, image_of_cell, grid, size, drawn, np.uint64(0), 0, RESOLUTION)
        put_block(entities, 0, int(agent["x"]), int(agent["y"]), drawn, np.uint64(0), 0, RESOLUTION)
        np.testing.assert_array_equal(drawn[:FRAME].reshape(64, 64, 3), frame)


@needs_procgen
@pytest.mark.parametrize(("mode", "sizes"), [("easy", 7), ("hard", 12), ("memory", 15)])
def test_a_dug_maze_is_procgens(mode, sizes):
    digger = new_digger()
    with procgen.Binary(16, game="maze", mode=mode, seed=4) as binary:
        for e in range(16):
            state = State(binary.get_state(e))
            seed_twister(digger.words, np.uint32(binary.level_seeds[e]))
            _, p = below(digger.words, 0, 1)
            background, p = below(digger.words, p, 9)
            half, p = below(digger.words, p, sizes)
            d = 3 + 2 * half
            assert (background, d) == (state["background_index"], state["maze_dim"])
            free, p = dig(digger, p, d)
            assert free == 2 * ((d + 1) // 2) ** 2 - 1 and p == 3 + 2 * (d // 2) * (d // 2 + 1)
            margin = (int(state["world_dim"]) - d) // 2
            inside = state["grid"][margin:margin + d, margin:margin + d]
            np.testing.assert_array_equal(digger.cells[:d * d].reshape(d, d) == 0, inside == WALL)
