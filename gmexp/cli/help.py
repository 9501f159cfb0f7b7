"""What `gmexp --help` and `gmexp VERB --help` print, from the commented files in conf/, without importing Hydra or torch."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import yaml

from gmexp.support.conf import choices, config_folder

FLAGS = """flags: --cfg job|all shows the configuration, --info Hydra's view of it, --config-dir DIR adds a folder of files,
       +key=value and ~key work; gmexp run: -m sweeps, --dry-run lists its runs; gmexp calibrate: --template prints a
       CSV of counts to fill in. gmexp -sc install=bash: completion"""
WIDTH = 110


class Key(NamedTuple):
    """A line of a config file: dotted key, default and what its comment says."""

    name: str
    default: str
    about: str


def overview(summaries: Mapping[str, str]) -> str:
    """All verbs, a line each."""
    width = max(map(len, summaries))
    lines = [f"  {name:<{width}}  {summary}" for name, summary in summaries.items()]
    return "\n".join(["usage: gmexp VERB key=value ...        gmexp VERB --help        gmexp --version", "", *lines, "",
                      "Start with: gmexp run experiment=quickstart"])


def verb_help(name: str, summary: str, overrides: Sequence[str] = ()) -> str:
    """Every key of a verb with its default and meaning, the groups of files that it composes, an example.

    Of a group, the keys are those of its usual file, or of the one that `overrides` choose: env=maze.
    """
    path = config_folder() / f"{name}.yaml"
    chosen = dict(item.partition("=")[::2] for item in overrides)
    defaults = {group: chosen.get(group, usual) for group, usual in chosen_groups(path).items()}
    blocks = [f"gmexp {name}: {summary}", _about(path), _listing("keys", _keys(path))]
    for group, default in defaults.items():
        blocks.append(_group(group, default))
    blocks.append(FLAGS)
    return "\n\n".join(block for block in blocks if block)


def verb_keys(name: str) -> list[str]:
    """The dotted keys of a configured verb, those of its groups' defaults included."""
    path = config_folder() / f"{name}.yaml"
    if not path.is_file():
        return []
    groups = chosen_groups(path)
    known = [*groups, *(key.name for key in _keys(path))]
    for group, default in groups.items():
        if default in choices(group) and group != "experiment":
            known += [f"{group}.{key.name}" for key in _keys(config_folder() / group / f"{default}.yaml")]
    return list(dict.fromkeys(known))


def chosen_groups(path: Path) -> dict[str, str]:
    """The groups of files that a config file composes, and the choice of each."""
    entries = yaml.safe_load(path.read_text(encoding="utf-8")).get("defaults", [])
    return {group: str(choice) for entry in entries if isinstance(entry, dict) for group, choice in entry.items()}


def _group(group: str, default: str) -> str:
    """A group: its files with what they are, and the keys of the one that is usual."""
    names = choices(group)
    usual = f" (here {default})" if default in names else ""
    lines = [f"{group}=... one of these, or the path of a .yaml file{usual}"]
    width = max(map(len, names))
    lines += [f"  {name:<{width}}  {_title(config_folder() / group / f'{name}.yaml')}" for name in names]
    if default in names and group != "experiment":
        keys = [key._replace(name=f"{group}.{key.name}") for key in _keys(config_folder() / group / f"{default}.yaml")]
        lines += _lines([key for key in keys if key.name != f"{group}.name"])
    return "\n".join(lines)


def _listing(title: str, keys: list[Key]) -> str:
    return "\n".join([f"{title}:", *_lines(keys)]) if keys else ""


def _lines(keys: list[Key]) -> list[str]:
    width = max((len(key.name) for key in keys), default=0)
    lines = []
    for key in keys:
        default = "required" if key.default == "???" else "not set" if key.default == "null" else f"default {key.default}"
        lines.append(f"  {key.name:<{width}}  {key.about + ' ' if key.about else ''}({default})")
    return lines


def _keys(path: Path) -> list[Key]:
    """The keys that a config file sets, in their order; those that its own defaults set as well."""
    keys = {key.name: key for base in _bases(path) for key in _keys(base)}
    return [*(keys | {key.name: key for key in _own_keys(path)}).values()]


def _bases(path: Path) -> list[Path]:
    entries = (yaml.safe_load(path.read_text(encoding="utf-8")) or {}).get("defaults", [])
    return [path.with_name(f"{entry}.yaml") for entry in entries if isinstance(entry, str) and entry != "_self_"]


def _own_keys(path: Path) -> Iterator[Key]:
    parents: list[tuple[int, str]] = []
    skipping = False
    for line in path.read_text(encoding="utf-8").splitlines():
        match = re.fullmatch(r"(\s*)([\w.]+):\s*(.*?)(?:\s+#\s*(.*))?", line)
        if match is None or line.lstrip().startswith("#"):
            continue
        indent, name, default, about = len(match[1]), match[2], match[3], match[4] or ""
        if indent == 0:
            skipping = name == "defaults"
        if skipping:
            continue
        parents = [(depth, parent) for depth, parent in parents if depth < indent]
        dotted = ".".join([*(parent for _, parent in parents), name])
        if default == "":
            parents.append((indent, name))
        else:
            yield Key(dotted, default, about)


def _about(path: Path) -> str:
    """The comment that a config file begins with."""
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.removeprefix("#").removeprefix(" "))
    return "\n".join(line for line in lines if not line.startswith("@package"))


def _title(path: Path) -> str:
    """The first sentence of a config file's comment, cut to a line."""
    text = " ".join(_about(path).split())
    sentence = re.split(r"(?<=\.)\s", text, maxsplit=1)[0]
    return sentence if len(sentence) <= WIDTH else f"{sentence[:WIDTH - 3]}..."
