"""The artefact round-trips bit by bit and refuses what was tampered with; predictions say whom they are about."""

import hashlib
import json
import zipfile
from dataclasses import replace

import numpy as np
import pytest

from gmexp.calculator import Calculator, Scenario
from gmexp.calculator.calibrated import discount_curve, transport_curve
from gmexp.statistics.calibration import SECTIONS, Calibration
from gmexp.statistics.posterior import QUANTITIES
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
        for kind in ("this_setup", "next_run", "next_environment", "next_environment_next_run"):
            assert loaded.predict(scenario, kind).latent == calibration.predict(scenario, kind).latent


def test_a_calibration_with_draws_in_single_precision_is_read(calibration, tmp_path):
    """Version 3, as quickstart's still is."""
    path = calibration.save(tmp_path / "calibration.json")
    coarse = {name: draws.astype(np.float32) for name, draws in calibration.posterior.draws.items()}
    np.savez(path.with_suffix(".npz"), **coarse)
    document = json.loads(path.read_text()) | {"schema_version": 3}
    document["draws"] |= {"dtype": "float32", "sha256": hashlib.sha256(path.with_suffix(".npz").read_bytes()).hexdigest()}
    document.pop("sha256", None)
    path.write_text(json.dumps(document))
    loaded = Calibration.load(path).posterior
    assert all(np.array_equal(loaded.draws[name], draws) for name, draws in coarse.items())


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
    (lambda d: d.pop("draws"), "draws"), (lambda d: d.pop("model"), "model"),
    (lambda d: d.update(schema_version=99), "schema version 99"),
    (lambda d: d["model"].pop("structure"), "not a calibration"),
    (lambda d: d["model"]["structure"].update(envs=["a", "b", "c"]), "shape"),
    (lambda d: d["model"]["structure"]["cells"][0].__setitem__(0, 99), "none of its cells"),
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
    with pytest.raises(UserError, match="saved as .json"):
        calibration.save(tmp_path / "calibration.yaml")


def test_every_section_is_there_and_explains_itself(calibration, tmp_path):
    document = json.loads(calibration.save(tmp_path / "calibration.json").read_text())
    assert {"schema_version", *SECTIONS, "draws"} == set(document)
    assert {"rhat_max", "ess_bulk_min", "ess_tail_min", "divergences", "loo_elpd", "loo_rows_above_k", "pit_p"} <= set(
        document["diagnostics"]
    )
    assert document["estimand"]["name"] == "two_arms" and document["harm"]["source"].startswith("assumed")
    assert {row["kind"] for row in document["summaries"]} == {"this_setup", "next_run"}
    assert {row["quantity"] for row in document["environments"]["next"]} == set(QUANTITIES)
    assert document["provenance"]["published_model"]["url"].startswith("https://")
    p = calibration.provenance
    assert (p["n_runs"], p["n_environments"], p["rng_seed"]) == (8, 1, 0) and len(p["data_sha256"]) == 64


def test_one_environment_says_how_much_is_assumption(calibration):
    about = calibration.environments["assumption"]
    assert 0 < about["share"] < 1 and [row["omega"] for row in about["by_shift"][0]["sensitivity"]] == [0.5, 1.0, 1.5]
    widths = [high - low for row in about["by_shift"][0]["sensitivity"] for low, high in [row["goal_failure"]]]
    assert widths == sorted(widths)
    assert any(note.startswith("1 environment: ") and "assumption" in note for note in calibration.warnings)
    assert any("1 learner" in note for note in calibration.warnings)


def test_the_population_is_chosen_and_named(calibration):
    scenario = Scenario(3, diversity=0.3)
    following, here, run = (calibration.predict(scenario, kind) for kind in (None, "this_setup", "next_run"))
    assert (following.kind, following.environments) == ("next_environment", 1)
    assert calibration.predict(scenario, env="env0").latent == here.latent
    width = [p.goal_failure.q975 - p.goal_failure.q025 for p in (here, run, following)]
    assert width[0] < width[1] and width[0] < width[2]
    assert here.status == following.status == "measured"
    assert calibration.predict(Scenario(3, diversity=0.1)).status == "interpolated"
    assert calibration.predict(Scenario(3, diversity=0.9)).status == "extrapolated"
    with pytest.raises(UserError, match="leave env out"):
        calibration.predict(scenario, "next_environment", env="env0")
    with pytest.raises(UserError, match="was not measured; measured are env0"):
        calibration.predict(scenario, env="nowhere")
    with pytest.raises(UserError, match="kind must be"):
        calibration.predict(scenario, "median")


