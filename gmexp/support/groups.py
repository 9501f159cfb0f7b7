"""Groups of files in conf/: what a verb composes, what there is to choose from, and files of the user's own."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from omegaconf import OmegaConf

from gmexp.support.conf import SHIFTS, choices, config_folder
from gmexp.support.errors import UserError
from gmexp.support.text import as_path

__all__ = ["Folders", "checked", "groups", "spelled"]


def groups(verb: str) -> list[str]:
    """The groups of files in conf/ that a verb composes."""
    entries = OmegaConf.to_container(OmegaConf.load(config_folder() / f"{verb}.yaml"))["defaults"]
    return [group for entry in entries if isinstance(entry, dict) for group in entry]


def spelled(group: str, text: str) -> str:
    """The name of a group's file that a text stands for: shifts go by their numbers too."""
    if group == "shift" and text in map(str, range(len(SHIFTS))):
        return SHIFTS[int(text)]
    return text


def checked(group: str, name: str, folders: Folders) -> str:
    """A name of a group's file; UserError where there is none."""
    known = choices(group, folders.all)
    if name not in known:
        shown = [choice for choice in known if not choice.startswith("file-")]
        raise UserError(f"there is no {group}={name}: choose one of {', '.join(shown)}, or give the path of a .yaml file")
    return name


class Folders:
    """Where config files are found besides conf/: folders that were named, and one for files that were named."""

    def __init__(self, searched: Sequence[str] = ()) -> None:
        self.searched = [Path(as_path(folder)).resolve() for folder in searched]
        self._own: Path | None = None
        for folder in self.searched:
            if not folder.is_dir():
                raise UserError(f"--config-dir {folder}: there is no such folder")

    def __enter__(self) -> Folders:
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
