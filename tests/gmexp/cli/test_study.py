"""Published beside calibrated."""


from dataclasses import asdict, replace

import numpy as np
import pytest

from gmexp import artefacts
from gmexp.artefacts import tables
from gmexp.artefacts.records import OutcomeCounts
from gmexp.artefacts.study import Study
from gmexp.calculator import Scenario
from gmexp.calculator import sensitivity
from gmexp.calculator.base_rates import base_rate_table, base_rates
from gmexp.calculator.sensitivity import tornado
from gmexp.cli.config import load
from gmexp.cli.study import calibrate
from gmexp.statistics.calibrate import calibrate as fit
from gmexp.statistics.calibration import Calibration
from gmexp.statistics.simulate import synthetic_counts
from gmexp.support.errors import UserError

from ..tiny import QUICK, SAMPLER


@pytest.fixture(scope="module")
def rows():
    """Four runs of two conditions under shift 3, goal failure .8 and .1."""
    rng = np.random.default_rng(0)
    found = []
    for row in synthetic_counts(diversities=(0.0, 0.3), runs=4, shifts=(3,), episodes=100, env="coinrun", masked=False):
        capable = int(rng.binomial(100, 0.7))
        proxy = int(rng.binomial(capable, 0.1 if row.train_diversity else 0.8))
        found.append(replace(row, n_intended=capable - proxy, n_proxy=proxy, n_timeout=100 - capable, n_death=0,
                             n_ambiguous=0, n_distinguishing=100))
    return tuple(found)


@pytest.mark.slow
def test_base_rates_side_by_side(rows, lenient):
    calibration = fit(rows, lenient)
    (shift,) = base_rates(calibration, rows)
    assert shift["published"] == {"capability": 0.55, "goal_failure": 0.55, "p_misgen": pytest.approx(0.3025)}
    fixed, diverse = shift["conditions"]
    assert (fixed["train_diversity"], diverse["train_diversity"]) == (0.0, 0.3)
    assert fixed["goal_failure"]["mean"] > 0.55 > diverse["goal_failure"]["mean"]
    for condition in shift["conditions"]:
        for rate in ("capability", "goal_failure", "p_misgen"):
            low, mean, high = (condition[rate][key] for key in ("q025", "mean", "q975"))
            assert 0 <= low < mean < high <= 1
    assert "coinrun, delta 0.3" in base_rate_table([shift])


@pytest.mark.slow
def test_sensitivity_follows_the_calibration(rows, tmp_path):
    """Written once for a calibration, kept while it stands, written anew for another."""
    study = Study(tmp_path)
    sensitivity.write(study)
    assert not study.sensitivity.exists()  # nothing to speak of yet
    written = []
    for seed in (0, 0, 1):
        fit(rows, replace(QUICK, seed=seed)).save(study.calibration)
        sensitivity.write(study)
        written.append(study.sensitivity.read_bytes())
    assert written[0] == written[1] != written[2]
    content = artefacts.read_json(study.sensitivity)
    assert content["tornado"] == [asdict(bar) | {"swing": bar.swing} for bar in tornado(Scenario(3))]
    assert {row["name"] for row in content["sobol"]} == {"base", "M_spec", "M_cap", "M_div", "M_align", "harm", "model"}
    none, full = ({(row["stage"], row["shift"]): row for row in content["priors"] if row["a0"] == a0} for a0 in (0, 1))
    for key, row in full.items():
        assert none[key]["q025"] == pytest.approx(0.025) and none[key]["mean"] == 0.5
        assert row["q025"] > 0 and row["q975"] < 1


def test_missing_counts_are_one_line(tmp_path):
    with pytest.raises(UserError, match="nowhere.parquet") as error:
        calibrate(load("calibrate", [f"counts={tmp_path / 'nowhere.parquet'}", f"out={tmp_path / 'c.json'}"]))
    assert "\n" not in str(error.value)


@pytest.mark.slow
def test_calibrating_a_study_in_its_folder_brings_its_estimates_up_to_date(rows, tmp_path, capsys):
    study = Study(tmp_path)
    tables.write_table(study.counts, rows, OutcomeCounts)
    config = load("calibrate", [f"counts={tmp_path}", f"out={tmp_path / 'elsewhere' / 'calibration.json'}", *SAMPLER])
    assert calibrate(config) == 0 and not study.estimate.exists() and not study.calibration.exists()
    assert calibrate(replace(config, out=str(study.calibration))) == 0
    ((shift,), found) = study.estimates(), Calibration.load(study.calibration).predict(Scenario(3, diversity=0.0))
    assert shift["next_environment"]["goal_failure"]["mean"] == pytest.approx(found.goal_failure.mean)
    assert "coinrun, delta 0.3" in capsys.readouterr().out
