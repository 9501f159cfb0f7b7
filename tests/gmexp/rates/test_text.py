"""Texts are what readers expect, character by character."""

from types import SimpleNamespace

import pytest

from gmexp.rates import text


@pytest.mark.parametrize("shift, expected", [
    ((0, "in_distribution", 0.0, False), "0 in distribution"),
    ((0, "in_distribution", 0.0, True), "0 in distribution (probe)"),
    ((3, "significant", 1.0, False), "3 significant"), ((3, "significant", 0.25, True), "3 significant at 0.25 (probe)"),
    ((4, "extreme", None, False), "4 extreme")])
def test_shifts(shift, expected):
    assert text.shift_text(*shift) == expected
    row = SimpleNamespace(**dict(zip(("shift_type", "shift_name", "grade", "probe"), shift, strict=True)))
    assert text.shift_label(row) == expected


def test_quantities():
    assert text.triple(0.834, 0.706, 0.91) == "0.83 [0.71, 0.91]"
    assert text.triple(0.03, -0.02, 0.08, signed=True) == "+0.03 [-0.02, +0.08]"
    assert text.triple(None, None, None) == text.interval(None, 0.5) == "-"
    assert text.triple(0.5, None, None) == "0.50" and text.triple(0.5, 0.4, 0.6, digits=1) == "0.5 [0.4, 0.6]"
    assert text.quantity(SimpleNamespace(mean=0.5, low=0.4, high=0.6)) == "0.50 [0.40, 0.60]"


def test_a_table_lines_up():
    assert text.table(("name", "n"), [("a", 5), ("longer", None)], right=(1,)) == (
        "name    n\n------  -\na       5\nlonger  -")
    assert text.table(("a", "b"), [("x", "y")], rule=False) == "a  b\nx  y"
