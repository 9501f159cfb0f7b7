"""A finished synthetic study and a small calibration, each made once for all workers of pytest-xdist; tests that write copy
the study first."""

import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from gmexp.artefacts.study import Study
from gmexp.figures.catalogue import draw_all
from gmexp.figures.data import StudyData
from gmexp.pages import study_page
from gmexp.rates import over_runs
from gmexp.statistics.calibrate import calibrate
from gmexp.statistics.calibration import Calibration
from gmexp.statistics.config import CalibrationConfig
from gmexp.statistics.simulate import synthetic_counts

from .fabricate import fabricate, fabricate_model

LENIENT = CalibrationConfig(chains=4, warmup=100, draws=100, rhat_max=1.5, ess_min=10, divergences_max=0.05, attempts=3)


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Callable[[Path], object]], Path]:
    """A name, and what makes it in a folder -> the folder; the first worker that asks makes it, the others wait for it."""
    own = tmp_path_factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own

    def made(name: str, make: Callable[[Path], object]) -> Path:
        folder = shared / name
        with open(shared / f"{name}.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not folder.exists():
                begun = tmp_path_factory.mktemp(name)
                make(begun)
                begun.rename(folder)  # whole or not there
        return folder

    return made


@pytest.fixture(scope="session")
def finished(once) -> Study:
    """A study with every artefact in place. Read only: use `study` to change one."""
    return Study(once("finished", _finish))


def _finish(root: Path) -> None:
    study = fabricate(root)
    over_runs.build(study.root)
    fabricate_model(study)
    data = StudyData(study)
    draw_all(data)
    study_page.build_report(data)


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
def calibration(counts, once):
    folder = once("calibration", lambda folder: calibrate(counts, LENIENT).save(folder / "calibration.json"))
    return Calibration.load(folder / "calibration.json")
