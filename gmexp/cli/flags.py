"""The flags of Hydra's applications, and our own --dry-run, taken out of a verb's arguments.

They may stand anywhere between overrides. What they ask to see is shown by `cli.view`; nothing here imports Hydra.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from gmexp.support.errors import UserError

HELP = ("--help", "-h", "help")
VERSION = ("--version",)
COMPLETION = ("-sc", "--shell-completion")
SHOWN = ("job", "hydra", "all")  # of --cfg
TOLD = ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath")  # of --info
VALUED = {"--config-dir": "directory", "-cd": "directory", "--config-name": "name", "-cn": "name", "--cfg": "cfg",
          "-c": "cfg", "--package": "package", "-p": "package"}
PLAIN = {"--resolve": "resolve", "--multirun": "several", "-m": "several", "--dry-run": "dry_run", "--help": "help",
         "-h": "help", "help": "help", "--version": "version", "--hydra-help": "hydra_help", "--run": "once", "-r": "once",
         "--shell-completion": "completion", "-sc": "completion", "--template": "template"}
INFO = ("--info", "-i")
INSTEAD = {  # flags of Hydra's that have no meaning here, and what does
    "--config-path": "gmexp's own files are the base: --config-dir DIR adds a folder to them",
    "-cp": "gmexp's own files are the base: --config-dir DIR adds a folder to them",
    "--experimental-rerun": "the command of a run is in its run.json, and the same command goes on where it was",
}


@dataclass
class Flags:
    """The flags of a call, and the overrides that are left."""

    overrides: list[str] = field(default_factory=list)
    directories: list[str] = field(default_factory=list)  # --config-dir
    name: str | None = None  # --config-name
    cfg: str | None = None  # what of the configuration to show
    package: str | None = None  # of it, only this
    resolve: bool = False
    info: str | None = None  # what Hydra is to tell of the configuration
    hydra_help: bool = False
    several: bool = False  # -m
    once: bool = False  # --run, which is what happens anyway
    dry_run: bool = False
    template: bool = False  # of calibrate
    help: bool = False
    version: bool = False
    completion: bool = False

    @property
    def shows(self) -> bool:
        """Whether something is to be shown rather than done."""
        return self.cfg is not None or self.info is not None or self.hydra_help


def split(arguments: Sequence[str]) -> Flags:
    """The flags of a verb's arguments; UserError for one that does not exist or lacks its value."""
    flags = Flags()
    waiting = list(arguments)
    while waiting:
        item = waiting.pop(0)
        name, separator, given = item.partition("=") if item.startswith("--") else (item, "", "")
        if item in PLAIN:
            setattr(flags, PLAIN[item], True)
        elif name in INFO:
            flags.info = given if separator else waiting.pop(0) if waiting and waiting[0] in TOLD else "all"
        elif name in VALUED:
            if not separator and not waiting:
                raise UserError(f"{name} lacks a value")
            _set(flags, VALUED[name], given if separator else waiting.pop(0))
        elif name in INSTEAD:
            raise UserError(f"{name} is not for gmexp: {INSTEAD[name]}")
        elif item.startswith("-"):
            raise UserError(f"there is no flag {item}: settings are key=value; flags are those of Hydra (--cfg, --info, "
                            "--config-dir, -m, ...), --dry-run and --template")
        else:
            flags.overrides.append(item)
    if flags.info is not None and flags.info not in TOLD:
        raise UserError(f"--info {flags.info}: choose one of {', '.join(TOLD)}")
    return flags


def _set(flags: Flags, what: str, value: str) -> None:
    if what == "directory":
        flags.directories.append(value)
    elif what == "cfg" and value not in SHOWN:
        raise UserError(f"--cfg {value}: choose one of {', '.join(SHOWN)}")
    else:
        setattr(flags, what, value)