def test_a_setting_left_out_is_the_references(calibration):
    assert calibration.predict(Scenario(3)).latent == calibration.predict(Scenario(3, diversity=0.0)).latent
    assert (
        calibration.predict(Scenario(3)).goal_failure.mean
        > calibration.predict(Scenario(3, diversity=0.3)).goal_failure.mean
    )


def test_realised_needs_levels_that_tell_the_goals_apart(calibration):
    apart, revealed = calibration.predict(Scenario(1), "this_setup"), calibration.predict(Scenario(3), "this_setup")
    assert apart.realised.mean == 0 and revealed.realised.mean > 0
    assert revealed.realised.mean < revealed.latent.mean  # accidents that would have been the proxy's


def test_calculator_uses_the_posterior(calibration, tmp_path):
    path = calibration.save(tmp_path / "calibration.json")
    e = Calculator(mode="calibrated", calibration=path).estimate(Scenario(4, diversity=0.3))
    assert (e.kind, e.environments, set(e.intervals)) == ("next_environment", 1, {*QUANTITIES, "harmful"})
    assert e.interval_kind == "95% credible, next_environment, measured"
    assert 0 <= e.interval[0] < e.value < e.interval[1] <= 1 and e.interval == e.intervals["harmful"]
    assert e.value == pytest.approx(sum(c.effect for c in e.contributions))
    assert [(c.name, c.source) for c in e.contributions] == [
        ("base", "measured"),
        ("M_div", "measured"),
        ("harm", "assumed"),
    ]
    prior = Calculator(mode="calibrated", calibration=calibration).estimate(Scenario(4, spec_quality=0.2)).contributions[1]
    assert prior.source == "prior"
    certain = Calculator(mode="calibrated", calibration=calibration, harm=1.0).estimate(Scenario(4, diversity=0.3))
    assert certain.value == pytest.approx(certain.p_misgen)
    with pytest.raises(UserError, match="give a setting instead of m_div"):
        Calculator(mode="calibrated", calibration=calibration).estimate(Scenario(4, m_div=0.7))
    with pytest.raises(UserError, match="uses no env"):
        Calculator(env="env0")


def test_curves_of_transport_and_discount(calibration):
    curve = transport_curve(Scenario(3), calibration)
    assert [round(row["psi"], 3) for row in curve] == [0, 0.247, 0.5, 1, 2] and curve[1]["is"]
    assert curve[-1]["high"] - curve[-1]["low"] > curve[0]["high"] - curve[0]["low"]
    discount = [row for row in discount_curve(Scenario(3), calibration) if row["quantity"] == "goal_failure"]
    assert [row["a"] for row in discount] == [0, 0.25, 0.5, 1]
    assert discount[0]["mean"] == pytest.approx((1 + 2 * 0.55) / 4, abs=1e-3)  # the published Beta alone


def test_thinning_keeps_evenly_spaced_draws_of_every_chain(calibration):
    whole, thin = calibration.posterior, calibration.thinned(40).posterior
    n = whole.size // whole.chains
    step = -(-n // 10)
    kept = [chain * n + draw for chain in range(whole.chains) for draw in range(0, n, step)]
    assert np.array_equal(thin.alpha, whole.alpha[kept]) and calibration.thinned(40).summaries == calibration.summaries


def test_a_single_odd_draw_is_refused(calibration, tmp_path):
    post = calibration.posterior
    broken = post.alpha.copy()
    broken[0, 0, 0] = np.nan
    path = replace(calibration, posterior=replace(post, alpha=broken)).save(tmp_path / "calibration.json")
    with pytest.raises(UserError, match="not finite"):
        Calibration.load(path)
