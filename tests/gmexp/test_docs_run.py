"""What the documents show is run: Python blocks whole, commands with small settings, notebooks, the outsider's script. What
is not run is composed by test_docs, and stands here with the reason."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from gmexp.cli.main import main

from .test_docs import DOCUMENTS, ROOT, blocks, commands
from .tiny import AGENT

pytestmark = [pytest.mark.slow,
              pytest.mark.skipif(not (ROOT / "results").exists(), reason="a source distribution is without results")]

FEW = ["evaluation.episodes=6", "evaluation.slots=6"]
SMALLER = {  # verb: what makes a command of the documents take a second
    "train": [*AGENT, "steps=1024", "env=coinrun", "env.diversity=0"], "evaluate": FEW, "measure": FEW, "rates": [],
    "watch": ["levels=24", "size=64", "format=sheet"], "show": ["levels=1", "cell=4"], "estimate": [], "tables": [],
    "audit": [], "environments": [], "calculator": [], "meta": [], "predict": [], "scenarios": []}
NOT_RUN = {  # beginning of a command: why; the first that fits
    "gmexp run --dry-run experiment=./corridor_study.yaml": "the examples, installed; test_plugins",
    "gmexp run --dry-run": "", "gmexp run -m --dry-run": "", "gmexp run --dry-run -m": "",
    "gmexp run": "trains for minutes; a study is run in test_pipeline, sweeps and launchers in cli and training",
    "gmexp calibrate": "samples for minutes; the notebook calibrates, the template is in statistics/test_template",
    "gmexp report": "draws for minutes; pages/test_report", "gmexp view": "serves until it is stopped; pages/test_server",
    "gmexp verify": "plays the real binary for minutes; cli/test_verify",
    "gmexp bench": "measures speed for minutes; cli/test_bench", "gmexp check": "simulates for minutes; cli/test_statistics",
    "gmexp plan": "simulates; cli/test_statistics", "gmexp sensitivity": "simulates; cli/test_statistics",
    "gmexp langosco": "reads and writes whole studies; langosco/test_langosco",
    "gmexp rates study=results": "would write into results/; test_results counts them again",
    "gmexp rates study=outputs/quickstart": "of a study that takes minutes",
    "gmexp train agent=": "other trainers and engines; agents/test_trainer, test_cloning",
    "gmexp train backend=": "likewise",
    "gmexp train env=corridor": "the examples, installed; test_plugins", "gmexp show env=corridor": "likewise",
    "gmexp watch env=corridor": "likewise", "gmexp measure run=outputs/train/runs/ID measures=[pace]": "likewise",
    "gmexp evaluate run=outputs/train/runs/ID mitigation=sticky": "likewise",
    "gmexp evaluate run=outputs/train/runs/ID/best": "the same as without best",
    "gmexp estimate shift=3 mode=calibrated calibration=mine.json": "of a calibration that takes minutes"}
REPLACED = {  # in Python blocks: what stands for what takes minutes
    '"steps": 1_000_000': '"steps": 16_384', '"outputs/quickstart")  # a study': '"results/quickstart")  # a study',
    'gmexp.calibrate("outputs/quickstart")': "calibrated.load_calibration(None)",  # the shipped one
    "import gmexp\nfrom": "import gmexp\nfrom gmexp.calculator import calibrated\nfrom"}
SHELL_ONLY = {"python3 -m venv": ".ci/run does", "python -m pip": ".ci/run does", ".venv/bin/python -m": ".ci/run does",
              "make": ".ci/run does", "cd docs/examples": "a folder", ".venv/bin/gmexp run": "trains for minutes",
              "python docs/examples/outsider.py": "", "pip install": ".ci/run does"}
PYTHON = [pytest.param(text, id=f"{path.stem} {n}") for path in DOCUMENTS for n, text in enumerate(blocks(path, "python"))]


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A folder of one's own beside the committed results."""
    (tmp_path / "results").symlink_to(ROOT / "results")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("text", PYTHON)
def test_every_python_block_runs(text, elsewhere):
    for package in ("pandas", "duckdb"):
        if f"import {package}" in text:
            pytest.importorskip(package, reason=f"{package} is of the extra docs")
    for old, new in REPLACED.items():
        text = text.replace(old, new, 1)
    exec(compile(text, "block", "exec"), {"__name__": "__main__"})


def reason(line: str) -> str:
    """Why a command is not run; empty where it is."""
    return next((why for start, why in NOT_RUN.items() if line.startswith(start)), "")


@pytest.mark.parametrize("page", [path for path in DOCUMENTS if path.parent.name != "reference" or path.stem == "cli"],
                         ids=lambda path: path.stem)
