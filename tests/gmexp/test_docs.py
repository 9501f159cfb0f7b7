"""The documents: every command composes, every link leads somewhere, every example compiles, every number is printed."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import shlex
import sys
from collections.abc import Iterator
from functools import reduce
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import gmexp
import gmexp_envs
from gmexp.artefacts.study import Study
from gmexp.cli import flags
from gmexp.cli.main import VERBS, main
from gmexp.cli.options import Command
from gmexp.figures.data import StudyData
from gmexp.pages import headline, index_page
from gmexp.support.checks import elsewhere

from .examples import EXAMPLES, install

ROOT = Path(__file__).parents[2]
README, CONTRIBUTING, PYTHON_PAGE = (ROOT / name for name in ("README.md", "CONTRIBUTING.md", "docs/reference/python.md"))
DOCUMENTS = [README, CONTRIBUTING, *sorted(ROOT.glob("docs/**/*.md"))]
RESULTS = ROOT / "results"
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("results/**/*.md")])
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.M | re.S)
CALL = re.compile(r"(?:\$ )?(?:\S*bin/)?(gmexp .*)")
LINK = re.compile(r"\]\(([^)\s]+)\)")


# --- what documents hold ----------------------------------------------------------------------------------------------

def blocks(path: Path, language: str = "") -> list[str]:
    return [text for kind, text in BLOCK.findall(path.read_text(encoding="utf-8")) if kind == language]


def commands(path: Path) -> Iterator[str]:
    """Every `gmexp VERB ...` of a document: the lines of its blocks without a language, and code within its text; where
    the output goes is left out."""
    lines = [line for block in blocks(path) for line in block.splitlines()]
    inline = re.findall(r"`([^`\n]+)`", BLOCK.sub("", path.read_text(encoding="utf-8")))
    for line in [*lines, *inline]:
        if match := CALL.fullmatch(line.strip()):
            yield match[1].partition(" > ")[0]


CALLS = [pytest.param(line, id=f"{path.stem}: {line}") for path in DOCUMENTS for line in dict.fromkeys(commands(path))]
PYTHON = [pytest.param(text, id=f"{path.stem} {n}") for path in DOCUMENTS for n, text in enumerate(blocks(path, "python"))]


def anchors(path: Path) -> set[str]:
    """What `#...` may name in a page, by GitHub's rule."""
    heads = re.findall(r"^#+ (.*)$", BLOCK.sub("", path.read_text(encoding="utf-8")), re.M)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


# --- commands ---------------------------------------------------------------------------------------------------------

