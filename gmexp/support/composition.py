"""Configurations: conf/<verb>.yaml with overrides, composed by Hydra, as plain dataclasses.

What Hydra users type works: key=value, +key, ++key, ~key, group=choice, --config-dir, hydra.run.dir. A group's file may
also be a path (`experiment=./mine.yaml`). Fields marked by `variant` take the schema of what they name: `env=maze` has the
keys of maze's own config, `agent=cloning` those of that trainer. Typing errors, unknown keys and missing values are one-line
`UserError`s.
"""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import logging
import shutil
import sys
import tempfile
import typing
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from gmexp.support.conf import choices, config_folder
from gmexp.support.errors import UserError, first_line
from gmexp.support.text import NotPlain, as_path, as_value

PATHS = ("out", "run", "study", "studies", "results", "counts", "reuse", "demonstrator")  # keys: `~` is the user's folder
RUN_DIR = "hydra.run.dir"
PREFIXES = ("++", "+", "~")
RENAMED = {"gate": "threshold"}  # keys of earlier versions, which are read with a line of notice


def variant(kinds: Callable[[str], type], names: Callable[[], Sequence[str]], current: Callable[[str], str] = str) -> Any:
    """A field whose schema follows from its `name`: `kinds` gives the dataclass of a name, ValueError where there is
    none; `names` are those that there are; `current` gives the present name of an earlier version's."""
    return dataclasses.field(metadata={"variant": kinds, "names": names, "current": current})


# --- composing --------------------------------------------------------------------------------------------------------

def load(verb: str, schema: type, overrides: Sequence[str] = (), searched: Sequence[str] = (),
         name: str | None = None) -> Any:
    """The configuration of a verb: conf/<verb>.yaml, validated by `schema`, with `overrides` applied.

    `searched` are further folders of config files (--config-dir), `name` another file than the verb's (--config-name).
    """
    sealed = _Sealed()
    with _reported(sealed, lambda error: _explain(verb, error, searched)), _Folders(searched) as folders:
        node = _composed(verb, schema, overrides, folders, name or verb, sealed)
        missing = sorted(OmegaConf.missing_keys(node))
        if missing:
            raise UserError(f"{missing[0]} is missing: give {missing[0]}=... (see gmexp {verb} --help)")
        return sealed.open(_as(schema, node))


def override(config: Any, changes: dict[str, Any]) -> Any:
    """A copy of a config dataclass with dotted keys changed in their order, checked against its schema.

    A group of files in conf/ is changed as a whole by the name of a file: {"env": "coinrun"}.
    """
    sealed = _Sealed()
    schema = type(config)
    with _reported(sealed), _Folders() as folders:
        node = OmegaConf.create(sealed.seal(dataclasses.asdict(config)))
        for key, changed in changes.items():
            if key in _choosable(schema) and isinstance(changed, str):
                node[key] = _group(schema, key, changed, folders)
                continue
            known = keys(schema, node)
            if not _exists(key, known):
                raise UserError(unknown(key, list(known)))
            OmegaConf.update(node, key, sealed.seal(changed), force_add=True)
        return sealed.open(_as(schema, node))


