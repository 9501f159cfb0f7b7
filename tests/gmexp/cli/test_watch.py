"""What is shown are the very episodes that were logged, the same bytes each time."""

import dataclasses
import json

import numpy as np
import pytest
from PIL import Image

import gmexp_envs
from gmexp.agents.checkpoint import load_checkpoint
from gmexp.agents.scripted import ScriptedAgent
from gmexp.artefacts import tables
from gmexp.artefacts.records import Episode
from gmexp.cli.config import load
from gmexp.cli.main import main
from gmexp.evaluation.cells import held_out, own_levels
from gmexp.evaluation.config import EvaluationPlan
from gmexp.evaluation.evaluate import evaluate
from gmexp.evaluation.replay import Take, film, record
from gmexp.pages import animation
from gmexp.pages.films import goal_step, write_clips
from gmexp.pages.overlay import COIN, END, frame, mark
from gmexp.training.train import train
from gmexp_envs.coinrun.task import TASK
from gmexp_envs.levels import SeedRange
from gmexp_envs.outcome import NEVER, Outcome
from gmexp_envs.shifts import shift

from ..tiny import train_config


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    folder = train(train_config(tmp_path_factory.mktemp("study"), iterations=1))
    plan = EvaluationPlan(shifts=[4], grades=[1.0], probes=[], attributed=[0], episodes=16, slots=16, seed=0,
                          greedy=False, clips=2)
    evaluate(load_checkpoint(folder), plan)
    return folder, plan


# --- clips of a study -------------------------------------------------------------------------------------------------

def test_clips_are_the_logged_episodes(evaluated):
    folder, plan = evaluated
    paths = write_clips(folder, plan)
    assert paths, "an untrained agent that starts two cells from the coin touches it now and then"
    table = tables.read_table(folder / "episodes.parquet", Episode)
    episodes = {row["level_seed"]: row for row in table.to_pylist()}
    for path in paths:
        about = json.loads(path.with_suffix(".json").read_text())
        row = episodes[about["level_seed"]]
        assert about["outcome"] in path.stem and about["shift_name"] == "extreme"
        with Image.open(path) as clip:
            shown = sum(1 for _ in range(clip.n_frames))
            assert 1 < shown <= (goal_step(row) - 1) // 2 + 2  # equal frames in a row may be merged


def test_clips_that_are_there_stay(evaluated):
    folder, plan = evaluated
    before = {path: path.stat().st_mtime_ns for path in write_clips(folder, plan)}
    assert {path: path.stat().st_mtime_ns for path in write_clips(folder, plan)} == before


# --- any episode ------------------------------------------------------------------------------------------------------

LEVELS = gmexp_envs.split_levels("evaluation", 12)
TRAINING = gmexp_envs.LevelDistribution(mode="easy", appearance=0.0, levels=LEVELS, sequential=True, horizon=200)


@pytest.mark.parametrize("name, repeat", [("random", 1), ("random", 2), ("intended", 2), ("proxy", 1)])
def test_a_film_is_the_recorded_episode(name, repeat):
    distribution = shift(TASK, TRAINING, 4, 1.0)
    env = gmexp_envs.make_vec("coinrun", LEVELS.count, distribution=distribution, seed=0, action_repeat=repeat)
    tape = record(ScriptedAgent(name, TASK, env, seed=1), env)
    assert tape.log.level_seed.tolist() == list(range(LEVELS.first, LEVELS.first + LEVELS.count))
    for world in range(4):
        decisions = -(-int(tape.log.length[world]) // repeat)
        take = Take(distribution, int(tape.log.level_seed[world]), Outcome.DEATH, tape.actions[:decisions, world],
                    repeat, None)
        shown = film(take, 64, pictures=())
        last = shown.moments[-1]
        logged = [step if step != NEVER else None for step in (tape.log.intended_step[world], tape.log.proxy_step[world])]
        assert (last.step, [last.intended_step, last.proxy_step]) == (tape.log.length[world], logged)
        assert shown.coin == (tape.log.coin_x[world], tape.log.coin_y[world])
        assert shown.end == (tape.log.end_x[world], tape.log.end_y[world])
        assert len(shown.moments) == decisions + 1 and not shown.drawn


def take_of(decisions, touch, repeat=2):
    return Take(TRAINING, 0, Outcome.DEATH, np.zeros(decisions, np.uint8), repeat, touch)


@pytest.mark.parametrize("decisions, touch, expected", [
    (50, 31, {"start": 0, "before the touch": 10, "first touch": 16, "end": 50}),
    (50, 99, {"start": 0, "halfway": 22, "before the touch": 44, "first touch and end": 50}),
    (50, None, {"start": 0, "a third": 16, "two thirds": 33, "end": 50}),
    (1, 1, {"start": 0, "halfway": 0, "before the touch": 0, "first touch and end": 1}),
])
def test_key_moments(decisions, touch, expected):
    assert take_of(decisions, touch).key_moments == expected


@pytest.mark.parametrize("decisions, touch", [(1, None), (1000, None), (1000, 4), (1000, 1990), (500, 333)])
def test_an_animation_is_short_and_keeps_its_end(decisions, touch):
    chosen = take_of(decisions, touch).even_moments(240)
    assert {0, decisions} <= chosen <= set(range(decisions + 1)) and len(chosen) <= 243
    assert len(chosen) >= min(decisions, 40)


def has(image, colour, box=None):
    pixels = np.asarray(image.crop(box) if box else image).reshape(-1, 3)
    return (pixels == Image.new("RGB", (1, 1), colour).getpixel((0, 0))).all(1).any()


def test_what_is_out_of_view_has_an_arrow_at_the_border_and_hides_nothing():
    for offset, box in (((0, 0), (100, 100, 300, 300)), ((30, 0), (300, 150, 400, 250)), ((-30, 0), (0, 150, 100, 250)),
                        ((0, 30), (150, 0, 250, 100)), ((0, -30), (150, 300, 250, 400)),
                        ((30, 30), (250, 0, 400, 150))):
        image, taken = Image.new("RGB", (400, 400)), []
        mark(image, "coin", COIN, offset, taken)
        assert has(image, COIN, box) and bool(taken) == (offset != (0, 0))
        mark(image, "end", END, offset, taken)
        assert has(image, END) and has(image, COIN) or offset == (0, 0)


def test_a_frame_has_even_sides_and_differs_with_the_moment():
    take = take_of(40, None)
    take = dataclasses.replace(take, actions=np.full(40, 7, np.uint8))
    shown = film(take, 97, pictures=(0, 40), critic=lambda observation: np.ones(1))
    first, last = (frame(shown, index, "title") for index in (0, 40))
    assert first.size == last.size and first.height % 2 == 0
    assert first.tobytes() != last.tobytes()


# --- the verb ---------------------------------------------------------------------------------------------------------

def watched(folder, *arguments):
    assert main(["watch", f"out={folder}", "levels=24", "size=96", *arguments]) == 0
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix != ".json"}


