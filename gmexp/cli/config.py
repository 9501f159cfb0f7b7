"""Configurations: conf/<verb>.yaml with `key=value` overrides, composed by Hydra, as dataclasses of `gmexp.cli.schema`.

Typing errors, unknown keys and missing values are one-line `UserError`s.
"""

from __future__ import annotations

import copy
import dataclasses
import difflib
import logging
import typing
from collections.abc import Callable, Sequence
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from gmexp.cli.help import config_folder
from gmexp.cli.schema import SCHEMAS
from gmexp.support.errors import UserError, first_line
from gmexp.support.text import NotPlain, as_path, as_value
from gmexp_envs.coinrun.task import PHYSICS

PATHS = ("out", "run", "study", "studies", "results", "counts", "reuse", "demonstrator")  # keys: `~` is the user's folder

for _verb, _schema in SCHEMAS.items():
    ConfigStore.instance().store(name=f"{_verb}_schema", node=_schema)


def load(verb: str, overrides: Sequence[str]) -> Any:
    """The configuration of a stage: conf/<verb>.yaml with `overrides` applied, as its dataclass."""
    logging.getLogger("hydra").setLevel(logging.ERROR)
    known_groups, kinds = groups(verb), keys(SCHEMAS[verb])
    chosen, given, sealed = [], {}, _Sealed()
    for item in overrides:
        key, separator, text = item.partition("=")
        if not separator:
            raise UserError(f"'{item}' is not of the form key=value")
        if key not in kinds:
            raise UserError(_unknown(key, list(kinds)))
        if not text:
            raise UserError(f"{key}= lacks a value")
        if key in known_groups:
            _check_choice(key, text)
            chosen.append(item)
        else:
            given[key] = text
    try:
        with initialize_config_dir(str(config_folder()), version_base="1.3", job_name=f"gmexp-{verb}"):
            config = compose(verb, overrides=chosen)
        for key, text in given.items():
            OmegaConf.update(config, key, sealed.seal(value(key, text, kinds)),
                             force_add=typing.get_origin(kinds[key]) is dict)
        missing = sorted(OmegaConf.missing_keys(config))
        if missing:
            raise UserError(f"{missing[0]} is missing: give {missing[0]}=... (see gmexp {verb} --help)")
        return sealed.open(OmegaConf.to_object(config))
    except HydraException as error:
        raise UserError(sealed.open(_explain(verb, error))) from error
    except (OmegaConfBaseException, ValueError) as error:
        raise UserError(sealed.open(_first_line(error))) from error


def value(key: str, text: str, kinds: dict[str, Any]) -> Any:
    """What a text means for a key (`gmexp.support.text`); mappings, and lists of them, are in Hydra's notation."""
    try:
        parsed = as_value(kinds[key], text)
    except NotPlain:
        parsed = _hydra_value(key, text)
    except ValueError as error:
        raise UserError(f"{key}={text}: {error}") from error
    if key.rsplit(".", 1)[-1] in PATHS:
        return [*map(as_path, parsed)] if isinstance(parsed, list) else parsed and as_path(parsed)
    return parsed


def _hydra_value(key: str, text: str) -> Any:
    try:
        parsed = OverridesParser.create().parse_override(f"{key}={text}")
        if not parsed.is_sweep_override():
            return parsed.value()
    except (HydraException, RecursionError) as error:
        raise UserError(f"{key}={text} is not a value: {_first_line(error)}") from error
    raise UserError(f"{key}={text} is not one value: a list is [1,2], and gmexp run -m takes several")


class _Sealed:
    """Texts that OmegaConf would read something into ("${", "???"), while it holds them: each is a word of ours."""

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}

    def seal(self, value: Any) -> Any:
        """`value`, with a word in place of every such text in it."""
        if isinstance(value, str) and ("${" in value or value == "???"):
            return self._texts.setdefault(value, f"text-{len(self._texts)}-of-{id(self)}")
        return _mapped(self.seal, value)

    def open(self, value: Any) -> Any:
        """What was sealed, in its place again."""
        if isinstance(value, str):
            for text, word in self._texts.items():
                value = value.replace(word, text)
            return value
        return _mapped(self.open, value)


