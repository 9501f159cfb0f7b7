"""The variance between runs, on runs whose variance is known."""

import numpy as np
import pytest

from gmexp import artefacts
from gmexp.rates import between_runs
from gmexp.rates.over_runs import CellRates, build, rate_of

RNG = np.random.default_rng(0)


def cell(k: np.ndarray, n: np.ndarray) -> CellRates:
    rate = rate_of([f"r{i}" for i in range(len(k))], k, n, RNG)
    return CellRates("delta=0", 3, "significant", 1.0, False, len(k), int(n.sum()), rate, rate, rate)


@pytest.mark.slow
def test_equal_runs_do_not_differ_and_may_be_pooled():
    n = np.full(400, 200)
    found = between_runs.between_runs(cell(RNG.binomial(n, 0.4), n), "capability", np.random.default_rng(1))
    assert found.sd_between < 0.015 and found.sd_within == pytest.approx(np.sqrt(0.24 / 200), rel=0.05)
    assert found.design_effect == pytest.approx(1, abs=0.3)
    assert all(each.pooled > 0.9 for each in found.coverage)


def test_all_or_nothing_runs_must_not_be_pooled():
    k, n = np.array([0, 200] * 20), np.full(40, 200)
    found = between_runs.between_runs(cell(k, n), "goal_failure", np.random.default_rng(1))
    assert found.sd_between == pytest.approx(np.sqrt(0.25 * 40 / 39)) and found.sd_within == 0
    assert found.share_between == 1 and found.design_effect == pytest.approx(200 * 40 / 39)
    assert found.runs == 40 and found.episodes == 8000 and (found.lowest, found.highest) == (0, 1)
    ten = next(each for each in found.coverage if each.runs == 10)
    assert ten.pooled < 0.3 < 0.9 < ten.clustered and ten.pooled_width < ten.clustered_width
    assert found.pooled[1] - found.pooled[0] < 0.03 < 0.2 < found.clustered[1] - found.clustered[0]


@pytest.mark.slow
def test_it_is_written_read_and_told_for_cells_with_enough_runs(study, monkeypatch):
    build(study.root)
    between_runs.write(study)
    assert between_runs.read(study) == []  # four runs per condition
    monkeypatch.setattr(between_runs, "LEAST_RUNS", 4)
    monkeypatch.setattr(between_runs, "DRAWS", 50)
    between_runs.write(study)
    found = between_runs.read(study)
    assert {item.metric for item in found} == {"capability", "goal_failure"} and all(item.runs == 4 for item in found)
    first = study.between_runs.read_bytes().partition(b"provenance")[0]
    between_runs.write(study)
    assert study.between_runs.read_bytes().partition(b"provenance")[0] == first
    text = between_runs.table(found)
    assert "3 runs: 95% intervals of pooled episodes cover" in text and text.count("\n") == len(found) + 1


def test_what_an_earlier_version_wrote_is_read(study, monkeypatch, capsys):
    monkeypatch.setattr(between_runs, "LEAST_RUNS", 4)
    monkeypatch.setattr(between_runs, "DRAWS", 50)
    between_runs.write(study)
    found = between_runs.read(study)
    content = artefacts.read_json(study.between_runs)
    artefacts.write_json(study.root / "spread.json", {"spreads": content["cells"]})
    study.between_runs.unlink()
    capsys.readouterr()
    assert between_runs.read(study) == between_runs.read(study) == found
    assert capsys.readouterr().err.count("spread.json") <= 1
