"""The one exception a user's mistake may raise; the command line prints its message as a single line."""

from __future__ import annotations


class UserError(ValueError):
    """Something the user can put right. The message says what is wrong and what would be right."""


def first_line(error: BaseException) -> str:
    """The first line of an error's message, or its type where it has none."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
