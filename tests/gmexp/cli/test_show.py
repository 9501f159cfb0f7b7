"""The ladder in words says what gmexp_envs.shifts does; pictures show whole levels as the engine draws them."""

import dataclasses
import io

import numpy as np
import pytest
from PIL import Image

import gmexp_envs
from gmexp import artefacts
from gmexp.calculator import table
from gmexp.cli.main import main
from gmexp.evaluation.cells import held_out
from gmexp.pages import gallery, html, ladder
from gmexp.pages.ladder import published, read_ladder
from gmexp.pages.study_page import build_report
from gmexp.support.conf import config_folder
from gmexp_envs.coinrun.draw.large import render_large
from gmexp_envs.coinrun.draw.sprites import default_style, load_sprites
from gmexp_envs.coinrun.layout import COIN_X, COIN_Y, END_X, END_Y, X, Y
from gmexp_envs.coinrun.task import SHIFTS, TASK
from gmexp_envs.shifts import shift
from gmexp_envs.task import FACTOR_NAMES

LEVELS = gmexp_envs.split_levels("evaluation", 4)
TRAINING = gmexp_envs.LevelDistribution(mode="easy", appearance=0.0, levels=LEVELS, sequential=True)
SPRITES = load_sprites(*default_style().options)


# --- words ------------------------------------------------------------------------------------------------------------

def test_words_and_deeds_cannot_drift_apart():
    texts = read_ladder()
    assert [text.type for text in texts] == [s.type for s in SHIFTS] == list(range(5))
    for text, done in zip(texts, SHIFTS, strict=True):
        assert (text.name, text.key_factor) == (done.name, done.key_factor)
        assert text.at_grade_1 == {f: getattr(done, f) for f in FACTOR_NAMES if getattr(done, f) is not None}
        assert (config_folder() / "shift" / f"{text.name}.yaml").is_file() and len(text.here) > len(done.description)
    assert set(ladder.FACTOR_NAMES) == set(FACTOR_NAMES)


def test_rates_and_key_factors_are_the_published_ones():
    rows = {row["type"]: row for row in table("shift_types")}
    for text in read_ladder()[1:]:
        assert text.published == rows[text.type] and text.published["name"] == text.name
        assert text.published["key_factor"].lower() == text.key_factor
        assert f"{rows[text.type]['goal_failure']:.2f}" in published(text)
        assert not any(str(rows[text.type][key]) in (config_folder() / "shift" / f"{text.name}.yaml").read_text()
                       for key in ("capability", "goal_failure", "p_misgen"))
    assert read_ladder()[0].published is None and "no rates" in published(read_ladder()[0])


def test_the_report_tells_what_is_shifted(study):
    artefacts.write_bytes(study.figures / "shifts.png", b"a picture")
    page = build_report(study.root).read_text()
    assert all(text.here in page for text in read_ladder()) and "What is shifted" in page
    assert html.data_uri(b"a picture", "image/png") in page


# --- pictures ---------------------------------------------------------------------------------------------------------

def begun(distribution):
    env = gmexp_envs.make_vec("coinrun", 4, distribution=distribution, seed=0, drawable=True)
    env.reset()
    return env


@pytest.mark.parametrize("grade", [0.0, 1.0])
def test_a_whole_level_is_what_its_views_show(grade):
    env, cell = begun(shift(TASK, TRAINING, 4, grade)), 8
    for e in range(4):
        columns, rows = gallery.extent(env, e)
        whole = np.asarray(gallery.whole_level(env, e, SPRITES, cell, columns, rows))
        assert whole.shape == (rows * cell, columns * cell, 3)
        world = env.world._replace(body=env.world.body.copy())
        world.body[e, X], world.body[e, Y] = 8.5, 9.5  # columns 2..14 and rows 3..15, the agent in column 8
        view, top, right = render_large(world, e, SPRITES, 13 * cell), min(rows, 16), min(columns, 15)
        view = view[(16 - top) * cell:, :(right - 2) * cell]
        same = (whole[(rows - top) * cell:(rows - 3) * cell, 2 * cell:right * cell] == view).all(2)
        same[:, 6 * cell:7 * cell] = True
        assert same.size > 20 * cell**2 and same.mean() > 0.95  # backgrounds are scaled view by view
        facts = env.world.facts[e]
        assert columns > max(facts[END_X], facts[COIN_X]) and rows > max(facts[END_Y], facts[COIN_Y])


def test_the_agent_stands_where_it_starts():
    env, cell = begun(TRAINING), 16
    body = env.world.body.copy()
    whole = np.asarray(gallery.whole_level(env, 0, SPRITES, cell, 13, 13)).astype(int)
    env.world.body[0, X] = 40.5
    without = np.asarray(gallery.whole_level(env, 0, SPRITES, cell, 13, 13)).astype(int)
    y, x = np.nonzero(np.abs(whole - without).sum(2) > 30)
    assert len(x) and abs(x.mean() / cell - body[0, X]) < 0.3 and abs(13 - y.mean() / cell - body[0, Y]) < 0.7


@pytest.mark.parametrize("kind, grade, e, expected", [(0, 0.0, 0, "as in training"), (1, 1.0, 0, "new look")])
def test_changes_in_words(kind, grade, e, expected):
    assert gallery.changes(begun(TRAINING), begun(shift(TASK, TRAINING, kind, grade)), e) == expected


def test_changes_name_everything_that_the_extreme_shift_does():
    told = gallery.changes(begun(TRAINING), begun(shift(TASK, TRAINING, 4, 1.0)), 0)
    for part in ("new look", "gravity +15%", "coin moved", "decoy", "goes on after the coin"):
        assert part in told


@pytest.mark.parametrize("arguments, name", [(["shift=3"], "shift-3"), (["factor=context"], "factor-context"),
                                             (["shift=all", "cell=4"], "shift-all")])
def test_show_writes_the_same_picture_each_time(arguments, name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    pictures = []
    for _ in range(2):
        assert main(["show", "levels=1", "grades=[0,1]", *arguments]) == 0
        pictures.append((tmp_path / "outputs" / "show" / f"{name}.png").read_bytes())
    assert pictures[0] == pictures[1]
    with Image.open(io.BytesIO(pictures[0])) as picture:
        assert picture.width > 300 and picture.height > 200


def test_a_study_is_shown_on_its_own_training_distribution(study, capsys):
    index = study.read_index()
    assert main(["show", "shift=all", f"study={study.root}"]) == 2
    assert "does not say what its agents were trained on" in capsys.readouterr().err
    from gmexp.cli.config import load

    index["config"] = {"env": dataclasses.asdict(load("train", ["env.mode=hard"]).env), "seeds": [7],
                       "evaluation": {"episodes": 20}}
    artefacts.write_json(study.index, index)
    assert main(["show", "shift=all", f"study={study.root}", "levels=1", "grades=1", "cell=4"]) == 0
    assert (study.figures / "shifts.png").is_file()
    assert gallery.of_study(study, 2)[1] == gmexp_envs.SeedRange(held_out(7, 20).first, 2)


@pytest.mark.parametrize("arguments, expected", [
    ([], "give either shift="), (["shift=1", "factor=context"], "give either shift="), (["shift=5"], "shift"),
    (["factor=weather"], "appearance, context"), (["shift=1", "grades=[2]"], "from 0 to 1"),
    (["shift=1", "study=/nowhere"], "give shift=all"), (["shift=all", "study=/nowhere"], "/nowhere"),
])
def test_bad_input_is_one_line(arguments, expected, capsys):
    assert main(["show", *arguments]) == 2
    out, err = capsys.readouterr()
    assert err.count("\n") == 1 and expected in err and not out
