"""Measures of all runs, brought together: from a tiny study to measures.json and its figures."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gmexp import artefacts
from gmexp.artefacts import tables
from gmexp.artefacts.study import Study
from gmexp.cli.main import main
from gmexp.figures.catalogue import known
from gmexp.figures.data import StudyData
from gmexp.measures import find_measure, measure_names, pool
from gmexp.measures.attribution import EFFECTS
from gmexp.measures.context import mean_over_runs
from gmexp.rates.intervals import Mean
from gmexp.support.errors import UserError
from gmexp.training import train
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
    found = pool.read(measured)
    cells = {(e.effect, e.condition, e.shift_type, e.grade) for e in found["attribution"]}
    assert cells == {(effect, condition, kind, grade) for effect in EFFECTS
                     for condition in ("delta=0", "delta=0.3") for kind, grade in ((0, 0.0), (3, 1.0))}
    assert all(len(e.value.runs) == 2 for e in found["attribution"])
    assert [c.condition for c in found["critic"]] == ["delta=0", "delta=0.3"]
    assert {(m.condition, m.shift_type, m.grade, m.probe) for m in found["magnitude"]} == {
        (condition, *cell) for condition in ("delta=0", "delta=0.3")
        for cell in ((0, 0.0, False), (0, 0.0, True), (3, 0.5, False), (3, 1.0, False))}
    assert {(f.condition, f.factor, f.grade, f.probe) for f in found["factors"]} == {
        (condition, factor, 1.0, probed) for condition in ("delta=0", "delta=0.3") for factor in FACTOR_NAMES
        for probed in (False, True)}
    assert all(f.goal_failure.mean is None for f in found["factors"] if f.factor == "appearance" and not f.probe
               and f.condition == "delta=0")  # nothing tells the goals apart
    assert found == pool.pool(measured)


def test_the_second_time_nothing_is_measured(measured, capsys):
    folder = measured.run(measured.gather()[0].run_id)
    names = ("attribution.parquet", "critic.parquet", "factors.parquet", "magnitude.parquet")
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
    for name in ("attribution.parquet", "critic.parquet", "factors.parquet", "magnitude.parquet"):
        (copy.run(run) / name).unlink()
    assert main(["measure", f"run={copy.run(run)}", *FEW]) == 0
    for name in ("attribution.parquet", "critic.parquet", "factors.parquet", "magnitude.parquet"):
        old, new = (tables.read_any_table(study.run(run) / name) for study in (measured, copy))
        assert old.equals(new)


@pytest.mark.parametrize("name", ["attribution", "critic", "factors", "magnitudes"])
def test_figures(measured, name):
    figure = next(figure for figure in known() if figure.name == name)
    assert figure.draw(StudyData(measured)) is not None


def test_a_study_without_measures_has_none(tmp_path):
    assert pool.read(Study(tmp_path)) == {name: () for name in measure_names()}
    assert pool.show(pool.read(Study(tmp_path))) == ""


def test_unknown_measures_are_refused_in_one_line(capsys):
    assert main(["measure", "run=x", "measures=[atribution]"]) == 2
    assert "choose from attribution, critic, factors, magnitude" in capsys.readouterr().err


def test_another_versions_file_is_refused(tmp_path, measured):
    content = artefacts.read_json(measured.measures)
    content["attribution"][0]["surprise"] = 1
    artefacts.write_json(tmp_path / "measures.json", content)
    with pytest.raises(UserError, match="not a measures file of this version"):
        pool.read(Study(tmp_path))


def test_unknown_values_stay_unknown():
    assert mean_over_runs([None, None]) == Mean(None, None, None, (None, None))
    assert mean_over_runs([0.5]) == Mean(0.5, -1.0, 1.0, (0.5,))
    assert dataclasses.astuple(mean_over_runs([0.2, 0.2], [0.1, 0.1]))[1:3] != (0.2, 0.2)


# --- committed results, and other people's measures -------------------------------------------------------------------

COMMITTED = Study(Path(__file__).parents[3] / "results" / "quickstart")


def test_committed_measures_are_read_and_pooled_again_to_the_same(capsys):
    """Written before the tables were renamed: read with one line of notice for every kind of file."""
    found = pool.read(COMMITTED)
    assert len(found["attribution"]) == 12 and len(found["critic"]) == 2
    assert pool.pool(COMMITTED) == found
    assert len(capsys.readouterr().err.splitlines()) <= 3


def test_pooling_needs_neither_torch_nor_numba():
    program = (f"import sys\nfrom pathlib import Path\nfrom gmexp.artefacts.study import Study\n"
               f"from gmexp.measures import pool\nstudy = Study(Path({str(COMMITTED.root)!r}))\n"
               "assert pool.show(pool.pool(study)) == pool.show(pool.read(study)) != ''\n"
               "print(*{'torch', 'numba', 'sklearn', 'hydra'} & set(sys.modules))")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


LENGTHS = '''"""A measure of somebody else's: how long episodes last."""

from dataclasses import dataclass

from gmexp.measures import Measure


@dataclass(frozen=True)
class Length:
    run_id: str
    shift_type: int
    steps: float


@dataclass(frozen=True)
class MeanLength:
    condition: str
    steps: float


def take(context):
    columns = context.play(context.cells(probes=[]))
    kinds = columns["shift_type"]
    return [Length(context.run_id, int(kind), float(columns["length"][kinds == kind].mean())) for kind in sorted(set(kinds))]


def size(context):
    return len(context.cells(probes=[])) * context.plan.episodes


def pool(runs):
    return [MeanLength(run.condition, sum(row.steps for row in run.rows) / len(run.rows)) for run in runs]


def show(pooled):
    return "\\n".join(f"{row.condition}: {row.steps:.0f} steps" for row in pooled)


MEASURE = Measure("lengths", "how long episodes last", Length, MeanLength, take, size, pool, show)
'''


def test_a_measure_of_another_package_is_one_file(measured, tmp_path, monkeypatch, capsys):
    (tmp_path / "their_lengths.py").write_text(LENGTHS)
    monkeypatch.syspath_prepend(tmp_path)
    copy = Study(Path(shutil.copytree(measured.root, tmp_path / "study")))
    for run in copy.runs():
        assert main(["measure", f"run={copy.run(run.run_id)}", "measures=[their_lengths:MEASURE]", *FEW]) == 0
        assert (copy.run(run.run_id) / "lengths.parquet").is_file()
    text = pool.conclude(copy, ["their_lengths:MEASURE"])
    assert text.count(" steps") == 4
    (rows,) = (rows for name, rows in pool.read(copy).items() if name == "their_lengths:MEASURE")
    assert len(rows) == 4 and all(1 <= row.steps <= 400 for row in rows)


def test_what_is_no_measure_is_one_line():
    with pytest.raises(ValueError, match="choose from attribution, critic, factors, magnitude"):
        find_measure("atribution")
    with pytest.raises(ValueError, match="cannot be imported"):
        find_measure("gmexp.nowhere:MEASURE")
    with pytest.raises(ValueError, match="is a module, not a Measure|is a function, not a Measure"):
        find_measure("gmexp.measures.pool:read")
