"""What Hydra users type before or between overrides: --cfg, --info, --config-dir, -m, -sc and so on.

`split` takes them out of a verb's arguments. What shows a configuration is printed here; what tells of Hydra itself is left
to Hydra.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gmexp.support.conf import config_folder
from gmexp.support.errors import UserError

HELP = ("--help", "-h", "help")
MULTIRUN = ("--multirun", "-m")
SHOWN = ("job", "all", "hydra")  # of --cfg
OF_HYDRA = ("--info", "-i", "--hydra-help")
VALUED = {"--config-dir": "directory", "-cd": "directory", "--config-name": "name", "-cn": "name", "--cfg": "cfg",
          "-c": "cfg", "--package": "package", "-p": "package"}
PLAIN = {"--resolve": "resolve", "--run": "run", "-r": "run", "--dry-run": "dry_run", "--version": "version",
         "--template": "template"}


@dataclass
class Flags:
    """The flags of a call, and the overrides that are left."""

    overrides: list[str] = field(default_factory=list)
    directories: list[str] = field(default_factory=list)  # --config-dir
    name: str | None = None  # --config-name
    cfg: str | None = None  # what of the configuration to show
    package: str | None = None  # of it, only this
    resolve: bool = False
    several: bool = False  # -m
    dry_run: bool = False
    template: bool = False  # of calibrate
    help: bool = False
    hydra: list[str] = field(default_factory=list)  # flags that Hydra itself answers

    @property
    def shows(self) -> bool:
        """Whether something is to be shown rather than done."""
        return self.cfg is not None or bool(self.hydra)


def split(arguments: Sequence[str]) -> Flags:
    """The flags of a verb's arguments; UserError for one that does not exist or lacks its value."""
    flags = Flags()
    waiting = list(arguments)
    while waiting:
        item = waiting.pop(0)
        name, separator, value = item.partition("=") if item.startswith("--") else (item, "", "")
        if item in HELP:
            flags.help = True
        elif item in MULTIRUN:
            flags.several = True
        elif name in OF_HYDRA:
            follows = name != "--hydra-help" and waiting and "=" not in waiting[0] and not waiting[0].startswith("-")
            flags.hydra += [item, waiting.pop(0)] if follows and not separator else [item]
        elif name in VALUED:
            if not separator and not waiting:
                raise UserError(f"{name} lacks a value")
            _set(flags, VALUED[name], value if separator else waiting.pop(0))
        elif item in PLAIN:
            if PLAIN[item] in ("resolve", "dry_run", "template"):
                setattr(flags, PLAIN[item], True)
        elif item.startswith("-"):
            raise UserError(f"there is no flag {item}: settings are key=value; flags are those of Hydra (--cfg, --info, "
                            "--config-dir, -m, ...), --dry-run and --template")
        else:
            flags.overrides.append(item)
    return flags


def _set(flags: Flags, what: str, value: str) -> None:
    if what == "directory":
        flags.directories.append(value)
    elif what == "cfg" and value not in SHOWN:
        raise UserError(f"--cfg {value}: choose one of {', '.join(SHOWN)}")
    else:
        setattr(flags, what, value)


def show(verb: str, flags: Flags, load: Any) -> int:
    """Answer --cfg, --info and --hydra-help. `load` gives the verb's configuration."""
    if flags.hydra or flags.cfg in ("all", "hydra"):
        asked = flags.hydra or ["--cfg", flags.cfg, *(["--package", flags.package] if flags.package else [])]
        return _ask_hydra(verb, flags, asked)
    import dataclasses

    from omegaconf import OmegaConf

    node = OmegaConf.create(dataclasses.asdict(load()))
    if flags.package and flags.package != "_global_":
        part = OmegaConf.select(node, flags.package)
        if part is None:
            raise UserError(f"--package {flags.package}: there is no such part of the configuration")
        node = OmegaConf.create({flags.package: part})
    print(OmegaConf.to_yaml(node), end="")
    return 0


def _ask_hydra(verb: str, flags: Flags, asked: Sequence[str]) -> int:
    """Hydra's own answer, for the verb as an application of Hydra's."""
    import hydra

    @hydra.main(version_base="1.3", config_path=str(config_folder()), config_name=flags.name or verb)
    def application(config: Any) -> None:
        """Never called: every flag that comes here only shows something."""

    directories = [part for folder in flags.directories for part in ("--config-dir", str(Path(folder).resolve()))]
    before, level = sys.argv, os.environ.get("HYDRA_FULL_ERROR")
    sys.argv = [f"gmexp {verb}", *directories, *asked, *flags.overrides]
    try:
        application()
    except SystemExit as error:
        return int(error.code or 0)
    finally:
        sys.argv = before
        if level is not None:
            os.environ["HYDRA_FULL_ERROR"] = level
    return 0


# --- completion in the shell ------------------------------------------------------------------------------------------

COMPLETION = """_gmexp() {
    local IFS=$'\\n'
    COMPREPLY=($(COMP_LINE="${COMP_LINE}" COMP_POINT="${COMP_POINT}" gmexp --shell-completion query=bash 2>/dev/null))
    [[ ${COMPREPLY[0]} == *= || ${COMPREPLY[0]} == *. ]] && compopt -o nospace
}
COMP_WORDBREAKS=${COMP_WORDBREAKS//=}
complete -F _gmexp gmexp
"""


def completion(what: str, verbs: Sequence[str]) -> int:
    """`gmexp -sc install=bash` prints what to evaluate, `uninstall=bash` what undoes it; `query=bash` completes."""
    action, _, shell = what.partition("=")
    if shell != "bash" or action not in ("install", "uninstall", "query"):
        raise UserError(f"-sc {what}: give install=bash, uninstall=bash or query=bash")
    if action == "install":
        print(COMPLETION, end="")
    elif action == "uninstall":
        print("unset -f _gmexp; complete -r gmexp")
    else:
        line = os.environ.get("COMP_LINE", "")[:int(os.environ.get("COMP_POINT", "0") or 0) or None]
        print("\n".join(_completions(line, verbs)))
    return 0


def _completions(line: str, verbs: Sequence[str]) -> list[str]:
    words = line.split(" ")
    word = words[-1]
    if len(words) <= 2:
        return [verb for verb in verbs if verb.startswith(word)]
    from gmexp.cli.help import verb_keys
    from gmexp.support.conf import choices

    key, separator, start = word.partition("=")
    if separator:
        return [f"{key}={choice}" for choice in choices(key) if choice.startswith(start)]
    return [f"{name}=" for name in verb_keys(words[1]) if name.startswith(word)]
