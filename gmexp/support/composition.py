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
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from gmexp.support.conf import choices, config_folder
from gmexp.support.errors import UserError
from gmexp.support.groups import Folders, checked, groups
from gmexp.support.overrides import FILES, RENAMED, Given, in_hydras_words, one_line, present, value
from gmexp.support.schemas import current_name, exists, is_variant, keys, kind_of, mapping_of, plugged, variant, variants

__all__ = ["groups", "keys", "load", "override", "plain_overrides", "shown", "stored", "unknown", "value", "variant"]

# --- composing --------------------------------------------------------------------------------------------------------

def load(verb: str, schema: type, overrides: Sequence[str] = (), searched: Sequence[str] = (),
         name: str | None = None) -> Any:
    """The configuration of a verb: conf/<verb>.yaml, validated by `schema`, with `overrides` applied.

    `searched` are further folders of config files (--config-dir), `name` another file than the verb's (--config-name).
    """
    sealed = _Sealed()
    with _reported(sealed, lambda error: _explain(verb, error, searched)), Folders(searched) as folders:
        node, _ = _composed(verb, schema, overrides, folders, name or verb, sealed)
        missing = sorted(OmegaConf.missing_keys(node))
        if missing:
            raise UserError(f"{missing[0]} is missing: give {missing[0]}=... (see gmexp {verb} --help)")
        return sealed.open(_as(schema, node))


def shown(verb: str, schema: type, overrides: Sequence[str] = (), searched: Sequence[str] = (), name: str | None = None,
          what: str = "job", package: str | None = None, resolve: bool = False) -> str:
    """What Hydra's `--cfg job|hydra|all` shows, as YAML: every key, `???` where a value is still to be given.

    `package` is one part of it, `resolve` puts values in place of `${...}`. What `load` would refuse is refused here.
    """
    sealed = _Sealed()
    with _reported(sealed, lambda error: _explain(verb, error, searched)), Folders(searched) as folders:
        job, hydra = _composed(verb, schema, overrides, folders, name or verb, sealed)
        if not OmegaConf.missing_keys(job):
            _as(schema, job.copy())
        merged = _merged(schema, job)
        whole = OmegaConf.create({"hydra": hydra} | {key: merged._get_node(key) for key in merged})
        if resolve:
            OmegaConf.resolve(whole)
        node = whole if what == "all" else OmegaConf.masked_copy(
            whole, [key for key in whole if (key == "hydra") == (what == "hydra")])
        if package in (None, "_global_"):
            return sealed.open(OmegaConf.to_yaml(node))
        if package.partition(".")[0] not in node or (part := OmegaConf.select(whole, package)) is None:
            raise UserError(f"--package {package}: there is no such part of the configuration")
        text = OmegaConf.to_yaml(part) if OmegaConf.is_config(part) else f"{part}\n"
        return sealed.open(f"# @package {package}\n{text}" if OmegaConf.is_config(part) else text)


@contextlib.contextmanager
def plain_overrides(verb: str, schema: type, overrides: Sequence[str], searched: Sequence[str] = ()) -> Iterator[list[str]]:
    """The same overrides as Hydra itself reads them: names of files instead of paths, values in its own notation."""
    with _reported(_Sealed()), Folders(searched) as folders:
        given, known = Given.of(verb, schema, overrides, folders), keys(schema)
        values = [f"~{key}" if sign == "~" else f"++{key}={in_hydras_words(value(key, text, known))}"
                  for sign, key, text in given.values]
        yield [*given.for_hydra(folders), *values]


def override(config: Any, changes: dict[str, Any]) -> Any:
    """A copy of a config dataclass with dotted keys changed in their order, checked against its schema.

    A group of files in conf/ is changed as a whole by the name of a file: {"env": "coinrun"}.
    """
    sealed = _Sealed()
    schema = type(config)
    with _reported(sealed), Folders() as folders:
        node = OmegaConf.create(sealed.seal(dataclasses.asdict(config)))
        for key, changed in changes.items():
            if key in _choosable(schema) and isinstance(changed, str):
                node[key] = _group(schema, key, changed, folders)
                continue
            known = keys(schema, node)
            if not exists(key, known):
                raise UserError(unknown(key, list(known)))
            OmegaConf.update(node, key, sealed.seal(changed), force_add=True)
        return sealed.open(_as(schema, node))