def _composed(verb: str, schema: type, overrides: Sequence[str], folders: _Folders, name: str,
              sealed: _Sealed) -> DictConfig:
    """What Hydra composes of the groups that were chosen, and the values that were given."""
    logging.getLogger("hydra").setLevel(logging.ERROR)
    known_groups = groups(verb)
    chosen, outside, given = [], {}, []
    for item in overrides:
        sign, key, text = _split(item)
        if key == RUN_DIR:
            key = "out"
        elif key.startswith(("hydra.", "hydra/")):
            raise UserError(f"there is no key '{key}': of Hydra's own settings {RUN_DIR}=... says where results go, and "
                            "launcher=... who computes them")
        if key in known_groups and sign != "~":
            text = _current(schema, key, text)
            choice = folders.choice(key, text)
            if choice is None and _variant(schema, key):
                outside[key] = text
            else:
                chosen.append(f"{key}={_checked_choice(key, choice or text, folders)}")
        else:
            given.append((sign, key, text))
    hydra = [*chosen, *(f"~{key}" for key in outside), *folders.search_path]
    with initialize_config_dir(str(config_folder()), version_base="1.3", job_name=f"gmexp-{verb}"):
        node = compose(name, overrides=hydra)
    OmegaConf.set_struct(node, False)
    for key, text in outside.items():
        node[key] = _plugged(schema, key, text)
    for old in [key for key in RENAMED if key in node]:
        node[_present(old)] = node.pop(old)
    known = keys(schema, node)
    for sign, key, text in given:
        if not _exists(key, known):
            raise UserError(unknown(key, list(known)))
        if sign == "~":
            _delete(node, key, known)
        else:
            OmegaConf.update(node, key, sealed.seal(value(key, text, known)), force_add=True)
    return node


def _split(item: str) -> tuple[str, str, str]:
    """("", "+", "++" or "~", key, text) of an override."""
    sign = next((prefix for prefix in PREFIXES if item.startswith(prefix)), "")
    key, separator, text = item.removeprefix(sign).partition("=")
    if sign == "~":
        return sign, key, text
    if not separator or not key:
        raise UserError(f"'{item}' is not of the form key=value")
    if not text:
        raise UserError(f"{key}= lacks a value")
    return sign, _present(key), text


def _present(key: str) -> str:
    """What a key is called now."""
    if key in RENAMED:
        print(f"{key} is called {RENAMED[key]} now", file=sys.stderr)
    return RENAMED.get(key, key)


def _delete(node: DictConfig, key: str, known: dict[str, Any]) -> None:
    parent, _, last = key.rpartition(".")
    within = OmegaConf.select(node, parent) if parent else node
    if key in known and typing.get_origin(known.get(parent)) is not dict:
        raise UserError(f"~{key}: a key of the configuration can be set, not deleted")
    if within is None or last not in within:
        raise UserError(f"~{key}: there is nothing to delete")
    del within[last]


def _as(schema: type, node: DictConfig) -> Any:
    """A composed configuration as its schema's dataclass."""
    node = OmegaConf.create(OmegaConf.to_container(node, resolve=True))
    shaped = OmegaConf.structured(schema)
    for name, (kinds, _) in _variants(schema).items():
        if name in node:
            kind = _kind(kinds, name, node[name])
            try:
                node[name] = OmegaConf.merge(OmegaConf.structured(kind), node[name])
            except OmegaConfBaseException as error:
                raise UserError(f"{name}.{one_line(error)}") from error
    return OmegaConf.to_object(OmegaConf.merge(shaped, node))


# --- schemas ----------------------------------------------------------------------------------------------------------

def keys(schema: type, node: DictConfig | None = None, prefix: str = "") -> dict[str, Any]:
    """The dotted keys of a schema and their types. Fields marked by `variant` have the keys of what `node` names there, or
    without one of all that there are."""
    known: dict[str, Any] = {}
    variants = _variants(schema)
    for name, kind in typing.get_type_hints(schema).items():
        known[prefix + name] = kind
        if name in variants:
            kinds, names = variants[name]
            for each in [_kind(kinds, name, node[name])] if node is not None and name in node else map(kinds, names()):
                known |= keys(each, None, f"{prefix}{name}.")
        elif dataclasses.is_dataclass(kind):
            known |= keys(kind, None, f"{prefix}{name}.")
    return known


def _exists(key: str, known: dict[str, Any]) -> bool:
    """Whether a schema has a key, or a mapping that may have it."""
    return key in known or typing.get_origin(known.get(key.rpartition(".")[0])) is dict


def _variants(schema: type) -> dict[str, tuple[Callable[[str], type], Callable[[], Sequence[str]]]]:
    return {f.name: (f.metadata["variant"], f.metadata["names"]) for f in dataclasses.fields(schema)
            if "variant" in f.metadata}


