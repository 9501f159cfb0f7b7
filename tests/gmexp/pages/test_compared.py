"""Environments side by side: one finding each, of the best study there is, and what is expected of the next."""

import json

import pytest

from gmexp.figures.data import StudyData
from gmexp.pages import compared
from gmexp.rates import over_runs

from ..fabricate import Truth, fabricate


@pytest.mark.slow
def test_every_environment_stands_once_with_its_own_words(tmp_path):
    few = Truth({0.0: [0.9, 0.9]}, {0.0: [0.2, 0.2]})
    for name, env, truth in (("a", "coinrun", few), ("b", "coinrun", None), ("c", "maze", few)):
        over_runs.build(fabricate(tmp_path / name, truth, slots=4, per_slot=25, env=env).root)
    rows = compared.measured([StudyData(tmp_path / name) for name in "abc"], StudyData(tmp_path / "none"))
    assert [(row.task.name, row.study, row.runs) for row in rows] == [("coinrun", "b", 4), ("maze", "c", 2)]
    text = compared.section(rows)
    assert "Rewarded: the cheese. Decoy: the corner." in text and 'href="c/report.html#runs"' in text
    strip = compared.strip(rows, (0.47, 0.0, 1.0))
    assert strip.count("<tr") == 4 and "the next environment" in strip and "[0%, 100%]" in strip


def test_the_pool_speaks_for_the_environments_that_it_has(finished):
    data = StudyData(finished)
    rows = compared.measured([data], data)
    assert rows[0].runs is None and rows[0].finding == compared.first(rows, data)
    assert rows[0].finding.interval == "95% credible interval"


def test_what_is_expected_of_the_next_environment_is_the_calibrations(study):
    assert compared.next_environment(StudyData(study)) is None
    content = json.loads(study.calibration.read_text())
    place = [(shift["type"], shift["grade"]) for shift in content["model"]["structure"]["shifts"]].index((3, 1.0))
    content["environments"] = {"next": [{"quantity": "goal_failure", "shift": place, "kind": "next_environment", "q025": 0.1,
                                         "q50": 0.5, "q975": 0.9}]}
    study.calibration.write_text(json.dumps(content))
    assert compared.next_environment(StudyData(study)) == (0.5, 0.1, 0.9)
