"""The package of examples in docs/, known by its entry points as after `pip install`."""

from __future__ import annotations

import tomllib
from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


def install(folder: Path) -> dict[str, dict[str, str]]:
    """Put the package's metadata into a folder of the path -> its entry points, by group and name."""
    points = tomllib.loads((EXAMPLES / "pyproject.toml").read_text(encoding="utf-8"))["project"]["entry-points"]
    about = folder / "gmexp_examples-0.1.dist-info"
    about.mkdir()
    about.joinpath("METADATA").write_text("Metadata-Version: 2.1\nName: gmexp-examples\nVersion: 0.1\n")
    about.joinpath("entry_points.txt").write_text("\n".join(
        f"[{group}]\n" + "\n".join(f"{name} = {place}" for name, place in each.items()) for group, each in points.items()))
    return points
