"""`key=value` arguments for the light commands (those that need neither Hydra nor torch).

A command declares its options once; parsing, help, suggestions and error messages follow from the declaration.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gmexp.support.conf import SHIFTS
from gmexp.support.errors import UserError, nearest
from gmexp.support.text import as_path, split_list

__all__ = ["Command", "Option", "boolean", "choice", "dispatch", "either", "listing", "number", "place", "shift_type",
           "text", "whole", "wholes"]

HELP = ("--help", "-h", "help")


@dataclass(frozen=True)
class Kind:
    """How to read a value, and how to say what a right value is."""

    expects: str
    read: Callable[[str], Any]


def number(low: float = -math.inf, high: float = math.inf) -> Kind:
    """A finite number within [low, high]."""
    expects = "a number" if math.isinf(low) and math.isinf(high) else (
        f"a number >= {low:g}" if math.isinf(high) else f"a number from {low:g} to {high:g}")

    def read(value: str) -> float:
        x = float(value)
        if not (math.isfinite(x) and low <= x <= high):
            raise ValueError(value)
        return x

    return Kind(expects, read)


def whole(low: int, high: int | None = None) -> Kind:
    """An integer within [low, high]."""

    def read(value: str) -> int:
        n = int(value)
        if n < low or (high is not None and n > high):
            raise ValueError(value)
        return n

    return Kind(f"a whole number >= {low}" if high is None else f"a whole number from {low} to {high}", read)


def shift_type() -> Kind:
    """A shift's type, 0 for none to 4, by its number or by its name: shift=3 and shift=significant are the same."""

    def read(value: str) -> int:
        return SHIFTS.index(value.lower()) if value.lower() in SHIFTS else whole(0, len(SHIFTS) - 1).read(value)

    return Kind(f"a whole number from 0 to {len(SHIFTS) - 1} or one of {', '.join(SHIFTS)}", read)


def either(word: str, kind: Kind) -> Kind:
    """A word of its own, or a value of a kind."""
    return Kind(f"{word}, or {kind.expects}", lambda value: word if value == word else kind.read(value))


def wholes(low: int) -> Kind:
    """A list of integers >= low: [1,2], or one alone."""
    one = whole(low)

    def read(value: str) -> list[int]:
        return [one.read(part) for part in value.removeprefix("[").removesuffix("]").split(",")]

    return Kind(f"whole numbers >= {low}, as in [1,2]", read)


def choice(*options: str) -> Kind:
    """One of the given words."""

    def read(value: str) -> str:
        if value not in options:
            raise ValueError(value)
        return value

    return Kind("one of " + ", ".join(options), read)


def text(expects: str = "text") -> Kind:
    """Any non-empty text."""

    def read(value: str) -> str:
        if not value:
            raise ValueError(value)
        return value

    return Kind(expects, read)


def place(expects: str = "path") -> Kind:
    """A path, taken as it is; `~` is the user's own folder."""
    return Kind(expects, lambda value: as_path(text().read(value)))


def boolean() -> Kind:
    """true or false."""
    words = {"true": True, "false": False, "1": True, "0": False, "yes": True, "no": False}
    return Kind("true or false", lambda value: words[value.lower()])


def listing(kind: Kind) -> Kind:
    """One or more values of a kind: [a,b], a,b or a."""

    def read(value: str) -> list[Any]:
        entries = split_list(value) if value.startswith("[") or kind.expects == "path" else value.split(",")
        if not entries:
            raise ValueError(value)
        return [kind.read(entry if kind.expects == "path" else entry.strip()) for entry in entries]

    return Kind(f"a list such as [a,b] of {kind.expects.removeprefix('a ')}", read)


@dataclass(frozen=True)
class Option:
    """One key: its kind, its default and a line of help."""

    key: str
    kind: Kind
    default: Any
    help: str
    required: bool = False


@dataclass(frozen=True)
class Command:
    """A verb with its options. `parse` returns the values, or None after printing help."""

    verb: str
    summary: str
    options: tuple[Option, ...]
    example: str
    notes: str = ""

    def parse(self, args: Sequence[str]) -> dict[str, Any] | None:
        if any(arg in HELP for arg in args):
            print(self.help())
            return None
        by_key = {option.key: option for option in self.options}
        values: dict[str, Any] = {option.key: option.default for option in self.options}
        seen: set[str] = set()
        for arg in args:
            key, separator, raw = arg.partition("=")
            if not separator:
                raise UserError(f"{self.verb}: {arg!r} is not key=value; for example: {self.example}")
            if key not in by_key:
                raise UserError(f"{self.verb}: unknown key {key!r}{nearest(key, list(by_key))}; "
                                f"known keys: {', '.join(by_key)}")
            if key in seen:
                raise UserError(f"{self.verb}: {key} is given twice")
            seen.add(key)
            option = by_key[key]
            try:
                values[key] = option.kind.read(raw)
            except (ValueError, KeyError, OverflowError):
                raise UserError(f"{self.verb}: {key}={raw!r} is not valid; "
                                f"expected {option.kind.expects}") from None
        missing = [option.key for option in self.options if option.required and option.key not in seen]
        if missing:
            raise UserError(f"{self.verb}: {missing[0]} is missing; for example: {self.example}")
        return values

    def help(self) -> str:
        """Text for --help: summary, every key with its kind and default, an example."""
        width = max((len(option.key) for option in self.options), default=0)
        lines = [f"gmexp {self.verb}: {self.summary}", ""]
        for option in self.options:
            default = ("required" if option.required else
                       "not set" if option.default in (None, ()) else f"default {option.default}")
            lines.append(f"  {option.key:<{width}}  {option.help}; {option.kind.expects} ({default})")
        if self.notes:
            lines += ["", self.notes]
        return "\n".join([*lines, "", f"example: {self.example}"])


def dispatch(args: Sequence[str], verbs: Mapping[str, tuple[Command, Callable[[dict[str, Any]], int]]],
             otherwise: str) -> int:
    """Run the verb that the arguments begin with on its values -> exit code; UserError `otherwise` where there is none."""
    if args and args[0] in HELP:
        print("\n\n".join(command.help() for command, _ in verbs.values()))
        return 0
    if not args or args[0] not in verbs:
        raise UserError(otherwise)
    command, function = verbs[args[0]]
    values = command.parse(args[1:])
    return 0 if values is None else function(values)
