"""Effects of the intended goal in the words of the environment, in colours or rows."""

import pytest

from gmexp.figures import attribution, critic, factors, magnitudes
from gmexp.figures.data import StudyData
from gmexp.measures.attribution import CellEffect
from gmexp.rates.intervals import Mean
from gmexp_envs import find_task

VALUE = Mean(0.5, 0.25, 0.75, (0.4, 0.6, None))


def effects(conditions):
    return tuple(CellEffect(effect, f"delta={i / 100:g}", 3, "significant", 1.0, 20, 0.6, 0.1, VALUE)
                 for effect in ("presence", "reliance", "pursuit") for i in range(conditions))


def of(study, **measures):
    data = StudyData(study)
    data.measures = {name: () for name in data.measures} | measures
    return data


def test_titles_speak_of_the_goals():
    assert attribution.titles(find_task("coinrun")) == {
        "presence": "Seeing the coin\nadds to taking it", "reliance": "The coin at the end\nadds to going there",
        "pursuit": "Share of coins\nthat are pursued"}


@pytest.mark.parametrize("conditions, along", [(2, 1), (8, 0)])
def test_every_condition_has_its_mean(finished, draw, conditions, along):
    axes = draw(attribution, of(finished, attribution=effects(conditions))).axes
    assert len(axes) == 3
    for axis in axes:
        means = [c.get_offsets()[0] for c in axis.collections if len(c.get_offsets()) == 1]
        assert [float(mean[along]) for mean in means] == [0.5] * conditions
        runs = [c.get_offsets()[:, along].tolist() for c in axis.collections if len(c.get_offsets()) == 2]
        assert runs == [[0.4, 0.6]] * conditions


@pytest.mark.parametrize("module", [attribution, critic, factors, magnitudes], ids=lambda module: module.FIGURE.name)
def test_what_was_not_measured_is_not_drawn(finished, draw, module):
    assert draw(module, finished) is None
