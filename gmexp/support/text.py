"""The one place where text that a user typed becomes values, and what a text must be to name a file.

Text is never parsed where text is wanted: a path may hold accents, parentheses, `#`, `=`, `,`, `$` and quotes as they are.
Numbers are finite, and whole where whole ones are wanted (1e6 is). Lists are [a,b]; an entry that holds a comma is quoted.
"""

from __future__ import annotations

import math
import os
import re
import types
import typing
from collections.abc import Callable
from typing import Any

from gmexp.support.errors import UserError

__all__ = ["NotPlain", "as_path", "as_plain_name", "as_value", "split_list"]

BOOLEANS = {"true": True, "false": False, "yes": True, "no": False, "on": True, "off": False}
NULL = "null"
WHOLE_LIMIT = 2**63
LONGEST_NAME = 200  # bytes; file systems take 255, and endings are added


class NotPlain(Exception):
    """A kind of value that has a grammar of its own: mappings, and lists of them."""


def as_value(kind: Any, text: str) -> Any:
    """`text` as a value of a type: str, int, float, bool, list of these, or X | None, which `null` leaves unset.

    Raises ValueError that says what is expected, NotPlain for any other type.
    """
    options = typing.get_args(kind) if typing.get_origin(kind) in (typing.Union, types.UnionType) else (kind,)
    optional = type(None) in options
    options = tuple(option for option in options if option is not type(None))
    if optional and text == NULL:
        return None
    if len(options) != 1:
        raise NotPlain(kind)
    (kind,) = options
    if typing.get_origin(kind) is list:
        (inner,) = typing.get_args(kind)
        read = _reader(inner)
        return [read(item) for item in split_list(text)]
    return _reader(kind)(text)


def _reader(kind: Any) -> Callable[[str], Any]:
    readers = {str: str, int: _whole, float: _number, bool: _boolean}
    if kind not in readers:
        raise NotPlain(kind)
    return readers[kind]


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise ValueError(f"expected is a number, not {text!r}") from None
    if not math.isfinite(number):
        raise ValueError(f"expected is a finite number, not {text!r}")
    return number


def _whole(text: str) -> int:
    try:
        number = int(text) if re.fullmatch(r"\s*[+-]?[0-9_]{1,30}\s*", text) else float(text)
    except ValueError:
        raise ValueError(f"expected is a whole number, not {text!r}") from None
    if not math.isfinite(number) or number != int(number):
        raise ValueError(f"expected is a whole number, not {text!r}")
    if not -WHOLE_LIMIT <= number < WHOLE_LIMIT:
        raise ValueError(f"{text.strip()} is beyond 64 bits")
    return int(number)


def _boolean(text: str) -> bool:
    try:
        return BOOLEANS[text.strip().lower()]
    except KeyError:
        raise ValueError(f"expected is true or false, not {text!r}") from None


def split_list(text: str) -> list[str]:
    """The entries of `[a, b]`, or the one entry that a text without brackets is; 'quoted' ones stand as they are.

    ValueError where a quote or a bracket is not closed.
    """
    stripped = text.strip()
    if not stripped.startswith("["):
        return [text]
    if not stripped.endswith("]"):
        raise ValueError(f"{text!r} lacks its closing bracket")
    inside, entries, position = stripped[1:-1], [], 0
    if not inside.strip():
        return []
    while True:
        entry = re.compile(r"""\s*(?:'([^']*)'|"([^"]*)"|([^,]*?))\s*(,|$)""", re.DOTALL).match(inside, position)
        if entry is None:
            raise ValueError(f"{text!r} is not a list: a quote is not closed")
        entries.append(next(part for part in entry.groups()[:3] if part is not None))
        position = entry.end()
        if not entry[4]:
            return entries


def as_path(text: str) -> str:
    """A path as typed, `~` being the user's own folder."""
    return os.path.expanduser(text) if text.startswith("~") else text


def as_plain_name(name: str, what: str) -> str:
    """A name that can be a folder's or a file's and nothing else: no separators, no way up, not hidden.

    Names in files that others made go through here before anything is looked for under them. Raises UserError.
    """
    if (not isinstance(name, str) or not name or name.startswith(".") or re.search(r"[/\\\x00-\x1f\x7f]", name)
            or any("\ud800" <= letter <= "\udfff" for letter in name) or len(name.encode()) > LONGEST_NAME or re.match("[A-Za-z]:$", name[:2])):
        shown = repr(name) if len(repr(name)) <= 60 else f"{repr(name)[:57]}..."
        raise UserError(f"{shown} cannot be {what}: it should be a plain name")
    return name
