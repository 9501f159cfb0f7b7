"""What is written on pictures: goals where they are, arrows to those out of view, even sides."""

import dataclasses

import numpy as np
import pytest
from PIL import Image

import gmexp_envs
from gmexp.evaluation.replay import Take, film
from gmexp.pages.goal_marks import Shown, frame_cells, mark
from gmexp.pages.overlay import frame
from gmexp_envs.coinrun.task import TASK
from gmexp_envs.outcome import Outcome

COIN, END = TASK.intended, TASK.proxy
TRAINING = gmexp_envs.LevelDistribution(mode="easy", appearance=0.0, levels=gmexp_envs.split_levels("evaluation", 12),
                                        sequential=True, horizon=200)


def has(image, goal, box=None):
    pixels = np.asarray(image.crop(box) if box else image).reshape(-1, 3)
    return (pixels == Image.new("RGB", (1, 1), goal.colour).getpixel((0, 0))).all(1).any()


def area(image, goal):
    pixels = np.asarray(image).reshape(-1, 3)
    return (pixels == Image.new("RGB", (1, 1), goal.colour).getpixel((0, 0))).all(1).sum()


def test_what_is_out_of_view_has_an_arrow_at_the_border_and_hides_nothing():
    cell = 400 / 13
    for (right, up), box in (((0, 0), (100, 100, 300, 300)), ((30, 0), (300, 150, 400, 250)), ((-30, 0), (0, 150, 100, 250)),
                             ((0, 30), (150, 0, 250, 100)), ((0, -30), (150, 300, 250, 400)),
                             ((30, 30), (250, 0, 400, 150))):
        image, place = Image.new("RGB", (400, 400)), (200 + right * cell, 200 - up * cell)
        mark(image, [Shown("coin", COIN, place)], cell)
        assert has(image, COIN, box)
        mark(image, [Shown("coin", COIN, place), Shown("end", END, place)], cell)
        assert has(image, END) and has(image, COIN)


@pytest.mark.parametrize("right, down", [(1, 0), (0, 1), (1, 1), (-1, 1), (2, 0), (0, 2)])
@pytest.mark.parametrize("x, y", [(6.5, 6.5), (0.5, 0.5), (12.5, 12.5), (0.5, 12.5)])
def test_names_of_neighbouring_goals_hide_neither_each_other_nor_a_frame(x, y, right, down):
    cell, size = 20, 260
    x, y = (min(max(v, 0.5 - min(way, 0)), 12.5 - max(way, 0)) * cell for v, way in ((x, right), (y, down)))
    places = (x, y), (x + right * cell, y + down * cell)

    def drawn(*goals):
        image = Image.new("RGB", (size, size))
        frame_cells(image, goals, cell, 12)
        return image

    end, coin = Shown("targets", END, places[0]), Shown("lap", COIN, places[1])
    both = drawn(end, coin)
    assert all(area(both, goal) >= 0.9 * area(drawn(one), goal) for one, goal in ((end, END), (coin, COIN)))


def test_a_frame_has_even_sides_and_differs_with_the_moment():
    take = Take(TASK, TRAINING, 0, Outcome.DEATH, np.full(40, 7, np.uint8), 2, None)
    shown = film(take, 97, pictures=(0, 40), critic=lambda observation: np.ones(1))
    first, last = (frame(shown, index, "title") for index in (0, 40))
    assert first.size == last.size and first.height % 2 == 0
    assert first.tobytes() != last.tobytes()
    assert dataclasses.replace(take, touch=31).touched == 16
