"""The figures about the model are read back from the drawing and compared with the artefacts."""

import matplotlib
import numpy as np
import pytest

from gmexp import artefacts
from gmexp.calculator import table
from gmexp.figures import model_figures
from gmexp.figures.style import COLUMN, STYLE

from ..fabricate import PUBLISHED


def drawn(name, study):
    with matplotlib.rc_context(STYLE):
        figure = getattr(model_figures, name)(study)
        figure.draw_without_rendering()
    return figure


@pytest.mark.parametrize("name", ["tornado", "reliability", "prior_to_posterior", "chart"])
def test_one_column_and_legible(finished, name):
    figure = drawn(name, finished)
    texts = [text for text in figure.findobj(matplotlib.text.Text) if text.get_text()]
    assert figure.get_size_inches()[0] == COLUMN
    assert min(text.get_fontsize() for text in texts) >= 5.5


@pytest.mark.parametrize("name", ["tornado", "reliability", "prior_to_posterior", "chart"])
def test_without_its_artefact_there_is_no_figure(study, name):
    for path in (study.sensitivity, study.calibration, study.estimate):
        path.unlink()
    assert getattr(model_figures, name)(study) is None


def test_a_tornado_bar_ends_where_the_estimates_do(finished):
    (axis,) = drawn("tornado", finished).axes
    content = artefacts.read_json(finished.sensitivity)
    ends = {(round(bar.get_y() + 0.275), round(bar.get_x() + bar.get_width(), 9)) for bar in axis.patches}
    assert ends == {(y, round(bar[f"{end}_value"], 9)) for y, bar in enumerate(content["tornado"])
                    for end in ("low", "high")}
    assert all(bar.get_x() == content["value"] for bar in axis.patches)
    assert [text.get_text() for text in axis.texts][:6] == ["15%"] * 6


def test_reliability_steps_at_every_run(finished):
    (axis,) = drawn("reliability", finished).axes
    _, capability, goal = axis.lines
    assert capability.get_xdata().tolist() == [0, 0.2, 0.5, 0.6, 0.8, 1]
    assert capability.get_ydata().tolist() == [0, 0.25, 0.5, 0.75, 1, 1]
    assert goal.get_ydata().tolist() == [0, 0.5, 1, 1]


def test_prior_and_posterior_of_every_weight(finished):
    capability, goal = drawn("prior_to_posterior", finished).axes
    rows = artefacts.read_json(finished.calibration)["literature"]
    lines = [tuple(np.round(line.get_xdata(), 9)) for line in capability.lines if len(line.get_xdata()) == 2]
    assert lines.count((0.025, 0.975)) == 16  # priors
    for row in (row for row in rows if row["stage"] == "capability"):
        assert (round(row["q025"], 9), round(row["q975"], 9)) in lines
    published = [dots.get_offsets()[:, 0].tolist() for dots in goal.collections]
    assert published == [[values[1] for values in PUBLISHED.values()]]


def test_the_chart_holds_what_is_published_and_what_is_measured(finished):
    (axis,) = drawn("chart", finished).axes
    points = {tuple(np.round(xy, 9)) for dots in axis.collections for xy in dots.get_offsets().tolist()}
    assert {(row["capability_risk"], row["goal_risk"]) for row in table("chart")} <= points
    for row in finished.estimates():
        assert (round(1 - row["published"]["capability"], 9), row["published"]["goal_failure"]) in points
        for condition in row["conditions"]:
            assert (round(1 - condition["capability"]["mean"], 9), condition["goal_failure"]["mean"]) in points
