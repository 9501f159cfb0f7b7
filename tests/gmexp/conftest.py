"""A finished synthetic study and a small calibration, each made once; tests that write copy the study first."""

import shutil
from pathlib import Path

import pytest

from gmexp.artefacts.study import Study
from gmexp.figures.catalogue import draw_all
from gmexp.figures.data import StudyData
from gmexp.pages import study_page
from gmexp.rates import over_runs
from gmexp.statistics.calibrate import calibrate
from gmexp.statistics.config import CalibrationConfig
from gmexp.statistics.simulate import synthetic_counts

from .fabricate import fabricate, fabricate_model

LENIENT = CalibrationConfig(chains=4, warmup=100, draws=100, target_accept=0.95, rhat_max=1.5, ess_min=10,
                            divergences_max=0.05, attempts=3)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A study with every artefact in place. Read only: use `study` to change one."""
    study = fabricate(tmp_path_factory.mktemp("study"))
    over_runs.build(study.root)
    fabricate_model(study)
    data = StudyData(study)
    draw_all(data)
    study_page.build_report(data)
    return study


@pytest.fixture
def study(finished: Study, tmp_path: Path) -> Study:
    return Study(Path(shutil.copytree(finished.root, tmp_path / "study")))


@pytest.fixture(scope="session")
def lenient():
    """A configuration for tests: a quick run under a loose gate."""
    return LENIENT


@pytest.fixture(scope="session")
def counts():
    return synthetic_counts(runs=4, shifts=(0, 1, 3, 4), episodes=200, seed=1)


@pytest.fixture(scope="session")
def calibration(counts):
    return calibrate(counts, LENIENT)
