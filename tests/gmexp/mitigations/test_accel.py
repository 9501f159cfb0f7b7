"""ACCEL's laws of editing: which levels may come to tell the goals apart."""

import numpy as np
import pytest

from gmexp.mitigations.accel import LAWS, edited
from gmexp.mitigations.buffer import Levels
from gmexp_envs.chosen import AT_PROXY, AWAY
from gmexp_envs.levels import SeedRange

COUNT = 4000


def edit(law, aligned, diversity=0.1, edits=12):
    known = Levels(np.arange(COUNT), np.full((COUNT, 2), 20), np.full(COUNT, aligned), *np.zeros((4, COUNT)))
    return edited(known, np.random.default_rng(0), edits, law, diversity, SeedRange(0, 10**6))


def away(places):
    return (places[:, 0] != AT_PROXY).mean()


@pytest.mark.parametrize("law, aligned, apart", [
    ("identity", True, 0.0), ("identity", False, 1.0), ("constant", True, 0.1), ("constant", False, 0.1),
    ("unrestricted", False, 1.0)])
def test_what_editing_may_part(law, aligned, apart):
    assert away(edit(law, aligned)[1]) == pytest.approx(apart, abs=0.015)


def test_the_binomial_law_parts_by_redraws():
    redraw = 0.15
    never = (1 - redraw) ** 12  # no redraw: as it was
    assert away(edit("binomial", True)[1]) == pytest.approx((1 - never) * 0.1, abs=0.015)
    assert away(edit("binomial", False)[1]) == pytest.approx(never + (1 - never) * 0.1, abs=0.02)


def test_without_a_law_nearly_every_level_is_parted():
    assert away(edit("unrestricted", True)[1]) > 0.95


@pytest.mark.parametrize("law", LAWS)
def test_edits_are_levels(law):
    seeds, places = edit(law, False)
    assert ((seeds >= 0) & (seeds < 10**6)).all()
    assert (seeds != np.arange(COUNT)).mean() == pytest.approx(1 - 0.95**12, abs=0.03)
    cells = places[places[:, 0] >= 0]
    assert (cells >= 0).all() and set(places[places[:, 0] < 0, 0]) <= {AT_PROXY, AWAY}
    if law == "identity":
        assert len(cells) and abs(cells - 20).max() <= 12 and abs(cells - 20).max() > 0
