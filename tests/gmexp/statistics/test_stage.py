"""A calibration as a stage: what a long one says while it runs, and what is left where it is refused."""

import pytest

from gmexp.statistics.config import CalibrationConfig
from gmexp.statistics.simulate import synthetic_counts
from gmexp.statistics.stage import Refused, calibrate


@pytest.mark.slow
def test_a_further_attempt_says_why(tmp_path, capsys):
    rows = synthetic_counts(runs=2, shifts=(3,), episodes=20)
    with pytest.raises(Refused, match="raise draws"):
        calibrate(rows, tmp_path / "calibration.json", CalibrationConfig(chains=2, warmup=100, draws=20, attempts=2))
    told = [line for line in capsys.readouterr().err.splitlines() if "not sampled" in line]
    assert len(told) == 1 and "R-hat" in told[0] and told[0].endswith("120 more iterations of every chain")
    assert not any(tmp_path.iterdir())
