"""key=value parsing: right values, one-line errors that say what is right."""

import pytest

from gmexp.cli.options import Command, Option, boolean, choice, either, number, shift_type, text, whole
from gmexp.support.errors import UserError, nearest

COMMAND = Command(
    "demo", "a demonstration",
    (Option("shift", whole(0, 4), None, "shift type", required=True), Option("rate", number(0, 1), 0.5, "a rate"),
     Option("mode", choice("fast", "slow"), "fast", "speed"), Option("strict", boolean(), False, "be strict"),
     Option("path", text(), None, "a path")),
    "gmexp demo shift=1")


def test_values_and_defaults():
    assert COMMAND.parse(["shift=3", "strict=yes", "path=a=b"]) == {
        "shift": 3, "rate": 0.5, "mode": "fast", "strict": True, "path": "a=b"}


@pytest.mark.parametrize("args, fragment", [
    (["shift=5"], "a whole number from 0 to 4"),
    (["shift=1.5"], "a whole number from 0 to 4"),
    (["shift=1", "rate=nan"], "a number from 0 to 1"),
    (["shift=1", "rate=inf"], "a number from 0 to 1"),
    (["shift=1", "rate=-0.1"], "a number from 0 to 1"),
    (["shift=1", "mode=quick"], "one of fast, slow"),
    (["shift=1", "strict=perhaps"], "true or false"),
    (["shift=1", "path="], "expected text"),
    (["shift=1", "shift=2"], "given twice"),
    (["shfit=1"], "did you mean shift?"),
    (["shift"], "not key=value"),
    ([], "shift is missing"),
])
def test_errors_are_one_line_and_say_what_is_right(args, fragment):
    with pytest.raises(UserError) as caught:
        COMMAND.parse(args)
    assert fragment in str(caught.value)
    assert "\n" not in str(caught.value)


def test_help_lists_every_key_and_the_example(capsys):
    assert COMMAND.parse(["shift=9", "--help"]) is None
    shown = capsys.readouterr().out
    assert all(option.key in shown for option in COMMAND.options)
    assert "gmexp demo shift=1" in shown and "required" in shown


def test_nearest_stays_silent_when_nothing_is_close():
    assert nearest("zzzz", ["shift", "mode"]) == ""


@pytest.mark.parametrize("typed, means", [("0", 0), ("none", 0), ("3", 3), ("significant", 3), ("EXTREME", 4)])
def test_a_shift_has_a_number_and_a_name(typed, means):
    assert shift_type().read(typed) == means
    assert either("all", shift_type()).read(typed) == means and either("all", shift_type()).read("all") == "all"


@pytest.mark.parametrize("typed", ["5", "-1", "1.5", "sideways", ""])
def test_no_other_shift_is_taken(typed):
    with pytest.raises(ValueError):
        shift_type().read(typed)
