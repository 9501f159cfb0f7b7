"""Overrides as Hydra users type them: which are files of groups, which are values, and what a value's text means."""

from __future__ import annotations

import dataclasses
import re
import sys
import typing
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from gmexp.support.conf import NONE, choices
from gmexp.support.errors import UserError, first_line
from gmexp.support.groups import Folders, checked, groups, spelled
from gmexp.support.schemas import current_name, is_variant, mapping_of
from gmexp.support.text import NotPlain, as_path, as_value

__all__ = ["FILES", "RENAMED", "Given", "in_hydras_words", "one_line", "present", "split", "value"]

PATHS = ("out", "run", "study", "studies", "results", "counts", "reuse", "demonstrator")  # keys: `~` is the user's folder
RUN_DIRS = ("hydra.run.dir", "hydra.sweep.dir")  # where Hydra users say that results go
FILES = {"calibrate": "calibration.json"}  # verbs whose `out` is a file
PREFIXES = ("++", "+", "~")
RENAMED = {"gate": "threshold"}  # keys of earlier versions, which are read with a line of notice


@dataclass
class Given:
    """Overrides by what they are: files of groups, variants that no file describes, and values."""

    chosen: list[str] = field(default_factory=list)
    outside: dict[str, str] = field(default_factory=dict)
    values: list[tuple[str, str, str]] = field(default_factory=list)  # sign, key, text

    @staticmethod
    def of(verb: str, schema: type, overrides: Sequence[str], folders: Folders) -> Given:
        known_groups, given = groups(verb), Given()
        for item in overrides:
            sign, key, text = split(item)
            if key in RUN_DIRS:
                if not any(f.name == "out" for f in dataclasses.fields(schema)):
                    raise UserError(f"gmexp {verb} has no output folder of its own to set by {key}: what it writes goes "
                                    "beside what it reads")
                key, text = "out", f"{text}/{FILES[verb]}" if verb in FILES else text
            elif key.startswith(("hydra.", "hydra/")):
                raise UserError(f"there is no key '{key}': of Hydra's own settings {RUN_DIRS[0]}=... says where results go, "
                                "and launcher=... who computes them")
            if key not in known_groups:
                given.values.append((sign, key, text))
                continue
            if sign == "~":
                text = _nothing_of(key)
            text = spelled(key, current_name(schema, key, text))
            choice = folders.choice(key, text)
            if choice is None and is_variant(schema, key):
                given.outside[key] = text
            else:
                given.chosen.append(f"{key}={checked(key, choice or text, folders)}")
        return given

    def for_hydra(self, folders: Folders) -> list[str]:
        return [*self.chosen, *(f"~{key}" for key in self.outside), *folders.search_path]


def _nothing_of(group: str) -> str:
    """The file of a group that stands for leaving it out."""
    if NONE not in choices(group):
        raise UserError(f"~{group}: it cannot be left out; choose one of {', '.join(choices(group))}")
    return NONE


def in_hydras_words(content: Any) -> str:
    """A value in the notation of Hydra's overrides."""
    if content is None:
        return "null"
    if isinstance(content, bool):
        return str(content).lower()
    if isinstance(content, dict):
        return "{" + ",".join(f"{key}:{in_hydras_words(item)}" for key, item in content.items()) + "}"
    if isinstance(content, list):
        return "[" + ",".join(map(in_hydras_words, content)) + "]"
    if isinstance(content, str):
        return "'" + re.sub(r"(\\*)'", r"\1\1\\'", re.sub(r"(\\+)$", r"\1\1", content)) + "'"
    return repr(content)


def split(item: str) -> tuple[str, str, str]:
    """("", "+", "++" or "~", key, text) of an override."""
    sign = next((prefix for prefix in PREFIXES if item.startswith(prefix)), "")
    key, separator, text = item.removeprefix(sign).partition("=")
    if sign == "~":
        return sign, key, text
    if not separator or not key:
        raise UserError(f"'{item}' is not of the form key=value")
    if not text:
        raise UserError(f"{key}= lacks a value")
    return sign, present(key), text


def present(key: str) -> str:
    """What a key is called now."""
    if key in RENAMED:
        print(f"{key} is called {RENAMED[key]} now", file=sys.stderr)
    return RENAMED.get(key, key)


def one_line(error: BaseException) -> str:
    """The first line of an error's message, with the key it is about."""
    if isinstance(error, OmegaConfBaseException) and error.msg:
        first = error.msg.strip().splitlines()[0]
        return f"{error.full_key}: {first}" if error.full_key and error.full_key not in first else first
    return first_line(error)


# --- values -----------------------------------------------------------------------------------------------------------

def value(key: str, text: str, known: dict[str, Any]) -> Any:
    """What a text means for a key (`gmexp.support.text`); mappings, and lists of them, are in Hydra's notation."""
    kind = known.get(key, Any)
    if key not in known and (mapping := mapping_of(key, known)) is not None:
        kind = typing.get_args(mapping)[1]
    try:
        parsed = as_value(kind, text)
    except NotPlain:
        parsed = _hydra_value(key, text)
    except ValueError as error:
        several = "; gmexp run -m takes several" if "," in text else ""
        raise UserError(f"{key}={text}: {error}{several}") from error
    if key.rsplit(".", 1)[-1] in PATHS:
        return [*map(as_path, parsed)] if isinstance(parsed, list) else parsed and as_path(parsed)
    return parsed


def _hydra_value(key: str, text: str) -> Any:
    try:
        parsed = OverridesParser.create().parse_override(f"{key}={text}")
        if not parsed.is_sweep_override():
            return parsed.value()
    except (HydraException, RecursionError) as error:
        raise UserError(f"{key}={text} is not a value: {one_line(error)}") from error
    raise UserError(f"{key}={text} is not one value: a list is [1,2], and gmexp run -m takes several")