def stored(schema: type, content: Mapping[str, Any]) -> Any:
    """A configuration that an artefact holds, as its schema's dataclass. What is unset in it and unknown to this version
    is passed over. UserError, in a line, where it does not fit."""
    with _reported(_Sealed()):
        node = OmegaConf.create(dict(content))
        for name, (kinds, _) in variants(schema).items():
            if isinstance(node.get(name), DictConfig):
                known = {f.name for f in dataclasses.fields(kind_of(kinds, name, node[name]))}
                for key in [key for key, value in node[name].items() if value is None and key not in known]:
                    del node[name][key]
        return _as(schema, node)


def _composed(verb: str, schema: type, overrides: Sequence[str], folders: Folders, name: str,
              sealed: _Sealed) -> tuple[DictConfig, DictConfig]:
    """What Hydra composes of the groups that were chosen, and the values that were given; and Hydra's own part."""
    logging.getLogger("hydra").setLevel(logging.ERROR)
    chosen = Given.of(verb, schema, overrides, folders)
    with initialize_config_dir(str(config_folder()), version_base="1.3", job_name=f"gmexp-{verb}"):
        node = compose(name, overrides=chosen.for_hydra(folders), return_hydra_config=True)
    OmegaConf.set_readonly(node, False)
    OmegaConf.set_readonly(node.hydra, None)
    OmegaConf.set_struct(node, False)
    hydra = node.pop("hydra")
    for key, text in chosen.outside.items():
        node[key] = plugged(schema, key, text)
    for old in [key for key in RENAMED if key in node]:
        node[present(old)] = node.pop(old)
    known = keys(schema, node)
    for sign, key, text in chosen.values:
        if not exists(key, known):
            raise UserError(unknown(key, list(known)))
        if sign == "~":
            _delete(node, key, known)
        else:
            OmegaConf.update(node, key, sealed.seal(value(key, text, known)), force_add=True)
    hydra.overrides.task = sealed.seal(list(overrides))
    if "out" in known and verb not in FILES:
        hydra.run.dir = hydra.sweep.dir = "${out}"
    return node, hydra


def _delete(node: DictConfig, key: str, known: dict[str, Any]) -> None:
    parent, _, last = key.rpartition(".")
    within = OmegaConf.select(node, parent) if parent else node
    if key in known and mapping_of(key, known) is None:
        raise UserError(f"~{key}: a key of the configuration can be set, not deleted")
    if within is None or last not in within:
        raise UserError(f"~{key}: there is nothing to delete")
    del within[last]


def _as(schema: type, node: DictConfig) -> Any:
    """A composed configuration as its schema's dataclass."""
    return OmegaConf.to_object(_merged(schema, OmegaConf.create(OmegaConf.to_container(node, resolve=True))))


def _merged(schema: type, node: DictConfig) -> DictConfig:
    """A composed configuration with every key and type of its schema."""
    shaped = OmegaConf.structured(schema)
    for name, (kinds, _) in variants(schema).items():
        if name in node:
            kind = kind_of(kinds, name, node[name])
            try:
                node[name] = OmegaConf.merge(OmegaConf.structured(kind), node[name])
            except OmegaConfBaseException as error:
                raise UserError(f"{name}.{one_line(error)}") from error
    return OmegaConf.merge(shaped, node)


def _choosable(schema: type) -> set[str]:
    """Fields of a schema that a group of files fills."""
    hints, named = typing.get_type_hints(schema), variants(schema)
    return {f.name for f in dataclasses.fields(schema) if (config_folder() / f.name).is_dir()
            and (f.name in named or dataclasses.is_dataclass(hints[f.name]))}


def _group(schema: type, group: str, text: str, folders: Folders) -> DictConfig:
    """What a file of a group holds."""
    text = current_name(schema, group, text)
    choice = folders.choice(group, text)
    if choice is None and is_variant(schema, group):
        return plugged(schema, group, text)
    checked(group, choice or text, folders)
    with initialize_config_dir(str(config_folder()), version_base="1.3", job_name="gmexp"):
        return compose(f"{group}/{choice}", overrides=folders.search_path)[group]


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
