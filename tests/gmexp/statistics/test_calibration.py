"""Acceptance 12: the artefact round-trips bit by bit, and refuses what was tampered with."""

import json
import zipfile

import numpy as np
import pytest

from gmexp.artefacts.records import Provenance
from gmexp.calculator import Calculator, Scenario
from gmexp.calculator.calibrated import SHIPPED
from gmexp.statistics.calibration import Calibration
from gmexp.support.errors import UserError


def test_round_trip_is_bit_identical(calibration, tmp_path):
    path = calibration.save(tmp_path / "a" / "calibration.json")
    loaded = Calibration.load(path)
    for name, draws in calibration.posterior.draws.items():
        assert draws.dtype == np.float64 and np.array_equal(draws, loaded.posterior.draws[name])
    again = loaded.save(tmp_path / "b" / "calibration.json")
    assert path.read_bytes() == again.read_bytes()
    assert path.with_suffix(".npz").read_bytes() == again.with_suffix(".npz").read_bytes()
    for scenario in (Scenario(3, diversity=0.1), Scenario(0), Scenario(4, alignment="bc", grade=0.4)):
        for kind in ("mean_over_runs", "next_run"):
            assert loaded.predict(scenario, kind).misgen == calibration.predict(scenario, kind).misgen


def test_the_draws_hold_no_pickles(calibration, tmp_path):
    path = calibration.save(tmp_path / "calibration.json")
    with zipfile.ZipFile(path.with_suffix(".npz")) as archive:
        for name in archive.namelist():
            with archive.open(name) as member:
                version = np.lib.format.read_magic(member)
                assert not np.lib.format._read_array_header(member, version)[2].hasobject