def test_an_agent_is_watched_with_the_same_bytes_each_time(evaluated, tmp_path, capsys):
    arguments = [f"run={evaluated[0]}", "shift=3", "outcomes=[DEATH,proxy_goal]", "episodes=2"]
    first = watched(tmp_path / "first", *arguments)
    again = watched(tmp_path / "again", *arguments)
    assert first == again and "sheet.png" in first and 2 <= len(first) <= 3
    about = json.loads((tmp_path / "first" / "episodes.json").read_text())
    assert {episode["outcome"] for episode in about["episodes"]} <= {"death", "proxy_goal"}
    assert all(f"level{episode['level_seed']}" in " ".join(first) for episode in about["episodes"])


def test_a_run_is_watched_on_the_levels_it_was_evaluated_on(tmp_path, capsys):
    folder = train(train_config(tmp_path / "study", "seed=3", iterations=1))
    default = held_out(3, load("evaluate", ["run=none"]).evaluation.episodes).first
    assert own_levels(load_checkpoint(folder), 4) == SeedRange(default, 4)  # not evaluated yet
    plan = EvaluationPlan(shifts=[3], grades=[1.0], probes=[], attributed=[0], episodes=16, slots=16, seed=0,
                          greedy=False, clips=0)
    table = tables.read_table(evaluate(load_checkpoint(folder), plan), Episode)
    films = ["episodes=2", "format=sheet", "size=96", f"out={tmp_path / 'films'}"]
    assert main(["watch", f"run={folder}", "levels=16", *films]) == 0
    seen = json.loads((tmp_path / "films" / "episodes.json").read_text())["episodes"]
    assert {episode["level_seed"] for episode in seen} <= set(table["level_seed"].to_pylist())
    assert min(table["level_seed"].to_pylist()) == held_out(3, 16).first


@pytest.mark.parametrize("agent, outcome", [("proxy", "proxy_goal"), ("intended", "intended_goal")])
def test_scripted_agents_can_be_watched_too(agent, outcome, tmp_path, capsys):
    files = watched(tmp_path, f"agent={agent}", "shift=1", "probe=true", "episodes=2", "format=sheet",
                    f"outcomes={outcome}")
    assert set(files) == {"sheet.png"}
    about = json.loads((tmp_path / "episodes.json").read_text())["episodes"]
    assert [episode["outcome"] for episode in about] == [outcome] * 2


@pytest.mark.parametrize("arguments, expected", [
    ([], "give either run="), (["run=x", "agent=random"], "give either run="), (["run=/nowhere"], "no checkpoint"),
    (["agent=nobody"], "proxy"), (["agent=random", "outcomes=[WIN]"], "PROXY_GOAL"),
    (["agent=random", "outcomes=[]"], "outcomes"), (["agent=random", "shift=5"], "shift"),
    (["agent=random", "format=avi"], "gif, mp4, sheet"),
    (["agent=intended", "levels=8", "outcomes=TIMEOUT"], "none of 8 episodes is TIMEOUT; there are 8 INTENDED_GOAL"),
])
def test_bad_input_is_one_line(arguments, expected, capsys):
    assert main(["watch", *arguments]) == 2
    out, err = capsys.readouterr()
    assert err.count("\n") == 1 and expected in err


def test_mp4_without_an_encoder_is_one_line(monkeypatch, capsys):
    monkeypatch.setitem(__import__("sys").modules, "imageio_ffmpeg", None)
    assert main(["watch", "agent=random", "format=mp4"]) == 2
    assert "pip install imageio-ffmpeg" in capsys.readouterr().err


def test_an_mp4_where_there_is_an_encoder():
    pytest.importorskip("imageio_ffmpeg")
    pictures = [Image.new("RGB", (64, 48), colour) for colour in ("red", "green", "blue")]
    data = animation.mp4(pictures)
    assert b"ftyp" in data[:32] and data == animation.mp4(pictures)
