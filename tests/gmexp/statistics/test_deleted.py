"""Deleted residuals: what the others foresee, and that an odd one cannot hide by widening its own yardstick."""

import numpy as np
import pytest

from gmexp.statistics.deleted import deleted, of_groups
from gmexp.statistics.meta import meta


def test_without_regressors_it_is_a_meta_analysis_of_the_others():
    y, v = np.array([0.3, -0.1, 0.6, 0.2, 3.0]), np.array([0.02, 0.05, 0.03, 0.04, 0.03])
    foreseen, p = deleted(y, v, np.ones((5, 1)))
    for i in range(5):
        assert foreseen[i] == pytest.approx(meta(np.delete(y, i), np.delete(v, i), "PM").mu, rel=1e-6)
    assert p[4] < 0.01 and p[:4].min() > 0.2


def test_an_odd_one_among_regressors_is_found():
    rng, x = np.random.default_rng(0), np.stack([np.ones(12), np.linspace(-1, 1, 12)], axis=1)
    y = x @ [0.5, 2.0] + 0.1 * rng.standard_normal(12)
    y[7] += 1.0
    foreseen, p = deleted(y, np.full(12, 0.01), x)
    assert np.argmin(p) == 7 and p[7] < 1e-4 and np.delete(p, 7).min() > 0.01
    assert foreseen[7] == pytest.approx(x[7] @ [0.5, 2.0], abs=0.2)


@pytest.mark.slow
def test_p_is_uniform_where_nothing_is_odd():
    rng, found = np.random.default_rng(1), []
    for _ in range(300):
        v = rng.uniform(0.01, 0.1, 8)
        found.append(deleted(rng.normal(0.0, np.sqrt(0.2 + v)), v, np.ones((8, 1)))[1][0])
    assert 0.02 < np.mean(np.array(found) < 0.05) < 0.09 and 0.4 < np.mean(found) < 0.6


def test_what_the_others_cannot_tell_is_nobodys():
    x = np.array([[1.0, 0], [1, 0], [1, 0], [1, 1]])  # the last is the only one of its kind
    foreseen, p = deleted(np.array([0.1, 0.2, 0.3, 5.0]), np.full(4, 0.1), x)
    assert np.isnan(foreseen[3]) and np.isnan(p[3]) and np.isfinite(p[:3]).all()
    assert np.isnan(deleted(np.array([0.1, 2.0]), np.full(2, 0.1), np.ones((2, 1)))[1]).all()


def test_groups_have_means_and_variances():
    rng, group = np.random.default_rng(2), np.repeat([0, 1, 2], 400)
    v = rng.uniform(0.05, 0.2, 1200)
    y = np.array([-1.0, 0.0, 2.0])[group] + rng.normal(0.0, np.sqrt(0.3 + v))
    mean, variance = of_groups(y, v, group)
    assert np.allclose(mean, [-1, 0, 2], atol=0.1)
    assert np.allclose(variance, 0.42 / 400, rtol=0.15)
    alone = of_groups(np.array([1.0, 2.0]), np.array([0.1, 0.2]), np.array([0, 1]))
    assert np.allclose(alone, [[1, 2], [0.1, 0.2]])
