"""The first screen says what was found, with its interval, and what it does not say; in the words of the environment."""

import dataclasses

import pytest

from gmexp.figures.data import StudyData
from gmexp.pages.start import Finding, finding_of_pool, finding_of_study, start
from gmexp.pages.words import definitions, listed, of_goals
from gmexp.rates.over_runs import read_rates
from gmexp_envs import find_task
from gmexp_envs.task import Goal

TASK = find_task("coinrun")


class Other:
    name, intended, proxy = "far_away", Goal("star", "the star", "#000000", True), Goal("moon", "the moon", "#ffffff")


def test_the_finding_is_the_first_conditions_goal_failure(finished):
    (cell,) = (cell for cell in read_rates(finished.rates).cells
               if (cell.condition, cell.shift_type, cell.probe) == ("delta=0", 3, False))
    finding = finding_of_study(StudyData(finished))
    rate = cell.goal_failure
    assert (finding.mean, finding.low, finding.high) == (rate.mean, rate.low, rate.high)
    assert finding.condition == "delta=0" and finding.published == 0.55


def test_the_pooled_finding_is_at_the_lowest_diversity(finished, tmp_path):
    pooled = StudyData(finished)
    finding, row = finding_of_pool(pooled), pooled.base_rates[2]
    assert finding.mean == row.conditions[0].goal_failure.mean and finding.condition == "delta=0"
    assert finding_of_pool(StudyData(tmp_path)) is None


def test_it_is_said_in_the_words_of_the_environment(tmp_path):
    finding = Finding(0.75, 0.7, 0.8, "delta=0", "95% interval over runs", 0.55, False)
    text = start([TASK], tmp_path / "level.png", finding, "Ten runs.", [3_000_000])
    assert "75%" in text and "70% to 80%" in text and "A published model says 55%" in text
    assert "went for the end and not for the coin" in text and "one environment (coinrun)" in text
    assert "after 3 million steps" in text and "<svg" in text and "coin (rewarded)" in text
    assert "come upon the coin by accident" in text
    causal = start([TASK], tmp_path / "level.png", dataclasses.replace(finding, causal=True), "", [])
    assert "get to the end first without seeing the coin, they still do when they see it" in causal
    assert "by accident" not in causal
    other = start([Other], tmp_path / "level.png", None, "", [])
    assert "the star" in other and "the moon" in other and "coin" not in other and "million" not in other


def test_a_picture_that_was_made_is_shown(tmp_path):
    (tmp_path / "level.png").write_bytes(b"a picture")
    assert "data:image/png;base64,YSBwaWN0dXJl" in start([TASK], tmp_path / "level.png", None, "", [])


def test_several_environments_are_named():
    tasks = [TASK, Other]
    assert of_goals(tasks, lambda task: task.intended) == "the coin (coinrun) or the star (far away)"
    assert "these are 2 of them (coinrun and far away)" in start(tasks, TASK_PICTURE, None, "", [1_000_000, 2_500_000])
    assert listed(["a", "b", "c"]) == "a, b and c" and listed([]) == ""
    terms = dict(definitions([Other]))
    assert terms["Intended goal"].endswith("the star.") and terms["Proxy goal"].endswith("the moon.")
    assert "coin" not in " ".join(terms.values())
    both = dict(definitions([Other], causal=True))
    assert "blind" in both["Goal failure"] and "with the star neither seen" in both["Arms"] and "Joint failure" not in both


TASK_PICTURE = dataclasses.make_dataclass("NoPicture", [], namespace={"exists": lambda self: False})()


@pytest.mark.parametrize("missing", ["rates"])
def test_without_the_shift_there_is_no_finding(study, missing):
    getattr(study, missing).unlink()
    assert finding_of_study(StudyData(study)) is None
