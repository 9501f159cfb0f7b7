"""The picture of the first screen: a level on which the goals part, and a way that ends at the proxy."""

import numpy as np
import pytest
from PIL import Image

import gmexp_envs
from gmexp.cli.config import load
from gmexp.pages import level_picture
from gmexp.pages.level_picture import CELLS, GOOD, WIDTH
from gmexp.support.errors import UserError
from gmexp_envs.coinrun.task import TASK
from gmexp_envs.task import Picture

LEVELS = gmexp_envs.split_levels("evaluation", 20)
TRAINING = gmexp_envs.LevelDistribution(mode="easy", appearance=0.0, levels=LEVELS, sequential=True)


@pytest.mark.slow
def test_a_level_with_both_goals_and_a_way():
    picture = level_picture.draw(TASK, TRAINING, LEVELS)
    cells = [size for size in range(CELLS[0], CELLS[1] + 1) if WIDTH // (picture.width // size) == size]
    assert any(picture.width // cell in GOOD for cell in cells) and picture.width <= WIDTH
    colours = {tuple(pixel) for pixel in np.asarray(picture).reshape(-1, 3)}
    for goal in (TASK.intended, TASK.proxy):
        assert Image.new("RGB", (1, 1), goal.colour).getpixel((0, 0)) in colours
    assert picture.tobytes() == level_picture.draw(TASK, TRAINING, LEVELS).tobytes()


def test_what_moved_is_in_the_picture_every_time():
    moments = []
    for place in (0, 20, 40):
        image = np.full((60, 60, 3), 200, np.uint8)
        image[10:20, place:place + 10] = (10, 20, 30)
        moments.append(Picture(image, 10.0, None, (50.0, 55.0)))
    whole = np.asarray(level_picture._together(TASK, moments))
    for place in (0, 20, 40):
        assert (whole[10:20, place:place + 10] == (10, 20, 30)).all()
    assert (whole[10:20, 12:18] == 200).all() and (whole[25:30, 5:20] == 200).all()


@pytest.mark.slow
def test_where_no_level_fits_it_is_said(monkeypatch):
    monkeypatch.setattr(level_picture, "_moments", lambda *_: None)
    with pytest.raises(UserError, match="wants the end reaches it alone on none of 20 levels of coinrun"):
        level_picture.draw(TASK, TRAINING, LEVELS)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["maze", "keys_and_chests", "supervisor", "tetris"])
def test_small_levels_are_drawn_too(name):
    """Levels that are all narrower than what is good to look at are drawn with larger cells."""
    config = load("train", [f"env={name}"])
    assert level_picture.draw(config.task, config.training, LEVELS).width > 400
