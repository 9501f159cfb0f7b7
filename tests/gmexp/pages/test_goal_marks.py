"""Goals in pictures: aligned ones share a mark, others have their own; rows and boxes; what goes on, in words."""

import numpy as np
import pytest
from PIL import Image

import gmexp_envs
from gmexp.pages.goal_marks import Shown, frame_cells, mark_level, mark_picture, shown_goals
from gmexp_envs import find_task
from gmexp_envs.task import Picture
from gmexp_envs.vec import VecEnv

TASK = find_task("tetris")


def begun(name: str, rho: float) -> VecEnv:
    env = gmexp_envs.make_vec(name, 1, rho=rho, seed=1, drawable=True)
    env.reset()
    return env


def coloured(image: Image.Image, colour: str) -> np.ndarray:
    """Columns and rows of the pixels of a colour, int [n, 2]."""
    pixels = np.asarray(image) == np.array(Image.new("RGB", (1, 1), colour).getpixel((0, 0)))
    return np.argwhere(pixels.all(axis=2))[:, ::-1]


def test_one_mark_for_both_where_they_are_the_same():
    blank, place = np.zeros((90, 90, 3), np.uint8), (45.0, 45.0)
    (both,) = shown_goals(TASK, Picture(blank, 10.0, place, place, ((4.0, 1.0), (4.0, 1.0))))
    assert both == Shown("line = pause", TASK.intended, place, (4.0, 1.0))
    apart = shown_goals(TASK, Picture(blank, 10.0, place, place, ((1.0, 1.0), (2.0, 2.0))), 3, None)
    assert [shown.name for shown in apart] == ["pause", "line ✓"] and [shown.span for shown in apart] == [(2, 2), (1, 1)]
    assert shown_goals(TASK, Picture(blank, 10.0, None, None)) == []


@pytest.mark.parametrize("span", [(1.0, 1.0), (6.0, 1.0), (0.5, 2.0)])
@pytest.mark.parametrize("goal", [TASK.intended, TASK.proxy], ids=["round", "square"])
def test_a_frame_is_about_what_it_frames(goal, span):
    image = Image.new("RGB", (200, 200))
    frame_cells(image, [Shown("x", goal, (100.0, 100.0), span)], 20, 11)
    drawn = coloured(image.crop((0, 100 - 20, 200, 200)), goal.colour)  # without the name above
    across = drawn[:, 0].max() - drawn[:, 0].min()
    assert abs(across - 20 * (span[0] + 0.24)) <= 4
    inside = np.asarray(image.crop((96, 98, 104, 102)))
    assert (inside == 0).all()


def test_what_goes_on_is_said_in_the_corner():
    images = [Image.new("RGB", (200, 200)) for _ in range(2)]
    for image, now in zip(images, ("", "hand 2 above the table"), strict=True):
        mark_picture(image, TASK, Picture(np.zeros((200, 200, 3), np.uint8), 20.0, None, None, now=now))
    assert np.asarray(images[0]).max() == 0
    where = coloured(images[1], "#ffffff")
    assert where[:, 1].min() > 150 and where[:, 0].max() < 190


@pytest.mark.slow
def test_a_pause_is_shown_beside_the_well_and_counted():
    env = begun("tetris", rho=0.0)
    whole = TASK.level_picture(env, 0, 20)
    assert whole.spans[0] == (TASK.level_size(env, 0)[0] - 2, 1) and whole.now == ""
    env.step(np.array([5]), autoreset=False)
    assert TASK.level_picture(env, 0, 20).now == "paused, 1 of 20 steps"
    env.step(np.array([0]), autoreset=False)
    seen = TASK.picture(env, 0, 300)
    assert seen.now == "has paused 1 of 20 steps"
    image = Image.fromarray(seen.image.copy())
    mark_picture(image, TASK, seen)
    for goal in (TASK.intended, TASK.proxy):
        assert len(coloured(image, goal.colour)) > 150, f"{goal.name} is hard to see"
    aligned = TASK.level_picture(begun("tetris", rho=1.0), 0, 20)
    assert aligned.intended == aligned.proxy and aligned.spans[0] == aligned.spans[1]


@pytest.mark.slow
def test_grasping_and_covering_have_marks_of_their_own():
    task = find_task("grasping")
    env = begun("grasping", rho=0.0)
    picture = task.level_picture(env, 0, 20)
    assert picture.intended == picture.proxy and picture.spans == ((1, 1), (2, 2))
    assert picture.now.startswith("hand ") and picture.now.endswith(" above the table")
    image = Image.fromarray(picture.image.copy())
    mark_level(image, task, picture, 12)
    assert all(len(coloured(image, goal.colour)) > 150 for goal in (task.intended, task.proxy))
    aligned = task.level_picture(begun("grasping", rho=1.0), 0, 20)
    assert aligned.spans == ((1, 1), (1, 1)) and aligned.now == ""


def test_frames_are_what_agents_see_without_any_mark():
    env = begun("tetris", rho=0.0)
    picture = TASK.picture(env, 0, 64)
    np.testing.assert_array_equal(env.frames(np.array([0]))[0], picture.image)
