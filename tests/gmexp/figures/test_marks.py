"""The shapes that figures are made of."""

import re
from urllib.parse import unquote

import pytest
from matplotlib.figure import Figure

from gmexp.figures import marks, style
from gmexp.figures.marks import beside, dodge, run_dots, run_row, values
from gmexp.rates.intervals import Mean
from gmexp.rates.over_runs import Rate, RunRate

RATE = Rate(0.5, 0.2, 0.8, None, None, None, None, 2, (
    RunRate("a", 1, 4, 0.25, 0.1, 0.6), RunRate("b", 3, 4, 0.75, 0.4, 0.9), RunRate("c", 0, 0, None, None, None)))
MEAN = Mean(0.5, 0.2, 0.8, (0.25, None, 0.75))


@pytest.mark.parametrize("conditions", [1, 3, 9])
def test_conditions_stay_within_their_column(conditions):
    offsets = [dodge(i, conditions) for i in range(conditions)]
    assert max(map(abs, offsets)) <= 0.31 and offsets == sorted(offsets)
    assert sum(offsets) == pytest.approx(0)


def test_runs_stand_side_by_side_about_their_place():
    assert beside([0.1]).tolist() == [0] and beside([0.1, 0.2], 0.05).tolist() == [-0.05, 0.05]


@pytest.mark.parametrize("quantity", [RATE, MEAN], ids=["rate", "mean"])
def test_a_quantity_is_its_runs_mean_and_interval(quantity):
    assert values(quantity) == [0.25, 0.75]
    axis = Figure().subplots()
    run_dots(axis, 1.0, quantity, "black")
    assert axis.lines[0].get_xydata().tolist() == [[1.0, 0.2], [1.0, 0.8]]
    dots, mean = (collection.get_offsets().tolist() for collection in axis.collections)
    assert dots == [[pytest.approx(0.93), 0.25], [pytest.approx(1.07), 0.75]] and mean == [[1.0, 0.5]]
    run_row(axis, 2.0, quantity, "black")
    assert axis.lines[1].get_xydata().tolist() == [[0.2, 2.0], [0.8, 2.0]]


def test_what_is_unknown_is_not_drawn():
    axis = Figure().subplots()
    for mark in (run_dots, run_row):
        mark(axis, 0.0, Mean(None, None, None, (None,)), "black")
    assert not axis.lines and not axis.collections


def test_marks_lead_to_their_runs_on_pages_and_nowhere_in_files():
    figure, ((axis,),) = style.canvas(2, 2, 1)
    marks.run_dots(axis, 0, RATE, "#000000")
    marks.run_dots(axis, 1, Mean(0.5, 0.4, 0.6, (None, 0.5)), "#000000", ("r3", "r4"))
    marks.run_dots(axis, 2, Mean(0.5, 0.4, 0.6, (0.5, 0.5)), "#000000")  # nobody says whose they are
    links = re.findall(r'<a xlink:href="([^"]*)"', style.linked(figure))
    assert links == ["#run-a", "#run-b", "#run-r4"]
    assert b"<a " not in style.saved(figure, "svg")
    assert re.findall(r'<a xlink:href="([^"]*)"', style.linked(figure)) == links  # a page may come after the files


@pytest.mark.parametrize("condition", ["delta=0", "delta=0.3, env=boat_race", "a/b #1 (ü), \"x\""])
def test_a_condition_has_an_address_that_finds_its_anchor(condition):
    address, anchor = marks.condition_address(condition), marks.condition_anchor(condition)
    assert unquote(address) == f"#{anchor}" and " " not in anchor
    assert address.isascii() and not set(address) & set('"<>\' ()')
