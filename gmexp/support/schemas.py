"""What keys a configuration has: those of its dataclass, and of the variants that its fields name.

A field marked by `variant` takes the schema of what it names: `env=maze` has the keys of maze's own config, `agent=cloning`
those of that trainer.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Callable, Sequence
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict

from gmexp.support.errors import UserError

__all__ = ["current_name", "exists", "is_variant", "keys", "kind_of", "mapping_of", "plugged", "variant", "variants"]


def variant(kinds: Callable[[str], type], names: Callable[[], Sequence[str]], current: Callable[[str], str] = str) -> Any:
    """A field whose schema follows from its `name`: `kinds` gives the dataclass of a name, ValueError where there is
    none; `names` are those that there are; `current` gives the present name of an earlier version's."""
    return dataclasses.field(metadata={"variant": kinds, "names": names, "current": current})


def keys(schema: type, node: DictConfig | None = None, prefix: str = "") -> dict[str, Any]:
    """The dotted keys of a schema and their types. Fields marked by `variant` have the keys of what `node` names there, or
    without one of all that there are."""
    known: dict[str, Any] = {}
    named = variants(schema)
    kind_of_field = typing.get_type_hints(schema)  # class variables, too
    for name in (field.name for field in dataclasses.fields(schema)):
        known[prefix + name] = kind = kind_of_field[name]
        if name in named:
            kinds, names = named[name]
            for each in [kind_of(kinds, name, node[name])] if node is not None and name in node else map(kinds, names()):
                known |= keys(each, None, f"{prefix}{name}.")
        elif dataclasses.is_dataclass(kind):
            known |= keys(kind, None, f"{prefix}{name}.")
    return known


def exists(key: str, known: dict[str, Any]) -> bool:
    """Whether a schema has a key, or a mapping that may have it."""
    return key in known or mapping_of(key, known) is not None


def mapping_of(key: str, known: dict[str, Any]) -> Any:
    """The type of the mapping that a key lies in: directly, or deeper in one of anything; None where it lies in none."""
    parent = key.rpartition(".")[0]
    if typing.get_origin(kind := known.get(parent)) is dict:
        return kind
    above = mapping_of(parent, known) if parent else None
    return above if above is not None and typing.get_args(above)[1] is Any else None


def variants(schema: type) -> dict[str, tuple[Callable[[str], type], Callable[[], Sequence[str]]]]:
    return {f.name: (f.metadata["variant"], f.metadata["names"]) for f in dataclasses.fields(schema)
            if "variant" in f.metadata}


def is_variant(schema: type, key: str) -> bool:
    return key in variants(schema)


def current_name(schema: type, key: str, name: str) -> str:
    """The present name of a variant."""
    return next((f.metadata["current"](name) for f in dataclasses.fields(schema)
                 if f.name == key and "current" in f.metadata), name)


def kind_of(kinds: Callable[[str], type], field: str, node: Any) -> type:
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


def plugged(schema: type, key: str, text: str) -> DictConfig:
    """The defaults of a variant that no file in conf/ describes: another package's, by its name or import path."""
    kinds, names = variants(schema)[key]
    try:
        kind = kinds(text)
    except ValueError as error:
        raise UserError(f"there is no {key}={text}: {error}") from error
    node = OmegaConf.create(OmegaConf.to_container(OmegaConf.structured(kind)))
    node["name"] = text
    return node
