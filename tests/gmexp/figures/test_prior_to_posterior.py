"""Prior and posterior of every weight of the literature."""

import numpy as np

from gmexp import artefacts
from gmexp.figures import prior_to_posterior

from ..fabricate import PUBLISHED


def test_prior_and_posterior_of_every_weight(finished, draw):
    capability, goal = draw(prior_to_posterior, finished).axes
    rows = artefacts.read_json(finished.calibration)["literature"]
    lines = [tuple(np.round(line.get_xdata(), 9)) for line in capability.lines if len(line.get_xdata()) == 2]
    assert lines.count((0.025, 0.975)) == 16  # priors
    for row in (row for row in rows if row["stage"] == "capability"):
        assert (round(row["q025"], 9), round(row["q975"], 9)) in lines
    published = [dots.get_offsets()[:, 0].tolist() for dots in goal.collections]
    assert published == [[values[1] for values in PUBLISHED.values()]]
