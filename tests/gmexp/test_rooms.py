"""The house: few rooms, imports that go one way, environments that know nothing of gmexp, tests that mirror the packages."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GMEXP, ENVS = ROOT / "gmexp", ROOT / "envs" / "gmexp_envs"
# From below to above: a room imports those before it. pipeline.py names every stage, so what checks or calls whole studies
# (checks, cli) is above it.
ROOMS = ("support", "published", "artefacts", "rates", "statistics", "calculator", "agents", "training", "evaluation",
         "measures", "mitigations", "figures", "langosco", "pages", "pipeline", "checks", "cli")


def imports(path: Path) -> Iterator[tuple[str, bool]]:
    """(module, at the top of the file) of every import in a file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    top = {id(node) for node in tree.body}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                yield f"{node.module}.{alias.name}", id(node) in top
        elif isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, id(node) in top


def room_of(module: str) -> str | None:
    parts = module.split(".")
    return parts[1] if parts[0] == "gmexp" and len(parts) > 1 and parts[1] in ROOMS else None


def test_rooms_and_files():
    rooms = {p.name for p in GMEXP.iterdir() if p.is_dir() and p.name != "__pycache__"}
    files = {p.name for p in GMEXP.iterdir() if p.is_file()}
    assert rooms <= set(ROOMS) and len(rooms) <= 16
    assert files == {"__init__.py", "__main__.py", "pipeline.py", "py.typed"}


@pytest.mark.parametrize("room", ROOMS)
def test_imports_go_one_way(room):
    paths = [GMEXP / f"{room}.py"] if (GMEXP / f"{room}.py").is_file() else sorted((GMEXP / room).rglob("*.py"))
    allowed = ROOMS[:ROOMS.index(room) + 1]
    wrong = [f"{path.relative_to(ROOT)} imports {module}" for path in paths for module, _ in imports(path)
             if (other := room_of(module)) is not None and other not in allowed]
    assert not wrong, "\n".join(wrong)


@pytest.mark.slow
def test_environments_stand_alone():
    wrong = [f"{path.relative_to(ROOT)} imports {module}" for path in ENVS.rglob("*.py") for module, _ in imports(path)
             if module.split(".")[0] == "gmexp"]
    assert not wrong, "\n".join(wrong)


@pytest.mark.slow
def test_only_tracking_imports_wandb():
    users = {path.name for path in GMEXP.rglob("*.py") for module, _ in imports(path) if module.split(".")[0] == "wandb"}
    assert users <= {"tracking.py"}


def test_no_environment_is_spelled_out():
    """Nothing in gmexp but the paper's own formats and the published tables knows what a coin is."""
    texts = [p for p in GMEXP.rglob("*") if p.suffix in (".py", ".css", ".js", ".html", ".svg", ".json")
             and "langosco" not in (p.parent.name, p.stem) and "published" not in p.parts]
    named = {str(p.relative_to(ROOT)) for p in texts if re.search(r"\bcoin\b", p.read_text(encoding="utf-8"), re.I)}
    assert not named, sorted(named)


def test_tests_mirror_the_packages():
    """Every folder of tests is a folder of the package, and every test module is named for one of its modules."""
    for tests, package in ((ROOT / "tests" / "gmexp", GMEXP), (ROOT / "tests" / "gmexp_envs", ENVS)):
        for folder in (p.relative_to(tests) for p in tests.rglob("*") if p.is_dir()):
            if {"data", "__pycache__"} & set(folder.parts):
                continue
            assert (package / folder).is_dir(), f"{(tests / folder).relative_to(ROOT)} mirrors nothing"
