"""Monitoring: what is caught, what audits leave, on fabricated scores."""

import numpy as np
import pytest

from gmexp.artefacts import tables
from gmexp.mitigations.detection import WatchedEpisode, WatchPlan, audited, detections

from ..rates.rows import counts


def run(seed: int, separation: float, score: str = "max_probability"):
    """A hundred episodes under shift 3, sixty wrong, whose scores are so much higher."""
    rng = np.random.default_rng(seed)
    rows = []
    for k in range(100):
        wrong = k < 60
        value = float(rng.normal(separation if wrong else 0.0))
        rows.append(WatchedEpisode(f"run-{seed}", seed, score, 3, "significant", 1.0, k, value, 1.64,
                                   40 if value > 1.64 else None, wrong, 90 if wrong else None))
    return tables.as_table(rows, WatchedEpisode)


def test_a_score_that_knows_and_one_that_does_not():
    (knows,) = detections([run(s, 4) for s in range(4)], "coinrun", "s", "delta 0")
    (blind,) = detections([run(s, 0) for s in range(4)], "coinrun", "s", "delta 0")
    assert knows.auroc[0] > 0.99 and knows.true_positives[0] > 0.97 and knows.lead == pytest.approx(50)
    assert blind.auroc[1] < 0.5 < blind.auroc[2] and blind.true_positives[0] < 0.12
    assert knows.false_positives[0] < 0.12


def test_audits_of_a_score_that_knows_beat_lots():
    own = [counts(s) for s in range(4)]
    rows = {row.setting: row for row in audited(own, [run(s, 9) for s in range(4)], "s", "delta 0")}
    tenth = rows["delta 0, max_probability, 10% audited"]
    assert tenth.realised.relative[0] == pytest.approx(10 / 60) and tenth.control_realised.relative[0] == pytest.approx(0.1)
    assert tenth.latent is None and [row.declared for row in rows.values()] == [False, True, False]


def test_a_plan_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="choose from"):
        WatchPlan(["mood"], 100)
    with pytest.raises(ValueError, match="at least 20"):
        WatchPlan(["distance"], 5)