class Composed(Exception):
    """A command whose keys and values were read; nothing further is done."""


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """The examples' folder, with their entry points known as after `pip install`."""
    points = install(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.syspath_prepend(str(EXAMPLES))
    monkeypatch.chdir(EXAMPLES)
    modules, names = set(sys.modules), dict(gmexp_envs._imported)
    yield points
    for name in set(sys.modules) - modules:
        if str(getattr(sys.modules[name], "__file__", None)).startswith(str(EXAMPLES)):
            del sys.modules[name]
    gmexp_envs._imported.clear()
    gmexp_envs._imported.update(names)
    gmexp_envs.find_task.cache_clear()


def compose(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Read a command as the command line does, and do nothing; `UserError` where it does not fit."""
    name, *rest = arguments
    verb = VERBS[name]
    if all(item.startswith("-") for item in rest):  # it is only spoken of
        return None
    if verb.configured:
        from gmexp.cli import multirun

        return multirun.load(name, flags.split(rest))
    read = Command.parse

    def parse(self: Command, args: list[str]) -> None:
        read(self, args)
        raise Composed

    monkeypatch.setattr(Command, "parse", parse)
    with pytest.raises(Composed):
        getattr(importlib.import_module(verb.module), verb.function)(rest)


@pytest.mark.slow
@pytest.mark.parametrize("line", CALLS)
def test_every_command_composes(line, installed, monkeypatch, capsys):
    arguments = shlex.split(line, comments=True)[1:]
    if arguments[0].startswith("-"):
        assert main(arguments) == 0
    elif "VERB" in arguments:
        assert arguments == ["VERB", "--help"]
    elif "--help" in arguments:
        assert main(arguments) == 0 and f"gmexp {arguments[0]}" in capsys.readouterr().out
    else:
        with elsewhere():  # a GPU that a command names need not be here
            compose(arguments, monkeypatch)


@pytest.mark.parametrize("line", ["estimat shift=3", "estimate shfit=3", "estimate", "train env.diversty=0.1",
                                  "train agent=nobody", "run -m experiment=quickstart out=a,b", "check coverage sts=3"])
def test_a_command_that_does_not_fit_is_noticed(line, installed, monkeypatch):
    arguments = shlex.split(line)
    if len(arguments) == 1:
        assert compose(arguments, monkeypatch) is None
    else:
        with pytest.raises((KeyError, ValueError)):
            compose(arguments, monkeypatch)


def test_every_verb_is_in_the_reference():
    assert {line.split()[1] for line in commands(ROOT / "docs" / "reference" / "cli.md")} >= set(VERBS)
    listed = README.read_text(encoding="utf-8").partition("## Verbs")[2]
    assert not [verb for verb in VERBS if not re.search(rf"\b{verb}\b", listed)]


def test_the_examples_are_what_their_entry_points_name(installed):
    for places in installed.values():
        for place in places.values():
            module, _, attribute = place.partition(":")
            assert hasattr(importlib.import_module(module), attribute), place


# --- Python -----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("text", PYTHON)
def test_every_python_example_compiles_and_calls_what_exists(text):
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                importlib.import_module(alias.name)
        elif isinstance(node, ast.ImportFrom):
            assert all(hasattr(importlib.import_module(node.module), alias.name) for alias in node.names)
        elif isinstance(node, ast.Call) and (function := named(node.func)) is not None:
            inspect.signature(function).bind_partial(*node.args, **{key.arg: key.value for key in node.keywords})


def named(node: ast.expr) -> Any:
    """What `gmexp.a.b` or `gmexp_envs.a` is; None for other expressions. AttributeError where there is no such thing."""
    parts = ast.unparse(node).split(".") if isinstance(node, ast.Attribute) else [""]
    packages = {"gmexp": gmexp, "gmexp_envs": gmexp_envs}
    function = reduce(getattr, parts[1:], packages[parts[0]]) if parts[0] in packages else None
    if isinstance(function, ModuleType):  # gmexp.rates, a room that can be called
        function = getattr(importlib.import_module(gmexp.FUNCTIONS[parts[1]]), parts[1])
    return function


def test_the_plain_functions_are_told_of():
    text = PYTHON_PAGE.read_text(encoding="utf-8")
    for name, module in gmexp.FUNCTIONS.items():
        assert f"gmexp.{name}(" in text and callable(getattr(importlib.import_module(module), name))


# --- links, pictures, numbers -----------------------------------------------------------------------------------------

@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_every_link_leads_somewhere(page):
    for link in LINK.findall(BLOCK.sub("", page.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", link):
            continue
        place, _, anchor = link.partition("#")
        target = (page.parent / place).resolve() if place else page
        if target.is_relative_to(RESULTS) and not RESULTS.exists():  # a source distribution is without
            continue
        assert target.exists() and target.is_relative_to(ROOT), link
        assert not anchor or anchor in anchors(target), link


def test_the_readme_is_short():
    text = README.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 120 and len(re.findall(r"!\[", text)) == 3


def test_the_readme_shows_what_is_printed(capsys):
    """Of a `$ gmexp ...` line, every line below it is one that the command prints."""
    shown = [block.split("$ ")[1:] for block in blocks(README) if block.startswith("$ ")]
    assert shown
    for call, *lines in (part.splitlines() for block in shown for part in block):
        assert main(shlex.split(call)[1:]) == 0
        printed = capsys.readouterr().out.splitlines()
        assert lines and set(lines) <= set(printed), call


@pytest.mark.slow
@pytest.mark.skipif(not RESULTS.exists(), reason="a source distribution is without results")
def test_the_readme_shows_the_headline_of_environments():
    shown, _ = headline.table(StudyData(Study(RESULTS / index_page.POOLED))).split("\n\n")
    assert shown.startswith("| environment |") and shown in README.read_text(encoding="utf-8")
