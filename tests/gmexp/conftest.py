"""A finished synthetic study, made once; tests that write copy it first."""

import shutil
from pathlib import Path

import pytest

from gmexp.artefacts.study import Study
from gmexp.figures import figures
from gmexp.pages import study_page
from gmexp.rates import over_runs

from .fabricate import fabricate, fabricate_model


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A study with every artefact in place. Read only: use `study` to change one."""
    study = fabricate(tmp_path_factory.mktemp("study"))
    over_runs.build(study.root)
    fabricate_model(study)
    figures.draw_all(study.root)
    study_page.build_report(study.root)
    return study


@pytest.fixture
def study(finished: Study, tmp_path: Path) -> Study:
    return Study(Path(shutil.copytree(finished.root, tmp_path / "study")))
