"""The one exception a user's mistake may raise; the command line prints its message as a single line."""

from __future__ import annotations

import difflib
from collections.abc import Sequence


class UserError(ValueError):
    """Something the user can put right. The message says what is wrong and what would be right."""


def first_line(error: BaseException) -> str:
    """The first line of an error's message, or its type where it has none."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def nearest(word: str, known: Sequence[str]) -> str:
    """' (did you mean X?)' for the known word closest to `word`, or nothing when none is close."""
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f" (did you mean {close[0]}?)" if close else ""
