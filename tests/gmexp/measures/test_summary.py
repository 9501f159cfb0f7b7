"""Measures of all runs, brought together: from a tiny study to measures.json and its figures."""

from __future__ import annotations

import dataclasses
import shutil

import pytest

from gmexp import artefacts
from gmexp.artefacts import tables
from gmexp.artefacts.study import Study
from gmexp.cli.main import main
from gmexp.figures.figures import FIGURES
from gmexp.measures import summary
from gmexp.measures.attribution import EFFECTS
from gmexp.measures.summary import Mean
from gmexp.support.errors import UserError
from gmexp.training import train
from gmexp_envs.coinrun.task import TASK
from gmexp_envs.task import FACTOR_NAMES

from ..tiny import train_config

pytestmark = pytest.mark.slow

FEW = ("evaluation.episodes=8", "evaluation.slots=8", "evaluation.shifts=[0,3]", "evaluation.probes=[0]",
       "evaluation.grades=[0.5,1]")  # fmt: skip


@pytest.fixture(scope="module")
def measured(tmp_path_factory) -> Study:
    """Two runs of each of two conditions, measured in every way. Read only."""
    root = tmp_path_factory.mktemp("measured")
    for delta in (0.0, 0.3):
        for seed in (0, 1):
            train.run(train_config(root, f"env.diversity={delta}", f"seed={seed}", "env.horizon=200"))
    study = Study(root)
    for run in study.gather():
        folder = f"run={study.run(run.run_id)}"
        assert main(["evaluate", folder, *FEW]) == 0
        assert main(["measure", folder, *FEW]) == 0
    assert main(["rates", f"study={root}"]) == 0
    return study


def test_every_measure_of_every_run_is_in_it(measured):
    found = summary.read(measured.measures)
    cells = {(e.effect, e.condition, e.shift_type, e.grade) for e in found.effects}
    assert cells == {(effect, condition, kind, grade) for effect in EFFECTS
                     for condition in ("delta=0", "delta=0.3") for kind, grade in ((0, 0.0), (3, 1.0))}
    assert all(len(e.value.runs) == 2 for e in found.effects)
    assert [c.condition for c in found.critics] == ["delta=0", "delta=0.3"]
    assert {(m.condition, m.shift_type, m.grade, m.probe) for m in found.magnitudes} == {
        (condition, *cell) for condition in ("delta=0", "delta=0.3")
        for cell in ((0, 0.0, False), (0, 0.0, True), (3, 0.5, False), (3, 1.0, False))}
    assert {(f.condition, f.factor, f.grade, f.probe) for f in found.factors} == {
        (condition, factor, 1.0, probed) for condition in ("delta=0", "delta=0.3") for factor in FACTOR_NAMES
        for probed in (False, True)}
    assert all(f.goal_failure.mean is None for f in found.factors if f.factor == "appearance" and not f.probe
               and f.condition == "delta=0")  # nothing separates the goals
    assert found == summary.summarise(measured)


def test_the_second_time_nothing_is_measured(measured, capsys):
    folder = measured.run(measured.gather()[0].run_id)
    names = ("attribution.parquet", "critic.json", "factors.parquet", "magnitude.parquet")
    before = [(folder / name).stat().st_mtime_ns for name in names]
    assert main(["measure", f"run={folder}", *FEW]) == 0
    assert [(folder / name).stat().st_mtime_ns for name in names] == before
    out = capsys.readouterr().out
    assert all(name in out for name in names)


def test_measuring_again_gives_the_same(measured, tmp_path):
    run = measured.gather()[0].run_id
    copy = Study(tmp_path)
    copy.run(run).parent.mkdir(parents=True)
    shutil.copytree(measured.run(run), copy.run(run))
    for name in ("attribution.parquet", "critic.json", "factors.parquet", "magnitude.parquet"):
        (copy.run(run) / name).unlink()
    assert main(["measure", f"run={copy.run(run)}", *FEW]) == 0
    for name in ("attribution.parquet", "factors.parquet", "magnitude.parquet"):
        old, new = (tables.pq.read_table(study.run(run) / name) for study in (measured, copy))
        assert old.equals(new)
    old, new = (artefacts.read_json(study.run(run) / "critic.json")["profile"] for study in (measured, copy))
    assert old == new


@pytest.mark.parametrize("name", ["attribution", "critic", "factors", "magnitudes"])
def test_figures(measured, name):
    assert FIGURES[name](measured) is not None


def test_a_study_without_measures_has_none(tmp_path):
    with pytest.raises(UserError):
        summary.read(tmp_path / "measures.json")


def test_unknown_measures_are_refused_in_one_line(capsys):
    assert main(["measure", "run=x", "measures=[atribution]"]) == 2
    assert "choose from attribution, critic, factors, magnitude" in capsys.readouterr().err


def test_another_versions_file_is_refused(tmp_path, measured):
    content = artefacts.read_json(measured.measures)
    content["effects"][0]["surprise"] = 1
    path = artefacts.write_json(tmp_path / "measures.json", content)
    with pytest.raises(UserError, match="not a measures file of this version"):
        summary.read(path)


def test_unknown_values_stay_unknown():
    assert summary._mean([None, None]) == Mean(None, None, None, (None, None))
    assert summary._mean([0.5]) == Mean(0.5, -1.0, 1.0, (0.5,))
    assert dataclasses.astuple(summary._mean([0.2, 0.2], [0.1, 0.1]))[1:3] != (0.2, 0.2)
