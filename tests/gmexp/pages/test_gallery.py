"""What the model says of the shifts, and a study's own levels in pictures."""

import dataclasses
from pathlib import Path

import pytest

import gmexp_envs
from gmexp import artefacts
from gmexp.artefacts.study import Study
from gmexp.calculator import table
from gmexp.cli.config import load
from gmexp.evaluation.cells import held_out
from gmexp.pages import gallery, html
from gmexp.pages.ladder import published, published_rates
from gmexp.pages.study_page import build_report
from gmexp.support.errors import UserError
from gmexp_envs.coinrun.task import TASK


def test_the_published_rates_are_those_of_the_table():
    rows = {row["type"]: row for row in table("shift_types")}
    for shift in TASK.shifts[1:]:
        row = rows[shift.type]
        assert row["name"] == shift.name and row["key_factor"].lower() == shift.key_factor
        assert published_rates(shift.type) == [f"{row['capability']:.2f}", f"{row['goal_failure']:.2f}"]
        assert published_rates(shift.type)[1] in published(shift.type)
    assert published_rates(0) == ["–", "–"] and "no rates" in published(0)


@pytest.mark.slow
def test_the_report_tells_what_is_shifted(study):
    artefacts.write_bytes(study.figures / "shifts.png", b"a picture")
    page = build_report(study.root).read_text()
    assert all(html.element("i", shift.words)[3:-4] in page for shift in TASK.shifts) and "What is shifted" in page
    assert html.data_uri(b"a picture", "image/png") in page


def test_the_levels_of_a_study_are_its_own(study):
    with pytest.raises(UserError, match="does not say what its agents were trained on"):
        gallery.of_study(study, 2)
    index = study.read_index()
    index["config"] = {"env": dataclasses.asdict(load("train", ["env.mode=hard"]).env), "seeds": [7],
                       "evaluation": {"episodes": 20}}
    artefacts.write_json(study.index, index)
    task, training, levels = gallery.of_study(study, 2)
    assert task is TASK and training.mode == "hard"
    assert levels == gmexp_envs.SeedRange(held_out(7, 20).first, 2)


def test_the_levels_of_a_study_whose_conditions_name_their_environments_are_of_the_first():
    task, _, _ = gallery.of_study(Study(Path(__file__).parents[3] / "results" / "budget_worlds"), 2)
    assert task.name == "grasping"