def _variant(schema: type, key: str) -> bool:
    return key in _variants(schema)


def _current(schema: type, key: str, name: str) -> str:
    """The present name of a variant."""
    return next((f.metadata["current"](name) for f in dataclasses.fields(schema)
                 if f.name == key and "current" in f.metadata), name)


def _kind(kinds: Callable[[str], type], field: str, node: Any) -> type:
    if isinstance(node, DictConfig) and isinstance(target := node.get("_target_"), str):  # as Hydra says what to build
        with open_dict(node):
            del node["_target_"]
            node["name"] = ":".join(target.rsplit(".", 1))
    if not isinstance(node, DictConfig) or not isinstance(node.get("name"), str):
        raise UserError(f"{field} is {node!r}: give {field}=... with a name")
    try:
        return kinds(node.name)
    except ValueError as error:
        raise UserError(f"{field}.name = {node.name!r}: {error}") from error


def _plugged(schema: type, key: str, text: str) -> DictConfig:
    """The defaults of a variant that no file in conf/ describes: another package's, by its name or import path."""
    kinds, names = _variants(schema)[key]
    try:
        kind = kinds(text)
    except ValueError as error:
        raise UserError(f"there is no {key}={text}: {error}") from error
    node = OmegaConf.create(OmegaConf.to_container(OmegaConf.structured(kind)))
    node["name"] = text
    return node


# --- groups of files --------------------------------------------------------------------------------------------------

class _Folders:
    """Where config files are found besides conf/: folders that were named, and one for files that were named."""

    def __init__(self, searched: Sequence[str] = ()) -> None:
        self.searched = [Path(as_path(folder)).resolve() for folder in searched]
        self._own: Path | None = None
        for folder in self.searched:
            if not folder.is_dir():
                raise UserError(f"--config-dir {folder}: there is no such folder")

    def __enter__(self) -> _Folders:
        return self

    def __exit__(self, *_: object) -> None:
        if self._own is not None:
            shutil.rmtree(self._own, ignore_errors=True)

    @property
    def all(self) -> list[Path]:
        return [*self.searched, *([self._own] if self._own else [])]

    @property
    def search_path(self) -> list[str]:
        """The override that tells Hydra."""
        quoted = ",".join("'file://" + str(folder).replace("\\", "\\\\").replace("'", "\\'") + "'" for folder in self.all)
        return [f"hydra.searchpath=[{quoted}]"] if self.all else []

    def choice(self, group: str, text: str) -> str | None:
        """The file of a group that a text names, by its name or its path; None where it names none."""
        if text in choices(group, self.all):
            return text
        path = Path(as_path(text))
        if path.suffix not in (".yaml", ".yml") or not path.is_file():
            return None
        if self._own is None:
            self._own = Path(tempfile.mkdtemp(prefix="gmexp-conf-"))
        name = f"file-{len(list(self._own.rglob('*.yaml')))}-{group}"
        target = self._own / group / f"{name}.yaml"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
        return name


def groups(verb: str) -> list[str]:
    """The groups of files in conf/ that a verb composes."""
    entries = OmegaConf.to_container(OmegaConf.load(config_folder() / f"{verb}.yaml"))["defaults"]
    return [group for entry in entries if isinstance(entry, dict) for group in entry]


def _choosable(schema: type) -> set[str]:
    """Fields of a schema that a group of files fills."""
    hints, variants = typing.get_type_hints(schema), _variants(schema)
    return {f.name for f in dataclasses.fields(schema) if (config_folder() / f.name).is_dir()
            and (f.name in variants or dataclasses.is_dataclass(hints[f.name]))}


