"""Clips show the very episodes that were logged."""

import json

import pytest
from PIL import Image

from gmexp import artefacts
from gmexp.config import EvaluationPlan
from gmexp.evaluate import evaluate
from gmexp.records import Episode
from gmexp.train import load_checkpoint, train
from gmexp.watch import goal_step, write_clips
from .tiny import train_config


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    folder = train(train_config(tmp_path_factory.mktemp("study"), iterations=1))
    plan = EvaluationPlan(shifts=[4], grades=[1.0], probes=[], attributed=[0], episodes=16, slots=16, seed=0,
                          greedy=False, clips=2)
    evaluate(load_checkpoint(folder), plan)
    return folder, plan


def test_clips_are_the_logged_episodes(evaluated):
    folder, plan = evaluated
    paths = write_clips(folder, plan)
    assert paths, "an untrained agent that starts two cells from the coin touches it now and then"
    episodes = {row["level_seed"]: row for row in artefacts.read_table(folder / "episodes.parquet", Episode).to_pylist()}
    for path in paths:
        about = json.loads(path.with_suffix(".json").read_text())
        row = episodes[about["level_seed"]]
        assert about["outcome"] in path.stem and about["shift_name"] == "extreme"
        with Image.open(path) as clip:
            shown = sum(1 for _ in range(clip.n_frames))
            assert 1 < shown <= (goal_step(row) - 1) // 2 + 1  # equal frames in a row may be merged
            assert clip.size == (256, 256)


def test_clips_that_are_there_stay(evaluated):
    folder, plan = evaluated
    before = {path: path.stat().st_mtime_ns for path in write_clips(folder, plan)}
    assert {path: path.stat().st_mtime_ns for path in write_clips(folder, plan)} == before
