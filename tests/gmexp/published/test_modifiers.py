"""Acceptance 2: the maps from settings to multipliers."""

import numpy as np
import pytest

from gmexp.published.modifiers import (
    alignment_modifier, canonical, capability_modifier, diversity_modifier, modifier_range, spec_modifier,
)
from gmexp.published.tables import table
from gmexp.support.errors import UserError

GRID = np.linspace(0, 1, 1001)


def test_spec_knots_are_exact():
    knots = {0: 2.0, 0.3: 1.5, 0.4: 1.2, 0.7: 0.8, 0.8: 0.7, 1: 0.5}
    assert spec_modifier(np.array(list(knots))).tolist() == list(knots.values())


def test_spec_hits_every_band_end():
    for band in table("spec_bands"):
        assert spec_modifier(band["quality_low"]) == band["multiplier_high"]
        assert spec_modifier(band["quality_high"]) == band["multiplier_low"]


def test_spec_between_knots():
    assert spec_modifier(np.array([0.5, 0.6, 0.9, 0.2])) == pytest.approx([1.0667, 0.9333, 0.6, 1.6667], abs=5e-5)


def test_anchors_hit_the_parameter_table_and_are_neutral_midway():
    assert spec_modifier(np.array([0.2, 0.9, 0.0, 1.0]), "anchors").tolist() == [2.0, 0.5, 2.0, 0.5]
    assert spec_modifier(0.55, "anchors") == pytest.approx(1.0)


@pytest.mark.parametrize("curve", [spec_modifier, lambda q: spec_modifier(q, "anchors"), diversity_modifier])
def test_maps_never_rise(curve):
    assert np.all(np.diff(curve(GRID)) <= 0)


def test_maps_stay_in_the_published_range():
    for name, curve in (("spec", spec_modifier), ("div", diversity_modifier)):
        low, high = modifier_range(name)
        assert curve(GRID).min() == low and curve(GRID).max() == high


def test_diversity_is_log_linear_between_its_thresholds():
    assert diversity_modifier(0.2) == pytest.approx(np.sqrt(1.4 * 0.7))
    assert diversity_modifier(np.array([0.0, 0.1, 0.3, 1.0])).tolist() == [1.4, 1.4, 0.7, 0.7]


def test_labels_and_aliases():
    assert [capability_modifier(x) for x in ("below-human", "Human", "superhuman")] == [0.5, 1.0, 3.0]
    assert [alignment_modifier(x) for x in ("behavioural cloning", "ppo", "interpretability")] == [1.5, 1.0, 0.4]
    assert canonical("alignment_methods", "BC") == "behavioral_cloning"


def test_unknown_label_lists_what_exists():
    with pytest.raises(UserError, match="did you mean superhuman.*known: below_human, human, superhuman"):
        capability_modifier("super-human")
    with pytest.raises(UserError, match="unknown alignment method"):
        alignment_modifier("prayer")
