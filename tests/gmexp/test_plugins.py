"""An environment, a measure, a trainer and a mitigation of other people's, outside the repository, through every stage."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gmexp.artefacts.study import Study

from .examples import EXAMPLES, install
from .tiny import SAMPLER

STUDY = ["experiment=./corridor_study.yaml", "env=corridor:TASK", "agent=random_search_trainer:SPEC", "workers=1",
         *SAMPLER, "out=study"]


def gmexp(folder: Path, *arguments: str) -> str:
    """Run a command in somebody's own folder -> what it prints."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(folder), *sys.path])}
    done = subprocess.run([sys.executable, "-m", "gmexp", *arguments], cwd=folder, env=environment, capture_output=True,
                          text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return Path(shutil.copytree(EXAMPLES, tmp_path_factory.mktemp("elsewhere") / "mine"))


@pytest.fixture(scope="module")
def study(folder) -> Study:
    """Trained, evaluated, measured, counted, calibrated, drawn."""
    gmexp(folder, "run", *STUDY)
    return Study(folder / "study")


@pytest.fixture
def corridor(monkeypatch):
    monkeypatch.syspath_prepend(str(EXAMPLES))
    from corridor import TASK

    return TASK


def test_scripted_policies_have_the_goals_that_they_have(corridor):
    from gmexp.evaluation.function import evaluate

    for goal, failure in (("intended", 0.0), ("proxy", 1.0)):
        done = evaluate(goal, corridor, shifts=[3, 4], episodes=60, probes=[])
        for row in done.counts:
            assert row.n_proxy / (row.n_intended + row.n_proxy) == failure


def test_an_environment_of_ones_own_can_be_copied(corridor):
    import copy

    env = corridor.make(6, [corridor.knobs(None, rho=0.0)], seed=3, observation="semantic", action_repeat=1)
    env.reset()
    rng = np.random.default_rng(0)
    for _ in range(20):
        env.step(rng.integers(5, size=6))
    twin = copy.deepcopy(env)
    for _ in range(100):
        actions = rng.integers(5, size=6)
        for ours, theirs in zip(env.step(actions).observation, twin.step(actions).observation, strict=True):
            np.testing.assert_array_equal(ours, theirs)


@pytest.mark.slow
def test_every_stage_takes_them(folder, study):
    runs = study.runs()
    assert {run.env for run in runs} == {"corridor"} and len(runs) == 6
    assert all((study.run(run.run_id) / "pace.parquet").is_file() for run in runs)
    assert json.loads(study.measures.read_text())["pace_measure:MEASURE"]
    assert study.report.is_file() and "the sign" in study.report.read_text()
    assert (study.figures / "rates.svg").is_file()


@pytest.mark.slow
def test_installed_they_are_known_by_name(folder):
    """A checkpoint is no reason to import a file: what it names is installed, here by its entry points."""
    install(folder)
    gmexp(folder, "train", "env=corridor", "agent=random_search", "steps=2048", "out=named")
    run, = (folder / "named" / "runs").iterdir()
    few = f"run={run}", "evaluation.episodes=40", "evaluation.slots=40"
    gmexp(folder, "evaluate", *few)
    gmexp(folder, "measure", f"run={run}", "measures=[pace]")
    assert (run / "pace.parquet").is_file()
    before = (run / "episodes.parquet").read_bytes()
    gmexp(folder, "evaluate", *few, "mitigation=sticky", "mitigation.hold=3")
    assert (run / "episodes.parquet").read_bytes() != before
