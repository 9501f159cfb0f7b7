"""Tables in memory: what goes in comes out, and nothing is turned into something else on the way."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmexp.artefacts.table import Column, Table, column_of

VALUES = {"int64": st.integers(-2**63 + 1, 2**63 - 1), "double": st.floats(allow_nan=False, allow_infinity=False),
          "string": st.text(max_size=5), "bool": st.booleans()}


@given(st.sampled_from([*VALUES]).flatmap(lambda kind: st.tuples(st.just(kind), st.lists(st.none() | VALUES[kind]))))
def test_values_come_out_as_they_went_in(given):
    kind, values = given
    column = column_of(values, kind)
    assert column.to_pylist() == values and len(column) == len(values) and column.null_count == values.count(None)
    assert [column[row] for row in range(len(values))] == values
    assert column.equals(column_of(values, kind)) and not column.equals(column_of([*values, None], kind))


@pytest.mark.parametrize("values, kind, error", [
    ([1.5], "int64", TypeError), (["1"], "int64", TypeError), ([True], "int64", TypeError), ([1], "string", TypeError),
    ([1], "bool", TypeError), ([2**63], "int64", OverflowError), (np.array([2**63], np.uint64), "int64", OverflowError),
    ([[1, None]], "list<int64>", TypeError), ([["a"]], "list<int64>", TypeError), (["a", 1], "string", TypeError)])
def test_what_does_not_fit_is_refused(values, kind, error):
    with pytest.raises(error):
        column_of(values, kind)


def test_numbers_are_taken_where_nothing_is_lost():
    assert column_of(np.array([1.0, np.nan]), "int64").to_pylist() == [1, None]
    assert column_of(np.array([1, 2], np.uint8), "double").to_pylist() == [1.0, 2.0]
    assert column_of(np.ma.masked_array([1, 2], [True, False]), "int64").to_pylist() == [None, 2]
    assert np.isnan(column_of([np.nan], "double", nullable=False).values).all()  # for whoever checks the column to refuse
    assert column_of(Column("int64", np.array([1])), "double").to_pylist() == [1.0]


def test_arrays_say_what_is_missing():
    column = column_of([3, None], "int64")
    assert column.fill_null(-1).tolist() == [3, -1] and column.fill_null(-1).dtype == np.int64
    assert np.isnan(column.to_numpy()[1]) and column_of(["a", None], "string").to_numpy().tolist() == ["a", None]


@given(st.lists(st.lists(st.integers(-9, 9), max_size=3), max_size=9), st.data())
def test_rows_of_lists_are_taken(lists, data):
    column = column_of(lists, "list<int64>")
    rows = data.draw(st.lists(st.integers(0, len(lists) - 1))) if lists else []
    assert column.take(np.array(rows, np.int64)).to_pylist() == [lists[row] for row in rows]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.none() | st.integers(0, 2), st.booleans())))
def test_groups_are_those_of_a_plain_loop(rows):
    table = Table({"letter": column_of([row[0] for row in rows], "string"),
                   "number": column_of([row[1] for row in rows], "int64")})
    expected: dict = {}
    for letter, number, flag in rows:
        expected[letter, number] = expected.get((letter, number), 0) + flag
    found = table.sums(["letter", "number"], {"set": np.array([row[2] for row in rows], bool)})
    assert [(row["letter"], row["number"], row["set"]) for row in found] == [(*key, n) for key, n in expected.items()]


def test_a_table_is_changed_by_making_another():
    table = Table.from_pylist([{"a": 1, "b": "x"}, {"a": 2, "b": None}])
    assert table.column_names == ["a", "b"] and table.num_rows == 2
    assert table.filter(np.array([False, True])).to_pylist() == [{"a": 2, "b": None}]
    assert table.drop_columns(["a"]).rename_columns(["c"]).to_pydict() == {"c": ["x", None]}
    assert table.with_columns({"a": column_of([True, False], "bool")})["a"].type == "bool"
    assert not table.equals(table.drop_columns(["a"])) and table.equals(table.replace_metadata({"k": "v"}))
    assert Table.from_pylist([]).to_pylist() == [] and len(Table({})) == 0


def test_an_array_of_rows_is_lists_of_equal_length():
    column = column_of(np.array([[1, 2], [3, 4], [5, 6]]), "list<int64>")
    assert column.to_pylist() == [[1, 2], [3, 4], [5, 6]] and column[1] == [3, 4]
    with pytest.raises(TypeError):
        column_of(np.array([[0.5]]), "list<int64>")
