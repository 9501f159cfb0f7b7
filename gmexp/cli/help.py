"""What `gmexp --help` and `gmexp VERB --help` print, from the commented files in conf/, without importing Hydra or torch."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import yaml

from gmexp.cli.annotations import kind_of_key
from gmexp.support.conf import choices, config_folder

FLAGS = """flags
  --cfg job|hydra|all   the configuration, with --resolve and --package as Hydra has them; --info: Hydra's view of it
  --config-dir DIR      a folder of your own files, as conf/; NAME=./mine.yaml takes one file
  -m                    sweeps: key=a,b,c or key=range(5); +key=value and ~key work
  --dry-run             what would be trained or played, what of it is done, and what the rest costs
  --template            gmexp calibrate: a CSV of counts to fill in
  gmexp -sc install=bash prints completion for bash (zsh, fish)"""
WIDTH = 110
SECTION = re.compile(r"# --- (.+?) -*$")


class Key(NamedTuple):
    """A line of a config file: dotted key, its type in words, default and what its comment says."""

    name: str
    kind: str
    default: str
    about: str
    section: str = ""


def overview(summaries: Mapping[str, str]) -> str:
    """All verbs, a line each."""
    width = max(map(len, summaries))
    lines = [f"  {name:<{width}}  {summary}" for name, summary in summaries.items()]
    return "\n".join(["usage: gmexp VERB key=value ...        gmexp VERB --help        gmexp --version", "", *lines, "",
                      "Start with: gmexp run experiment=quickstart"])


def verb_help(name: str, summary: str, overrides: Sequence[str] = ()) -> str:
    """A verb's keys in their sections with types and defaults, what it chooses from files, one example.

    The keys of a group's file are explained where `overrides` choose it (env=maze), and only named otherwise.
    """
    path = config_folder() / f"{name}.yaml"
    chosen = _chosen(path, overrides)
    named = {item.partition("=")[0] for item in overrides}
    example, _, about = _about(path).partition(": ")
    blocks = [f"gmexp {name}: {summary}\n\nexample: {example}", about.strip()]
    blocks += [_listing(title, keys) for title, keys in _sections(_keys(path, name))]
    if chosen:
        blocks.append(f"chosen from files: NAME=CHOICE, or the path of a .yaml file; gmexp {name} --help NAME=CHOICE says "
                      "more\n" + "\n".join(_group(name, group, choice) for group, choice in chosen.items()))
    blocks += [_explained(name, group, choice) for group, choice in chosen.items() if group in named]
    blocks.append(FLAGS)
    return "\n\n".join(block for block in blocks if block)


def verb_keys(name: str, overrides: Sequence[str] = ()) -> list[Key]:
    """The keys of a configured verb, those of the groups' files included that are usual or that `overrides` choose."""
    path = config_folder() / f"{name}.yaml"
    own = _keys(path, name)
    chosen = _chosen(path, overrides).items()
    known = [*own, *(Key(group, "file", choice, "") for group, choice in chosen if group not in {key.name for key in own})]
    for group, choice in chosen:
        known += _keys_of_group(name, group, choice)
    return known


def chosen_groups(path: Path) -> dict[str, str]:
    """The groups of files that a config file composes, and the choice of each."""
    entries = yaml.safe_load(path.read_text(encoding="utf-8")).get("defaults", [])
    return {group: "" if choice is None else str(choice) for entry in entries if isinstance(entry, dict)
            for group, choice in entry.items()}


def _chosen(path: Path, overrides: Sequence[str]) -> dict[str, str]:
    given = dict(item.partition("=")[::2] for item in overrides)
    return {group: given.get(group) or usual for group, usual in chosen_groups(path).items()}


# --- blocks -----------------------------------------------------------------------------------------------------------