def _group(schema: type, group: str, text: str, folders: _Folders) -> DictConfig:
    """What a file of a group holds."""
    text = _current(schema, group, text)
    choice = folders.choice(group, text)
    if choice is None and _variant(schema, group):
        return _plugged(schema, group, text)
    _checked_choice(group, choice or text, folders)
    with initialize_config_dir(str(config_folder()), version_base="1.3", job_name="gmexp"):
        return compose(f"{group}/{choice}", overrides=folders.search_path)[group]


def _checked_choice(group: str, name: str, folders: _Folders) -> str:
    known = choices(group, folders.all)
    if name not in known:
        shown = [choice for choice in known if not choice.startswith("file-")]
        raise UserError(f"there is no {group}={name}: choose one of {', '.join(shown)}, or give the path of a .yaml file")
    return name


# --- values -----------------------------------------------------------------------------------------------------------

def value(key: str, text: str, known: dict[str, Any]) -> Any:
    """What a text means for a key (`gmexp.support.text`); mappings, and lists of them, are in Hydra's notation."""
    kind = known.get(key, Any)
    if key not in known and typing.get_origin(mapping := known.get(key.rpartition(".")[0])) is dict:
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


class _Sealed:
    """Texts that OmegaConf would read something into ("${", "???"), while it holds them: each is a word of ours."""

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}

    def seal(self, content: Any) -> Any:
        """`content`, with a word in place of every such text in it."""
        if isinstance(content, str) and ("${" in content or content == "???"):
            return self._texts.setdefault(content, f"text-{len(self._texts)}-of-{id(self)}")
        return _mapped(self.seal, content)

    def open(self, content: Any) -> Any:
        """What was sealed, in its place again."""
        if isinstance(content, str):
            for text, word in self._texts.items():
                content = content.replace(word, text)
            return content
        return _mapped(self.open, content)


def _mapped(change: Callable[[Any], Any], content: Any) -> Any:
    """A config's content with its parts changed; dataclasses in place, as their own checks have passed."""
    if dataclasses.is_dataclass(content):
        for field in dataclasses.fields(content):
            before = getattr(content, field.name)
            if (after := change(before)) is not before:
                object.__setattr__(content, field.name, after)
        return content
    if isinstance(content, dict):
        return {change(key): change(item) for key, item in content.items()}
    return [change(item) for item in content] if isinstance(content, list) else content


# --- one line for what is wrong ---------------------------------------------------------------------------------------

@contextlib.contextmanager
def _reported(sealed: _Sealed, explain: Callable[[HydraException], str] | None = None) -> Iterator[None]:
    """Libraries' complaints as one-line UserErrors."""
    try:
        yield
    except HydraException as error:
        raise UserError(sealed.open((explain or one_line)(error))) from error
    except (OmegaConfBaseException, ValueError) as error:
        raise UserError(sealed.open(one_line(error))) from error


def unknown(key: str, known: Sequence[str]) -> str:
    """One line for a key that does not exist, with the nearest one that does."""
    last = key.rsplit(".", 1)[-1]
    near = [k for k in known if k.rsplit(".", 1)[-1] == last] or difflib.get_close_matches(key, known, 1, 0.5)
    return f"there is no key '{key}'" + (f": did you mean '{near[0]}'?" if near else "")


def _explain(verb: str, error: HydraException, searched: Sequence[str]) -> str:
    """Hydra's explanation as one line: that of the error below, where Hydra only wraps one."""
    for group in groups(verb):
        if "You must specify" in str(error) and f"'{group}'" in str(error):
            known = choices(group, [Path(folder) for folder in searched])
            return f"give {group}=..., one of {', '.join(known)}"
    return one_line(error.__cause__ if isinstance(error.__cause__, OmegaConfBaseException) else error)


def one_line(error: BaseException) -> str:
    """The first line of an error's message, with the key it is about."""
    if isinstance(error, OmegaConfBaseException) and error.msg:
        first = error.msg.strip().splitlines()[0]
        return f"{error.full_key}: {first}" if error.full_key and error.full_key not in first else first
    return first_line(error)
