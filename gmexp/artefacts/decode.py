"""JSON's plain values as typed records, the inverse of `plain`: every field is there, of its type, finite."""

from __future__ import annotations

import collections.abc
import dataclasses
import enum
import math
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from gmexp.artefacts.io import read_json
from gmexp.support.errors import UserError, first_line

__all__ = ["decode", "read_record"]

T = TypeVar("T")
WORDS = {str: "text", bool: "true or false", int: "a whole number", float: "a number", type(None): "null"}


def read_record(path: Path | str, kind: type[T]) -> T:
    """The record of a type in a JSON file; its provenance, and nothing else, may stand beside it."""
    content = read_json(path)
    return decode(kind, {key: value for key, value in content.items() if key != "provenance"}, str(path))


def decode(kind: Any, value: Any, where: str, extra: bool = False) -> Any:
    """`value` as `kind`: a dataclass, an enum, Literal, X | None, list, tuple, dict, or a plain type.

    UserError that names the place, from `where` on, and what it should be. Fields with a default may be absent; with
    `extra`, keys that the outermost record does not have are passed over.
    """
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any or kind is object:
        return value
    if dataclasses.is_dataclass(kind):
        return _record(kind, value, where, extra)
    if origin in (typing.Union, types.UnionType):
        return _one_of(arguments, value, where)
    if origin is typing.Literal:
        if not any(value == option and type(value) is type(option) for option in arguments):
            raise _wrong(where, f"one of {', '.join(map(str, arguments))}", value)
        return value
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return _enum(kind, value, where)
    if (origin or kind) in (list, tuple, collections.abc.Sequence, frozenset, set):
        return _several(origin or kind, arguments, value, where)
    if (origin or kind) in (dict, collections.abc.Mapping):
        if not isinstance(value, Mapping):
            raise _wrong(where, "an object", value)
        return {_key(arguments, key, where): decode(arguments[1] if arguments else Any, item, f"{where}: {key}")
                for key, item in value.items()}
    return _plain(kind, value, where)


def _record(kind: type, value: Any, where: str, extra: bool) -> Any:
    if not isinstance(value, Mapping):
        raise _wrong(where, "an object", value)
    hints = typing.get_type_hints(kind)
    known = {field.name: field for field in dataclasses.fields(kind) if field.init}
    required = [name for name, field in known.items()
                if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING]
    if missing := [name for name in required if name not in value]:
        raise UserError(f"{where} lacks {', '.join(missing)}")
    if not extra and (unknown := [key for key in value if key not in known]):
        raise UserError(f"{where} has {unknown[0]!r}, which nobody knows; known are {', '.join(known)}")
    fields = {name: decode(hints[name], value[name], f"{where}: {name}") for name in known if name in value}
    try:
        return kind(**fields)
    except UserError as error:
        raise UserError(f"{where}: {error}") from error
    except ValueError as error:
        raise UserError(f"{where}: {first_line(error)}") from error


def _one_of(options: tuple[Any, ...], value: Any, where: str) -> Any:
    if value is None and type(None) in options:
        return None
    options = tuple(option for option in options if option is not type(None))
    for position, option in enumerate(options, start=1):
        try:
            return decode(option, value, where)
        except UserError:
            if position == len(options):
                raise
    raise AssertionError("a union has options")


def _enum(kind: type[enum.Enum], value: Any, where: str) -> enum.Enum:
    try:
        return kind(value)
    except (ValueError, TypeError) as error:
        raise _wrong(where, f"one of {', '.join(str(option.value) for option in kind)}", value) from error


def _several(kind: Any, arguments: tuple[Any, ...], value: Any, where: str) -> Any:
    if not isinstance(value, list | tuple):
        raise _wrong(where, "a list", value)
    fixed = kind is tuple and arguments and arguments[-1] is not Ellipsis
    if fixed and len(value) != len(arguments):
        raise _wrong(where, f"{len(arguments)} values", value)
    kinds = arguments if fixed else [arguments[0] if arguments else Any] * len(value)
    items = [decode(each, item, f"{where}[{position}]") for position, (each, item) in
             enumerate(zip(kinds, value, strict=True))]
    return items if kind in (list, collections.abc.Sequence) else kind(items)


def _key(arguments: tuple[Any, ...], key: Any, where: str) -> Any:
    """A key of an object, which JSON writes as text, as its type."""
    kind = arguments[0] if arguments else Any
    if kind in (int, float) and isinstance(key, str):
        try:
            return kind(key)
        except ValueError as error:
            raise _wrong(f"{where}, key {key!r}", WORDS[kind], key) from error
    return key


def _plain(kind: Any, value: Any, where: str) -> Any:
    if kind is float and type(value) in (int, float):
        if not math.isfinite(value):
            raise _wrong(where, "a finite number", value)
        return float(value)
    if kind in WORDS and type(value) is kind:
        return value
    if kind not in WORDS:
        raise TypeError(f"{where}: {kind} has no place in a record")
    raise _wrong(where, WORDS[kind], value)


def _wrong(where: str, expected: str, value: Any) -> UserError:
    shown = repr(value)
    return UserError(f"{where} should be {expected}, not {shown if len(shown) <= 60 else shown[:57] + '...'}")
