"""Studies that several figures are drawn of, each made once; and how a figure is drawn in a test."""

from collections.abc import Callable
from typing import Any

import matplotlib
import numpy as np
import pytest

from gmexp.artefacts.study import Study
from gmexp.figures.data import StudyData
from gmexp.figures.style import STYLE
from gmexp.rates.over_runs import build

from ..fabricate import Truth, fabricate, fabricate_model

DELTAS = (0.0, 0.01, 0.02, 0.03, 0.06, 0.11, 0.3, 1.0)


@pytest.fixture(scope="session")
def draw() -> Callable[[Any, Any], Any]:
    """A figure's module and a study or its data -> the matplotlib figure, laid out; None where it is not drawn."""
    def drawn(module, study):
        with matplotlib.rc_context(STYLE):
            figure = module.FIGURE.draw(study if isinstance(study, StudyData) else StudyData(study))
            if figure is not None:
                figure.draw_without_rendering()
        return figure

    return drawn


@pytest.fixture(scope="session")
def sweep(tmp_path_factory) -> Study:
    """Three conditions, three grades."""
    truth = Truth({delta: [0.9, 0.8] for delta in (0.0, 0.1, 0.3)}, {0.0: [0.9, 1.0], 0.1: [0.4, 0.6], 0.3: [0.1, 0.0]})
    study = fabricate(tmp_path_factory.mktemp("sweep"), truth, grades=(0.25, 0.5, 1.0), slots=5)
    build(study.root)
    fabricate_model(study)
    return study


@pytest.fixture(scope="session")
def many(tmp_path_factory) -> Study:
    """Eight conditions of two runs."""
    rng = np.random.default_rng(0)
    truth = Truth({delta: [0.9] * 2 for delta in DELTAS}, {delta: rng.beta(1, 1, 2).tolist() for delta in DELTAS})
    study = fabricate(tmp_path_factory.mktemp("many"), truth, slots=2)
    build(study.root)
    fabricate_model(study)
    return study
