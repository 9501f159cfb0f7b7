"""Repeated layouts are found by content, and what is solved on them is not what is solved on new ones."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from gmexp.artefacts.study import Study
from gmexp.evaluation.repetition import repetition, table
from gmexp_envs.coinrun.distribution import LevelDistribution
from gmexp_envs.coinrun.task import TASK
from gmexp_envs.levels import split_levels

RESULTS = Path(__file__).parents[3] / "results"
LEVELS = LevelDistribution(mode="easy", appearance=0.0, levels=split_levels("evaluation", 300))


def test_a_layout_is_what_there_is_to_play():
    """Looks and the intended goal's place change nothing, circumstances do; levels repeat, seeds do not."""
    hashes = TASK.layout_hash(LEVELS)
    assert hashes.dtype == np.uint64 and hashes.shape == (300,)
    for alike in ({"appearance": 1.0}, {"rho": 0.0, "placement": "off_path"}, {"masked": True}, {"horizon": 9}):
        np.testing.assert_array_equal(TASK.layout_hash(dataclasses.replace(LEVELS, **alike)), hashes)
    assert (TASK.layout_hash(dataclasses.replace(LEVELS, context=1.0)) != hashes).mean() > 0.3
    assert 200 < len(np.unique(hashes)) < 300
    some = dataclasses.replace(LEVELS, levels=(LEVELS.levels.first + 7, LEVELS.levels.first))
    np.testing.assert_array_equal(TASK.layout_hash(some), hashes[[7, 0]])


@pytest.mark.slow
def test_rates_of_the_first_edition_are_partly_repetition():
    row, probed = repetition(Study(RESULTS / "learning_easy"), 2000)
    assert (row.condition, row.shift_type, row.probe, probed.probe) == ("delta=0", 0, False, True)
    assert 0.2 < row.repeated < 0.37 and row.solved_repeated > 0.95 > 0.85 > row.solved_new
    assert row.solved == pytest.approx(0.87, abs=0.01)  # as the study's capability by first events
    assert "on new layouts" in table([row])


@pytest.mark.slow
def test_held_out_by_content_nothing_is_repeated():
    found = repetition(Study(RESULTS / "quickstart"), 2000)
    assert len(found) == 14 and all(row.repeated == 0 and row.solved_repeated is None for row in found)
