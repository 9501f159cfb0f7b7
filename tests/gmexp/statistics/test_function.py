"""`gmexp.calibrate`: the same counts from rows, a file, a study or a result; nothing printed, nothing written."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

import gmexp
from gmexp.artefacts import tables
from gmexp.artefacts.records import OutcomeCounts
from gmexp.artefacts.study import Study
from gmexp.published.scenario import Scenario
from gmexp.statistics import function
from gmexp.statistics.calibration import Calibration
from gmexp.statistics.config import CalibrationConfig
from gmexp.statistics.simulate import synthetic_counts
from gmexp.statistics.calibrate import outcomes
from gmexp.support.errors import UserError

HASTY = CalibrationConfig(chains=2, warmup=100, draws=20, rhat_max=100, ess_min=0.1, divergences_max=1.0, attempts=1)


@pytest.fixture(scope="module")
def few():
    return synthetic_counts(runs=2, shifts=(0, 3), episodes=40, seed=1)


@pytest.mark.slow
def test_counts_become_a_posterior(few, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    told = []
    calibration = gmexp.calibrate(few, config=HASTY, on_progress=told.append)
    assert capsys.readouterr() == ("", "") and not list(tmp_path.iterdir()) and sum(told) >= 120
    assert 0 < calibration.predict(Scenario(shift=3)).goal_failure.mean < 1
    again = Calibration.load(calibration.save(tmp_path / "mine.json"))
    assert again.provenance["outcomes_sha256"] == outcomes(few) and again.provenance["rng_seed"] == HASTY.seed


@pytest.mark.parametrize("source", ["rows", "path", "text", "folder", "study", "result"])
def test_any_source_gives_its_counts(few, tmp_path, monkeypatch, source, capsys):
    study = Study(tmp_path / "study")
    study.root.mkdir()
    tables.write_table(study.counts, few, OutcomeCounts)
    given = {"rows": few, "path": study.counts, "text": str(study.counts), "folder": study.root, "study": study,
             "result": SimpleNamespace(counts=few)}[source]

    def stop(rows, config, progress):
        assert (list(rows), config) == (list(few), HASTY)
        raise UserError("fitted")

    monkeypatch.setattr(function, "fit_counts", stop)
    with pytest.raises(UserError, match="fitted"):
        gmexp.calibrate(given, config=HASTY)
    assert capsys.readouterr() == ("", "")


def test_what_does_not_fit_is_one_line(few, tmp_path):
    for source, words in (([], "no counts"), (tmp_path, "no counts at"), ([SimpleNamespace(counts=few)], "not SimpleName")):
        with pytest.raises(UserError, match=words):
            gmexp.calibrate(source, config=HASTY)
