"""The films of a study are its logged episodes, and cards show them only when asked to."""

import json
import shutil

import pytest
from PIL import Image

from gmexp.agents.checkpoint import load_checkpoint
from gmexp.artefacts import tables
from gmexp.artefacts.records import Episode
from gmexp.artefacts.study import Study
from gmexp.evaluation.evaluate import evaluate
from gmexp.evaluation.plan import EvaluationPlan
from gmexp.figures.data import StudyData
from gmexp.pages import animation
from gmexp.pages.clips import film_six, read_clips, write_clips
from gmexp.pages.parts import clip_cards
from gmexp.pages.six import film_name, last_step, six
from gmexp.training.train import train

from ..tiny import train_config

PLAN = EvaluationPlan(shifts=[4], grades=[1.0], probes=[], attributed=[0], episodes=16, slots=16, seed=0, greedy=False,
                      clips=2, arms=["visible", "masked"])


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    folder = train(train_config(tmp_path_factory.mktemp("study"), iterations=1))
    evaluate(load_checkpoint(folder), PLAN)
    return folder


@pytest.fixture
def animated(monkeypatch):
    monkeypatch.setattr(animation, "has_encoder", lambda: False)


@pytest.mark.slow
def test_clips_are_the_logged_episodes(evaluated, animated):
    paths = write_clips(evaluated, PLAN)
    assert paths, "an untrained agent that starts two cells from the coin touches it now and then"
    table = tables.read_table(evaluated / "episodes.parquet", Episode).to_pylist()
    episodes = {row["level_seed"]: row for row in table if row["arm"] == "visible"}
    for path in paths:
        about = json.loads(path.with_suffix(".json").read_text())
        row = episodes[about["level_seed"]]
        assert about["outcome"] in path.stem and about["shift_name"] == "extreme" and "shift 4 extreme" in about["caption"]
        with Image.open(path) as clip, Image.open(path.with_suffix(".jpg")) as still:
            shown = sum(1 for _ in range(clip.n_frames))
            assert 1 < shown <= (last_step(row) - 1) // 2 + 2  # equal frames in a row may be merged
            assert still.size == clip.size


@pytest.mark.slow
def test_clips_that_are_there_stay(evaluated, animated):
    before = {path: path.stat().st_mtime_ns for path in write_clips(evaluated, PLAN)}
    assert {path: path.stat().st_mtime_ns for path in write_clips(evaluated, PLAN)} == before


@pytest.mark.slow
def test_six_are_filmed_by_outcome_and_those_that_are_there_stay(evaluated, animated, tmp_path):
    run = shutil.copytree(evaluated, tmp_path / "runs" / evaluated.name, ignore=shutil.ignore_patterns("episodes"))
    chosen = six(tables.read_table(run / "episodes.parquet", Episode), 3)
    paths = film_six(run, PLAN, 3)
    assert [path.stem for path in paths] == [film_name(each) for each in chosen] and len(paths) == 3
    for path, each in zip(paths, chosen, strict=True):
        about = json.loads(path.with_suffix(".json").read_text())
        assert (about["outcome"], about["level_seed"]) == (each.outcome.value, each.row["level_seed"])
    assert film_six(run, PLAN, 3) == []


@pytest.mark.slow
def test_an_encoder_makes_videos(evaluated, tmp_path):
    pytest.importorskip("av")
    run = shutil.copytree(evaluated, tmp_path / "runs" / evaluated.name, ignore=shutil.ignore_patterns("episodes"))
    paths = write_clips(run, PLAN)
    assert paths and all(path.suffix == ".mp4" for path in paths)
    clips = read_clips(Study(tmp_path), run.name, "delta=0")
    assert [clip.film for clip in clips] == paths and all(clip.still and clip.kind == "video/mp4" for clip in clips)


def test_nothing_moves_before_it_is_asked_to(study):
    cards = clip_cards(StudyData(study))
    assert len(cards) == 4 and all("<details><summary>play</summary>" in card for card in cards)
    (first, *_) = read_clips(study, "d0-s0", "delta=0")
    first.film.with_suffix(".jpg").write_bytes(b"still")
    first.film.rename(first.film.with_suffix(".mp4"))
    card = clip_cards(StudyData(study))[0]
    assert '<video controls="" loop="" muted=""' in card and 'preload="none"' in card and "image/jpeg;base64," in card
    assert "autoplay" not in card


def test_what_a_sidecar_does_not_say_is_unknown(study):
    for path in study.clips("d0-s0").glob("*.json"):
        path.unlink()
    assert {(clip.outcome, clip.caption, clip.where) for clip in read_clips(study, "d0-s0", "delta=0")} == {
        ("unknown", "", ("delta=0",))}
