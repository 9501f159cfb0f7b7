"""A bar ends where the estimate does."""

import matplotlib
import pytest

from gmexp import artefacts
from gmexp.figures import chart, prior_to_posterior, reliability, tornado
from gmexp.figures.style import COLUMN

SMALL = (tornado, reliability, prior_to_posterior, chart)


@pytest.mark.parametrize("module", SMALL, ids=lambda module: module.FIGURE.name)
def test_one_column_and_legible(finished, draw, module):
    figure = draw(module, finished)
    texts = [text for text in figure.findobj(matplotlib.text.Text) if text.get_text()]
    assert figure.get_size_inches()[0] == COLUMN
    assert min(text.get_fontsize() for text in texts) >= 5.5


@pytest.mark.parametrize("module", SMALL, ids=lambda module: module.FIGURE.name)
def test_without_its_artefact_there_is_no_figure(study, draw, module):
    for path in (study.sensitivity, study.calibration, study.estimate):
        path.unlink()
    assert draw(module, study) is None


def test_a_tornado_bar_ends_where_the_estimates_do(finished, draw):
    (axis,) = draw(tornado, finished).axes
    content = artefacts.read_json(finished.sensitivity)
    ends = {(round(bar.get_y() + 0.275), round(bar.get_x() + bar.get_width(), 9)) for bar in axis.patches}
    assert ends == {(y, round(bar[f"{end}_value"], 9)) for y, bar in enumerate(content["tornado"])
                    for end in ("low", "high")}
    assert all(bar.get_x() == content["value"] for bar in axis.patches)
    assert [text.get_text() for text in axis.texts][:6] == ["15%"] * 6
