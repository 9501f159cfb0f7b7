"""Conditions as mitigations: who is compared with whom, and the committed studies' own numbers."""

import dataclasses
from pathlib import Path

import pytest

from gmexp import artefacts
from gmexp.artefacts import tables
from gmexp.artefacts.records import CurvePoint, OutcomeCounts
from gmexp.artefacts.study import Study
from gmexp.mitigations import stage
from gmexp.mitigations.by_condition import DIVERSE, SPECIFIED, TOGETHER, compare
from gmexp.rates import mitigated
from gmexp.statistics.counts import read_counts

from ..fabricate import meta
from ..rates.rows import counts

RESULTS = Path(__file__).parents[3] / "results"


@pytest.fixture
def study(tmp_path) -> Study:
    """Two deltas at two qualities, three runs each; the risk is 60, 30, 48 and 12 in a hundred."""
    study, runs, rows = Study(tmp_path), [], []
    for (delta, quality), proxy in {(0.0, 1.0): 60, (0.3, 1.0): 30, (0.0, 0.55): 48, (0.3, 0.55): 12}.items():
        for seed in range(3):
            run = dataclasses.replace(meta(f"d{delta:g}-q{quality:g}-s{seed}", delta, seed), spec_quality=quality)
            runs.append(run)
            rows.append(counts(seed, proxy=proxy, run_id=run.run_id, train_diversity=delta, spec_quality=quality))
    study.write_index("synthetic", {}, runs, artefacts.provenance("test", {}, "a study of known truth"))
    tables.write_table(study.counts, rows, OutcomeCounts)
    return study


def test_who_is_compared_with_whom(study):
    found = {(row.method, row.setting): row for row in compare(study)}
    assert set(found) == {
        (DIVERSE, "delta 0 to 0.3"), (DIVERSE, "delta 0 to 0.3, at quality 0.55"),
        (SPECIFIED, "quality 0.55 to 1, at delta 0"), (SPECIFIED, "quality 0.55 to 1, at delta 0.3"),
        (TOGETHER, "delta 0 to 0.3 and quality 0.55 to 1")}
    diverse = found[DIVERSE, "delta 0 to 0.3"]
    assert diverse.realised.relative[0] == pytest.approx(0.5) and diverse.pairs == 3 and diverse.declared
    assert not found[DIVERSE, "delta 0 to 0.3, at quality 0.55"].declared
    together = found[TOGETHER, "delta 0 to 0.3 and quality 0.55 to 1"]
    assert together.published is None and together.realised.relative[0] == pytest.approx(1 - 30 / 48)


def test_without_a_masked_arm_risks_are_those_of_first_events(study):
    unmasked = {"n_masked": None, "masked_intended": None, "masked_proxy": None}
    rows = [dataclasses.replace(row, **unmasked) for row in read_counts(study.counts)]
    tables.write_table(study.counts, rows, OutcomeCounts)
    diverse = next(row for row in compare(study) if row.setting == "delta 0 to 0.3")
    assert diverse.edition == "first events" and diverse.latent is None
    assert diverse.realised.relative[0] == pytest.approx(0.5)


def test_the_stage_writes_what_there_is(study, tmp_path_factory):
    assert stage.conclude(study) == mitigated.read(study.mitigations)
    alone = Study(tmp_path_factory.mktemp("alone"))
    run = meta("d0-s0", 0.0, 0)
    alone.write_index("synthetic", {}, [run], artefacts.provenance("test", {}, "one run"))
    tables.write_table(alone.counts, [counts(0, run_id=run.run_id, train_diversity=0.0, spec_quality=1.0)], OutcomeCounts)
    assert stage.conclude(alone) == mitigated.Mitigated() and not alone.mitigations.exists()


@pytest.mark.slow
def test_the_committed_studies():
    causal = [row for row in compare(Study(RESULTS / "langosco_coinrun")) if row.declared and row.shift_type == 3]
    assert [(row.edition, row.pairs) for row in causal] == [("both arms", 6)]
    assert causal[0].latent.relative == pytest.approx((0.63, 0.46, 0.80), abs=0.006)
    varied = {row.method: row for row in compare(Study(RESULTS / "modifiers")) if row.declared and row.shift_type == 3}
    assert {row.edition for row in varied.values()} == {"both arms"}
    assert varied[SPECIFIED].latent.relative == pytest.approx((0.30, 0.13, 0.46), abs=0.006)


@pytest.mark.parametrize("commits, expected", [(("a", "a"), 2.0), (("a", "b"), None)])
def test_wall_clock_is_compared_of_runs_that_one_commit_trained(study, commits, expected):
    """Runs that reuse= brings were trained at another time, beside other work."""
    rows = [dataclasses.replace(row, git_sha=commits[row.train_diversity > 0]) for row in read_counts(study.counts)]
    tables.write_table(study.counts, rows, OutcomeCounts)
    for run in study.runs():
        point = CurvePoint(100, 20.0 if run.train_diversity > 0 else 10.0, 5, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 100.0)
        tables.write_table(study.curve(run.run_id), [point], CurvePoint)
    (row,) = (row for row in compare(study) if row.setting == "delta 0 to 0.3" and row.shift_type)
    assert row.price.wall_clock == expected