def test_every_command_is_run_or_says_why_not(page, elsewhere, capsys):
    """In the order of the page, so that what is trained is evaluated."""
    shown = [line for line in dict.fromkeys(commands(page)) if line in "\n".join(blocks(page))]
    for line in shown:
        verb, *rest = shlex.split(line, comments=True)[1:]
        if reason(line) or "VERB" in line or line == "gmexp --help":
            continue
        assert verb in SMALLER or "--dry-run" in rest, f"{line}: say in SMALLER how, or in NOT_RUN why not"
        rest = [_own_run(part) for part in rest]
        assert main([verb, *rest, *SMALLER.get(verb, [])]) == 0, capsys.readouterr().err
        capsys.readouterr()


def _own_run(part: str) -> str:
    """An argument that names `runs/ID`, with the run that was trained."""
    if not part.startswith("run=outputs/train/runs/ID"):
        return part
    return f"run={next(iter(Path('outputs/train/runs').iterdir()))}"


def test_shell_lines_are_commands_or_say_why_not():
    for page in DOCUMENTS:
        shown = [block for block in blocks(page) if not block.startswith(("$ ", "envs/"))]  # what is printed; the house
        for line in filter(str.strip, "\n".join(shown).splitlines()):
            assert line.startswith(("gmexp ", *SHELL_ONLY)), f"{page.name}: {line}"


# --- notebooks, the outsider's script, the site -----------------------------------------------------------------------

def script(name: str):
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("path", sorted((ROOT / "docs" / "notebooks").glob("*.ipynb")), ids=lambda path: path.stem)
def test_notebooks_run_and_print_what_they_keep(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    notebooks, content = script("notebooks"), json.loads(path.read_text(encoding="utf-8"))
    again = notebooks.kept(content, notebooks.run(content))
    printed = [["".join(each["text"]) for each in cell["outputs"]] for version in (content, again)
               for cell in version["cells"] if cell["cell_type"] == "code"]
    half = len(printed) // 2
    assert [len(each) for each in printed[:half]] == [len(each) for each in printed[half:]]
    estimated = re.compile(r"\d+\.\d+|\d+(?=%)")  # what another processor may round otherwise
    assert estimated.sub("x", str(printed[:half])) == estimated.sub("x", str(printed[half:]))
    assert content["nbformat"] == 4 and len({cell["id"] for cell in content["cells"]}) == len(content["cells"])


def test_an_outsider_trains_evaluates_and_calibrates(tmp_path):
    path = ROOT / "docs" / "examples" / "outsider.py"
    assert len([line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]) <= 22
    sources = os.pathsep.join([str(ROOT), str(ROOT / "envs"), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run([sys.executable, str(path), "16384"], cwd=tmp_path, capture_output=True, text=True,
                          env=os.environ | {"PYTHONPATH": sources})
    assert done.returncode == 0, done.stderr[-2000:]
    hopping, following = done.stdout.splitlines()
    assert float(hopping.split()[-1]) == 1.0 and following.startswith("the next run: Summary(")


def test_the_site_is_built_without_a_warning(tmp_path):
    pytest.importorskip("mkdocs", reason="mkdocs is of the extra docs: pip install -c constraints.txt -e '.[docs]'")
    pytest.importorskip("mkdocstrings", reason="mkdocstrings is of the extra docs")
    sources = os.pathsep.join([str(ROOT), str(ROOT / "envs"), os.environ.get("PYTHONPATH", "")])
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": sources})
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    site = tmp_path / "site"
    environments = (site / "reference" / "environments.html").read_text(encoding="utf-8")
    from gmexp_envs import TASKS, find_task

    assert all(f'id="{name}"' in environments and f"<td><code>{name}</code></td>" in environments for name in TASKS)
    assert find_task("tetris").shifts[3].words[:60] in environments
    reference = (site / "reference" / "cli.html").read_text(encoding="utf-8")
    assert "gmexp calibrate" in reference and "rhat_max" in reference
    assert "next_environment" in (site / "notebooks" / "counts_to_estimate.html").read_text(encoding="utf-8")
    assert (site / "project" / "results" / "quickstart" / "index.html").is_file()


def test_what_is_built_is_ignored_and_what_builds_it_is_an_extra():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    assert any(item.startswith("mkdocs-material") for item in extras["docs"]) and "docs" in extras["dev"][0]
    if shutil.which("git") and (ROOT / ".git").exists():
        ignored = subprocess.run(["git", "check-ignore", "build/site/index.html"], cwd=ROOT, capture_output=True)
        assert ignored.returncode == 0
