"""Every run in order, and how often intervals cover."""

import numpy as np
import pytest

from gmexp.figures import between_runs
from gmexp.rates import between_runs as stage
from gmexp.rates.over_runs import build

from ..fabricate import Truth, fabricate


@pytest.mark.slow
def test_every_run_is_shown_in_order(tmp_path, draw, monkeypatch):
    truth = Truth({0.0: [0.9] * 10}, {0.0: np.linspace(0.1, 0.9, 10).tolist()})
    study = fabricate(tmp_path, truth, slots=2)
    build(study.root)
    assert draw(between_runs, study) is None
    monkeypatch.setattr(stage, "DRAWS", 20)
    stage.write(study)
    _, goal, coverage = draw(between_runs, study).axes
    dots = [c.get_offsets()[0] for c in goal.collections if len(c.get_offsets()) == 1]
    rates = [float(y) for _, y in sorted(map(tuple, dots))]
    assert len(rates) == 10 and rates == sorted(rates)
    assert coverage.get_title(loc="left").startswith("How often")
