"""One small calibration shared by the tests of this folder."""

import pytest

from gmexp.statistics.config import CalibrationConfig
from gmexp.statistics.fit import calibrate
from gmexp.statistics.simulate import synthetic_counts

LENIENT = CalibrationConfig(chains=8, warmup=300, draws=150, rhat_max=1.05, ess_min=100)


@pytest.fixture(scope="session")
def lenient():
    """A configuration for tests: a quick run under a loose gate."""
    return LENIENT


@pytest.fixture(scope="session")
def counts():
    return synthetic_counts(runs=4, episodes=200, seed=1)


@pytest.fixture(scope="session")
def calibration(counts):
    return calibrate(counts, LENIENT)