def _group(verb: str, group: str, choice: str) -> str:
    """A group's line: its files, the one that counts marked; and what its keys are called."""
    names = [f"{name}*" if name == choice else name for name in choices(group)]
    lines = textwrap.wrap(" | ".join(names), WIDTH - 14, break_on_hyphens=False)
    keys = [key.name for key in _keys_of_group(verb, group, choice)]
    lines += textwrap.wrap(f"keys: {' '.join(keys)}", WIDTH - 14, break_on_hyphens=False) if keys else []
    return "\n".join(f"  {group if position == 0 else '':<12}{line}" for position, line in enumerate(lines))


def _explained(verb: str, group: str, choice: str) -> str:
    """What each file of a group is, and the keys of the chosen one."""
    names = choices(group)
    width = max(map(len, names))
    lines = [f"  {name:<{width}}  {_title(config_folder() / group / f'{name}.yaml')}" for name in names]
    return "\n".join([f"{group}={choice}", *lines, *_lines(_keys_of_group(verb, group, choice))])


def _keys_of_group(verb: str, group: str, choice: str) -> list[Key]:
    """The keys of a group's file; none of a file that sets keys of others, as experiments and shifts do."""
    path = config_folder() / group / f"{choice}.yaml"
    if choice not in choices(group) or path.read_text(encoding="utf-8").startswith("# @package"):
        return []
    return [key._replace(name=f"{group}.{key.name}") for key in _keys(path, verb, group) if key.name != "name"]


def _sections(keys: Sequence[Key]) -> Iterator[tuple[str, list[Key]]]:
    """Keys by the headings that they stand under in their file."""
    for section in dict.fromkeys(key.section for key in keys):
        yield section or "keys", [key for key in keys if key.section == section]


def _listing(title: str, keys: list[Key]) -> str:
    return "\n".join([title, *_lines(keys)]) if keys else ""


def _lines(keys: Sequence[Key]) -> list[str]:
    if not keys:
        return []
    name, kind, default = (max(len(getattr(key, column)) for key in keys) for column in ("name", "kind", "default"))
    default = min(default, 24)
    return [f"  {key.name:<{name}}  {key.kind:<{kind}}  {key.default:<{default}}  {key.about}".rstrip() for key in keys]


# --- files ------------------------------------------------------------------------------------------------------------

def _keys(path: Path, verb: str, group: str | None = None) -> list[Key]:
    """The keys that a config file sets, in their order; those that its own defaults set as well."""
    keys = {key.name: key for base in _bases(path) for key in _keys(base, verb, group)}
    return [*(keys | {key.name: key for key in _own_keys(path, verb, group)}).values()]


def _bases(path: Path) -> list[Path]:
    entries = (yaml.safe_load(path.read_text(encoding="utf-8")) or {}).get("defaults", [])
    return [path.with_name(f"{entry}.yaml") for entry in entries if isinstance(entry, str) and entry != "_self_"]


def _own_keys(path: Path, verb: str, group: str | None) -> Iterator[Key]:
    parents: list[tuple[int, str]] = []
    skipping, section = False, ""
    for line in path.read_text(encoding="utf-8").splitlines():
        if heading := SECTION.fullmatch(line):
            section = heading[1]
        match = re.fullmatch(r"(\s*)([\w.]+):(?:\s+([^#\s].*?))?(?:\s+#\s*(.*))?\s*", line)
        if match is None or line.lstrip().startswith("#"):
            continue
        indent, name, default, about = len(match[1]), match[2], match[3] or "", match[4] or ""
        if indent == 0:
            skipping = name == "defaults"
        if skipping:
            continue
        parents = [(depth, parent) for depth, parent in parents if depth < indent]
        dotted = ".".join([*(parent for _, parent in parents), name])
        if default == "":
            parents.append((indent, name))
            continue
        kind = kind_of_key(dotted, yaml.safe_load(default), verb, group, path.stem)
        kind = "file" if group is None and choices(dotted) else kind
        yield Key(dotted, kind, {"???": "required", "null": "not set"}.get(default, default), about, section)


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
    sentence = re.split(r"(?<=[.?])\s", text, maxsplit=1)[0]
    return sentence if len(sentence) <= WIDTH else f"{sentence[:WIDTH - 3]}..."
