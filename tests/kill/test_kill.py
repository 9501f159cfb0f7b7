"""A few kills of a whole study; `make kill` does two hundred."""

import os

import pytest

from . import harness


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="needs signals")
def test_a_killed_study_ends_as_an_undisturbed_one(tmp_path):
    report = harness.run(tmp_path, kills=4, seed=0)
    assert report.kills.total() == 4 and report.studies >= 1