def _mapped(change: Callable[[Any], Any], value: Any) -> Any:
    """A config's value with its parts changed; dataclasses in place, as their own checks have passed."""
    if dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            before = getattr(value, field.name)
            if (after := change(before)) is not before:
                object.__setattr__(value, field.name, after)
        return value
    if isinstance(value, dict):
        return {change(key): change(item) for key, item in value.items()}
    return [change(item) for item in value] if isinstance(value, list) else value


def keys(schema: type, prefix: str = "") -> dict[str, Any]:
    """The dotted keys of a schema and their types; those of groups and of the physics with them."""
    found: dict[str, Any] = {}
    for name, kind in typing.get_type_hints(schema).items():
        found[prefix + name] = kind
        if dataclasses.is_dataclass(kind):
            found |= keys(kind, f"{prefix}{name}.")
        elif name == "physics":
            found |= {f"{prefix}{name}.{part}": float for part in PHYSICS}
    return found


def override(config: Any, changes: dict[str, Any]) -> Any:
    """A copy of a config dataclass with dotted keys changed in their order, checked against its schema.

    A group of files in conf/ is changed as a whole by the name of a file: {"env": "coinrun"}.
    """
    known, sealed = keys(type(config)), _Sealed()
    node = OmegaConf.structured(sealed.seal(copy.deepcopy(config)))
    try:
        for key, changed in changes.items():
            if key not in known:
                raise UserError(_unknown(key, list(known)))
            if dataclasses.is_dataclass(known[key]) and isinstance(changed, str):
                _check_choice(key, changed)
                with initialize_config_dir(str(config_folder()), version_base="1.3", job_name="gmexp"):
                    changed = compose(f"{key}/{changed}")[key]
            OmegaConf.update(node, key, sealed.seal(changed))
        return sealed.open(OmegaConf.to_object(node))
    except (OmegaConfBaseException, ValueError) as error:
        raise UserError(sealed.open(_first_line(error))) from error


def groups(verb: str) -> list[str]:
    """The groups of files in conf/ that a verb composes."""
    entries = OmegaConf.to_container(OmegaConf.load(config_folder() / f"{verb}.yaml"))["defaults"]
    return [group for entry in entries if isinstance(entry, dict) for group in entry]


def choices(group: str) -> list[str]:
    """The files of a group."""
    return sorted(p.stem for p in (config_folder() / group).glob("*.yaml"))


def _check_choice(group: str, name: str) -> None:
    if name not in choices(group):
        raise UserError(f"there is no {group}={name}: choose one of {', '.join(choices(group))}")


# --- one line for what is wrong ---------------------------------------------------------------------------------------

def _unknown(key: str, known: Sequence[str]) -> str:
    """One line for a key that does not exist, with the nearest one that does."""
    last = key.rsplit(".", 1)[-1]
    near = [k for k in known if k.rsplit(".", 1)[-1] == last] or difflib.get_close_matches(key, known, 1, 0.5)
    return f"there is no key '{key}'" + (f": did you mean '{near[0]}'?" if near else "")


def _explain(verb: str, error: HydraException) -> str:
    """Hydra's explanation as one line: that of the error below, where Hydra only wraps one."""
    for group in groups(verb):
        if "You must specify" in str(error) and f"'{group}'" in str(error):
            return f"give {group}=..., one of {', '.join(choices(group))}"
    return _first_line(error.__cause__ if isinstance(error.__cause__, OmegaConfBaseException) else error)


def _first_line(error: BaseException) -> str:
    """The first line of an error's message, with the key it is about."""
    if isinstance(error, OmegaConfBaseException) and error.msg:
        first = error.msg.strip().splitlines()[0]
        return f"{error.full_key}: {first}" if error.full_key and error.full_key not in first else first
    return first_line(error)
