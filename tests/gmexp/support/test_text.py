"""Text becomes values in one place, and stands as it is where text is wanted."""

from typing import Any

import pytest

from gmexp.support.errors import UserError
from gmexp.support.text import NotPlain, as_path, as_plain_name, as_value, split_list

PATHS = ["ü/日本 (1)", "a#b", "a=b", "a,b", "it's", 'a "b"', "${x}", "???", "[a", "{a}", "~x", "a\\b", "range(3)", "null "]


@pytest.mark.parametrize("text", PATHS)
def test_paths_are_never_parsed(text):
    assert as_value(str, text) == as_value(str | None, text) == text
    assert as_value(list[str], f"['{text}']" if "'" not in text else f'["{text}"]') == [text]


@pytest.mark.parametrize(("kind", "text", "value"), [
    (int, "1e6", 10**6), (int, "-3", -3), (int, "1_000", 1000), (float, "1e-3", 0.001), (bool, "True", True),
    (bool, "no", False),
    (int | None, "null", None), (str | None, "null", None), (str, "null", "null"), (list[int], "[1, 2,3]", [1, 2, 3]),
    (list[float], "0.5", [0.5]), (list[str], "[a,'b,c',\"d\"]", ["a", "b,c", "d"]), (list[str], "a,b", ["a,b"]),
    (list[int], "[]", [])])
def test_values(kind, text, value):
    assert as_value(kind, text) == value


@pytest.mark.parametrize(("kind", "text"), [
    (int, "1.5"), (int, "nan"), (int, "1e400"), (int, "9" * 19 + "0"), (int, "9" * 5000), (float, "inf"), (float, "1e999"),
    (bool, "2"), (list[int], "[1,"), (list[int], "[a]"), (int, "")])
def test_what_is_no_value_is_said_in_words(kind, text):
    with pytest.raises(ValueError, match="expected|beyond|list|bracket"):
        as_value(kind, text)
    with pytest.raises(NotPlain):
        as_value(dict[str, Any], "{a:1}")


def test_only_a_leading_tilde_is_the_users_folder(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    assert [as_path(text) for text in ("~", "~/a", "a/~", "./~/a")] == ["/home/me", "/home/me/a", "a/~", "./~/a"]
    assert split_list("[ 'a b' , c ]") == ["a b", "c"]


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "/x", "a/b", "a\\b", ".hidden", "a\0b", "a\nb", "C:",
                                  "x" * 300, "\ud800",
                                  None, 3])
def test_names_that_lead_elsewhere_are_refused(name):
    with pytest.raises(UserError, match="cannot be a run's id"):
        as_plain_name(name, "a run's id")
    assert as_plain_name("coinrun-ppo-d0.3-s0-ab12", "a run's id") == "coinrun-ppo-d0.3-s0-ab12"
