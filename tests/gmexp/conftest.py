"""A finished synthetic study, made once; tests that write copy it first."""

import shutil
from pathlib import Path

import pytest

from gmexp import figures, rates, report
from gmexp.study import Study

from .fabricate import fabricate, fabricate_model


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A study with every artefact in place. Read only: use `study` to change one."""
    study = fabricate(tmp_path_factory.mktemp("study"))
    rates.build(study.root)
    fabricate_model(study)
    figures.draw_all(study.root)
    report.build_report(study.root)
    return study


@pytest.fixture
def study(finished: Study, tmp_path: Path) -> Study:
    return Study(Path(shutil.copytree(finished.root, tmp_path / "study")))
