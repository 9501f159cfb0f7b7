"""What is committed in results/ is what its data say: figures drawn again are the same, and so are the tables; and no more
than that is committed."""

from __future__ import annotations

import dataclasses
import platform
import re
import shutil
import subprocess
import zlib
from pathlib import Path

import matplotlib
import pytest

from gmexp.artefacts.study import Study
from gmexp.calculator.calibrated import SHIPPED
from gmexp.figures.bench import redraw
from gmexp.figures.catalogue import drawn
from gmexp.figures.data import StudyData
from gmexp.pages import headline, index_page
from gmexp.rates import over_runs
from gmexp.statistics.counts import read_counts

RESULTS = Path(__file__).parents[2] / "results"
STUDIES = index_page.found_studies(RESULTS)
POOLED = Study(RESULTS / index_page.POOLED)
DRAWN = [Study(path.parent) for path in sorted(RESULTS.glob("*/figures")) if path.parent.name != "bench"]

pytestmark = pytest.mark.slow


def drawn_with() -> str:
    """The version of matplotlib that the committed figures name in their metadata."""
    text = next((STUDIES[0].figures).glob("*.svg")).read_text(encoding="utf-8")
    return re.search(r"Matplotlib v([\d.]+)", text)[1]


@pytest.mark.skipif(matplotlib.__version__ != drawn_with() or platform.machine() != "x86_64",
                    reason="another matplotlib draws other SVGs")
@pytest.mark.parametrize("study", DRAWN, ids=[study.root.name for study in DRAWN])
def test_every_committed_figure_is_drawn_again_from_committed_data(study):
    again = dict(drawn(StudyData(study), ["svg"]))
    committed = {path.name: path.read_bytes() for path in study.figures.glob("*.svg")}
    assert again.keys() == committed.keys()
    assert [name for name, data in again.items() if data != committed[name]] == []


@pytest.mark.skipif(matplotlib.__version__ != drawn_with() or platform.machine() != "x86_64",
                    reason="another matplotlib draws other SVGs")
def test_the_benchmarks_figures_are_drawn_again_from_their_reports(tmp_path):
    for path in (RESULTS / "bench").glob("*.json"):
        shutil.copy(path, tmp_path)
    drawn = {path.name: path.read_bytes() for path in redraw(tmp_path) if path.suffix == ".svg"}
    assert drawn == {path.name: path.read_bytes() for path in (RESULTS / "bench").glob("*.svg")}


def means(rates: over_runs.Rates) -> list[tuple]:
    """Every cell's rates, and what they are made of run by run."""
    return [(*over_runs.cell_order(cell), cell.condition, metric, getattr(cell, metric).mean,
             [(run.run_id, run.k, run.n) for run in getattr(cell, metric).runs])
            for cells in (rates.cells, rates.above_threshold) for cell in cells for metric in over_runs.METRICS]


@pytest.mark.parametrize("study", STUDIES, ids=[study.root.name for study in STUDIES])
def test_counts_and_rates_follow_from_the_committed_episodes(study, tmp_path):
    copy = Study(tmp_path / "study")
    for path in [study.index, *(study.episodes(run.run_id) for run in study.runs())]:
        (copy.root / path.relative_to(study.root)).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy.root / path.relative_to(study.root))
    committed = over_runs.read_rates(study.rates)
    over_runs.build(copy.root, committed.threshold)
    assert means(over_runs.read_rates(copy.rates)) == means(committed)  # intervals are those of the version that wrote them
    unsaid = {"learner": None, "demonstrator": None}  # in counts of the first edition
    again, before = ([dataclasses.replace(row, **unsaid) for row in read_counts(path)]
                     for path in (copy.counts, study.counts))
    assert again == before


@pytest.mark.skipif(not POOLED.estimate.exists(), reason="the studies were not pooled yet")
def test_the_headline_is_that_of_the_pooled_calibration():
    assert headline.table(StudyData(POOLED)) == (RESULTS / "headline.md").read_text(encoding="utf-8")


@pytest.mark.skipif(not POOLED.calibration.exists(), reason="the studies were not pooled yet")
def test_the_shipped_calibration_is_the_pooled_one():
    for suffix in (".json", ".npz"):
        assert SHIPPED.with_suffix(suffix).read_bytes() == POOLED.calibration.with_suffix(suffix).read_bytes()


def test_pictures_films_and_pages_are_made_and_not_committed():
    listed = subprocess.run(["git", "ls-files", "results"], cwd=RESULTS.parent, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    files = [RESULTS.parent / line for line in listed.stdout.splitlines()]
    readme = (RESULTS.parent / "README.md").read_text(encoding="utf-8")
    pictures = {path for path in files if path.suffix == ".png"} - {RESULTS / "figures" / "level.png"}
    assert pictures and all(f"]({path.relative_to(RESULTS.parent)})" in readme for path in pictures)
    assert {path.suffix for path in files} <= {".md", ".json", ".npz", ".parquet", ".svg", ".png"}
    assert not [path for path in files if path.name.startswith(("checkpoint", "resume"))]
    assert sum(len(zlib.compress(path.read_bytes())) for path in files if path.exists()) < 2e6 * len(STUDIES)  # as git packs
