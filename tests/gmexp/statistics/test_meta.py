"""Acceptance 5: BCG vaccine trials (13 studies, log risk ratio) against metafor's figures."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gmexp.statistics.meta import meta
from gmexp.support.errors import UserError

# treated cases, treated healthy, control cases, control healthy (Colditz et al. 1994)
BCG = np.array([
    (4, 119, 11, 128), (6, 300, 29, 274), (3, 228, 11, 209), (62, 13536, 248, 12619), (33, 5036, 47, 5761),
    (180, 1361, 372, 1079), (8, 2537, 10, 619), (505, 87886, 499, 87892), (29, 7470, 45, 7232), (17, 1699, 65, 1600),
    (186, 50448, 141, 27197), (5, 2493, 3, 2338), (27, 16886, 29, 17825)], dtype=float)
A, B, C, D = BCG.T
Y, V = np.log(A / (A + B)) - np.log(C / (C + D)), 1 / A - 1 / (A + B) + 1 / C - 1 / (C + D)


def near(value):
    return pytest.approx(value, abs=5e-5)


def test_reml():
    r = meta(Y, V)
    assert (r.tau2, r.mu, r.se, r.q) == (near(0.3132), near(-0.7145), near(0.1798), near(152.2330))
    assert (r.low, r.high) == (near(-1.0669), near(-0.3622))
    assert (r.tau2_low, r.tau2_high) == (near(0.1197), near(1.1115))
    assert 100 * r.i2 == pytest.approx(92.22, abs=0.01) and r.h2 == pytest.approx(12.86, abs=0.01)


def test_dersimonian_laird_and_paule_mandel():
    r = meta(Y, V, method="DL")
    assert (r.tau2, r.mu, r.se) == (near(0.3088), near(-0.7141), near(0.1787))
    assert meta(Y, V, method="PM").tau2 == pytest.approx(0.3181, abs=5e-5)


def test_hartung_knapp():
    r = meta(Y, V, hksj=True)
    assert r.se == near(0.1808)
    assert r.high - r.low == pytest.approx(2 * 2.178813 * r.se, rel=1e-6)  # t with 12 degrees of freedom


def test_reml_maximises_the_restricted_likelihood():
    def restricted(tau2):
        w = 1 / (V + tau2)
        mu = w @ Y / w.sum()
        return 0.5 * (np.log(w).sum() - np.log(w.sum()) - w @ (Y - mu) ** 2)

    best = meta(Y, V).tau2
    assert all(restricted(best) >= restricted(best + step) for step in (-0.05, -1e-4, 1e-4, 0.05))


studies = st.lists(st.tuples(st.floats(-5, 5), st.floats(0.01, 5)), min_size=2, max_size=12)


@given(studies, st.sampled_from(["REML", "DL", "PM"]), st.booleans())
@settings(max_examples=150, deadline=None)
def test_properties(rows, method, hksj):
    y, v = np.array(rows).T
    r, back = meta(y, v, method, hksj), meta(y[::-1], v[::-1], method, hksj)
    shifted, scaled = meta(y + 3, v, method, hksj), meta(2 * y, 4 * v, method, hksj)
    assert r.tau2 >= 0 and y.min() - 1e-9 <= r.mu <= y.max() + 1e-9
    assert r.low <= r.mu <= r.high and r.tau2_low <= r.tau2_high
    assert back.mu == pytest.approx(r.mu, abs=1e-6) and shifted.mu == pytest.approx(r.mu + 3, abs=1e-5)
    assert scaled.tau2 == pytest.approx(4 * r.tau2, abs=1e-4, rel=1e-4)


def test_identical_studies_have_no_heterogeneity():
    r = meta([0.5] * 4, [0.1] * 4)
    assert (r.mu, r.tau2, r.q, r.i2) == (pytest.approx(0.5), 0.0, pytest.approx(0, abs=1e-12), 0.0)
    assert r.se == pytest.approx(np.sqrt(0.1 / 4))


@pytest.mark.parametrize("y, v, method, fragment", [
    ([1], [1], "REML", "at least two"), ([1, 2], [1], "REML", "same length"), ([1, 2], [1, 0], "DL", "study 2"),
    ([1, np.nan], [1, 1], "PM", "study 2"), ([1, 2], [1, 1], "ML", "method must be"),
])
def test_garbage_is_refused(y, v, method, fragment):
    with pytest.raises(UserError, match=fragment):
        meta(y, v, method)
