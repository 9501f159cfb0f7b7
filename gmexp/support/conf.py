"""Where the configuration files are; importing this needs neither Hydra nor torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gmexp.support.errors import UserError

NONE = "none"  # the file of a group that stands for nothing of it
SHIFTS = (NONE, "superficial", "moderate", "significant", "extreme")  # files of conf/shift, by the type of the shift


def config_folder() -> Path:
    """conf/ beside the package in a checkout, inside it in an installed wheel."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "conf", package.parent / "conf"):
        if (folder / "run.yaml").is_file():
            return folder
    raise UserError(f"the configuration files are missing: expected them in {package / 'conf'}")


def choices(group: str, folders: Sequence[Path] = ()) -> list[str]:
    """The files of a group, in conf/ and in further folders."""
    return sorted({p.stem for folder in (config_folder(), *folders) for p in (folder / group).glob("*.yaml")})