def test_a_changed_draw_file_is_refused(calibration, tmp_path):
    path = calibration.save(tmp_path / "calibration.json")
    draws = path.with_suffix(".npz")
    data = bytearray(draws.read_bytes())
    data[len(data) // 2] ^= 1
    draws.write_bytes(data)
    with pytest.raises(UserError, match="sha256 differs"):
        Calibration.load(path)


@pytest.mark.parametrize("damage, fragment", [
    (lambda d: d.pop("draws"), "not a calibration"), (lambda d: d.pop("model"), "not a calibration"),
    (lambda d: d.update(schema_version=99), "schema version 99"),
    (lambda d: d["model"].pop("structure"), "not a calibration"),
])
def test_a_damaged_document_is_refused(calibration, tmp_path, damage, fragment):
    path = calibration.save(tmp_path / "calibration.json")
    document = json.loads(path.read_text())
    damage(document)
    path.write_text(json.dumps(document))
    with pytest.raises(UserError, match=fragment):
        Calibration.load(path)


def test_missing_files_and_wrong_names(calibration, tmp_path):
    with pytest.raises(UserError, match="no calibration at"):
        Calibration.load(tmp_path / "absent.json")
    path = calibration.save(tmp_path / "calibration.json")
    path.with_suffix(".npz").unlink()
    with pytest.raises(UserError, match="no calibration at"):
        Calibration.load(path)
    (tmp_path / "text.json").write_text("hello")
    with pytest.raises(UserError, match="not a calibration"):
        Calibration.load(tmp_path / "text.json")
    with pytest.raises(UserError, match="saved as .json"):
        calibration.save(tmp_path / "calibration.yaml")


def test_an_interrupted_save_leaves_the_old_files(calibration, tmp_path, monkeypatch):
    path = calibration.save(tmp_path / "calibration.json")
    before = sorted((p.name, p.read_bytes()) for p in tmp_path.iterdir())
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        calibration.save(path)
    assert sorted((p.name, p.read_bytes()) for p in tmp_path.iterdir()) == before


def test_provenance_explains_the_artefact(calibration):
    p = calibration.provenance
    assert (p["n_runs"], p["n_rows"], p["n_episodes"], p["rng_seed"]) == (8, 80, 16_000, 0)
    assert len(p["data_sha256"]) == 64 and p["wall_s"] > 0 and set(p["packages"]) == {"numpy", "scipy"}
    stage = Provenance("gmexp calibrate", "2026-01-01T00:00:00Z", "abc", False, "hash", "a test", {}, "3", "x", "cpu")
    assert calibration.with_provenance(stage).provenance["git_sha"] == "abc"
    assert calibration.with_provenance(stage).provenance["n_runs"] == 8
    assert calibration.with_provenance(stage).provenance["wall_s"] == p["wall_s"]  # the stage does not know it


def test_every_section_of_the_document_is_there(calibration, tmp_path):
    document = json.loads(calibration.save(tmp_path / "calibration.json").read_text())
    assert {"schema_version", "provenance", "estimand", "model", "diagnostics", "summaries", "modifiers", "literature",
            "harm", "warnings", "draws"} == set(document)
    assert {"rhat_max", "ess_bulk_min", "ess_tail_min", "divergences", "loso_elpd", "pit_p"} <= set(
        document["diagnostics"])
    assert document["draws"]["n"] == len(calibration.posterior.rho)
    kinds = {(s["quantity"], s["kind"]) for s in document["summaries"]}
    assert len(kinds) == 6 and len(document["summaries"]) == 6 * 10  # 5 shifts x 2 conditions


def test_calculator_uses_the_posterior(calibration, tmp_path):
    path = calibration.save(tmp_path / "calibration.json")
    e = Calculator(mode="calibrated", calibration=path).estimate(Scenario(4, diversity=0.0))
    assert 0 <= e.interval[0] < e.value < e.interval[1] <= 1
    assert e.p_harmful == e.value < e.p_misgen == pytest.approx(
        calibration.predict(Scenario(4, diversity=0.0)).misgen.mean)
    assert [c.name for c in e.contributions] == ["base", "M_div", "harm"]
    certain = Calculator(mode="calibrated", calibration=calibration, harm=1.0).estimate(Scenario(4, diversity=0.0))
    assert certain.value == pytest.approx(e.p_misgen)
    by_table = Calculator(mode="calibrated", calibration=calibration, harm="printed")
    printed = by_table.estimate(Scenario(4, diversity=0.0))
    assert printed.value == pytest.approx(0.82 * e.p_misgen)
    many = Calculator(mode="calibrated", calibration=calibration).estimate_many(shift=[4, 0], diversity=[0.0, 0.3])
    assert many.value[0] == e.value and many.low[0] == e.interval[0] and many.value.shape == (2,)


def test_calculator_refuses_what_a_posterior_cannot_answer(calibration):
    calculator = Calculator(mode="calibrated", calibration=calibration)
    with pytest.raises(UserError, match="give a setting instead of m_div"):
        calculator.estimate(Scenario(4, m_div=0.7))
    with pytest.raises(UserError, match="shift types 1 to 4"):
        Calculator(mode="calibrated", calibration=calibration, harm="printed").estimate(Scenario(0))
    with pytest.raises(UserError, match="kind must be"):
        Calculator(mode="calibrated", calibration=calibration, kind="median").estimate(Scenario(1))


@pytest.mark.skipif(SHIPPED.exists(), reason="a calibration is shipped")
def test_without_a_shipped_calibration_one_clear_line():
    with pytest.raises(UserError, match="no calibration is shipped.*calibration=PATH"):
        Calculator(mode="calibrated")


@pytest.mark.parametrize("at_most", [1200, 1000, 90])
def test_thinning_keeps_evenly_spaced_draws_of_every_chain(calibration, at_most):
    whole, thin = calibration.posterior, calibration.thinned(at_most).posterior
    step = {1200: 1, 1000: 2, 90: 14}[at_most]  # of 8 chains x 150 draws
    kept = [chain * 150 + draw for chain in range(8) for draw in range(0, 150, step)]
    for name, array in whole.draws.items():
        assert np.array_equal(getattr(thin, name), array[kept])
    assert len(thin.rho) == len(kept) and calibration.thinned(at_most).summaries == calibration.summaries
