"""The linear probe: what is there is read off, what is not is not."""

import numpy as np
import pytest

from gmexp.mitigations.probe import Probed, r_squared, traces

from ..rates.rows import counts


def test_a_place_that_is_in_the_features_is_read_off_them():
    rng = np.random.default_rng(0)
    target = rng.integers(-9, 9, (2000, 2)).astype(float)
    features = np.maximum(target @ rng.normal(size=(2, 32)) + 0.1 * rng.normal(size=(2000, 32)), 0)
    blind = rng.normal(size=(2000, 32))
    half = np.arange(2000) % 2 == 0
    assert r_squared(features[half], target[half], features[~half], target[~half]) > 0.9
    assert abs(r_squared(blind[half], target[half], blind[~half], target[~half])) < 0.1
    assert r_squared(np.zeros((9, 3)), target[:9], np.zeros((9, 3)), target[:9]) == pytest.approx(0)


def test_a_point_a_run():
    rows = [counts(0), counts(1), counts(0, shift=1, probe=True), counts(0, shift=1)]
    found = traces([Probed("run-0", 0, 0.4, 99)], rows, "s", "delta 0")
    assert [(trace.shift_type, trace.x) for trace in found] == [(3, 0.4), (1, 0.4)]
    assert [trace.y for trace in found] == pytest.approx([0.75, 0.75])
