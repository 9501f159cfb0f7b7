"""Acceptance 5: BCG vaccine trials (13 studies, log risk ratio) against metafor's figures."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gmexp.statistics.meta import meta
from gmexp.statistics.multilevel import influence, multilevel
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


@pytest.mark.slow
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


# --- what used to break -----------------------------------------------------------------------------------------------

EXTREMES = {
    "huge": ([1e200, 2e200, 3e200], [1e300] * 3),
    "of all signs": ([-1e300, 1e300, 0], [1e308] * 3),
    "tiny": ([1e-200, 2e-200], [1e-300] * 2),
    "exact": ([1, 2, 3], [1e-300] * 3),
    "one outweighs": ([0, 5, 3], [1e-30, 1e30, 1.0]),
    "identical": ([1, 1, 1], [0.1] * 3),
    "identical and exact": ([1, 1, 1], [1e-300] * 3),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", EXTREMES)
@pytest.mark.parametrize("method", ["REML", "DL", "PM"])
def test_extreme_studies_give_numbers(name, method):
    r = meta(*EXTREMES[name], method=method, hksj=True)
    assert r.tau2_low <= r.tau2 <= r.tau2_high and r.low <= r.mu <= r.high
    assert all(np.isfinite([r.mu, r.se, r.low, r.high, r.tau2, r.i2, r.h2]))
    assert r.high > r.low or name == "identical and exact"


def test_identical_effects_keep_the_width_of_their_variances():
    r, wald = meta([1, 1, 1], [0.1] * 3, hksj=True), meta([1, 1, 1], [0.1] * 3)
    assert r.se == pytest.approx(wald.se) and r.high - r.low > wald.high - wald.low
    assert r.next_t == "t with 1 degrees of freedom" and meta([1, 2], [1, 1]).next_t.startswith("none")


@pytest.mark.slow
@given(studies, st.floats(1e-3, 1e3), st.floats(-100, 100))
@settings(max_examples=60, deadline=None)
def test_units_and_origin_do_not_matter(rows, unit, origin):
    y, v = np.array(rows).T
    one, other = meta(y, v), meta(unit * y + origin, unit**2 * v)
    assert other.mu == pytest.approx(unit * one.mu + origin, rel=1e-6, abs=1e-6 * unit)
    assert other.tau2 == pytest.approx(unit**2 * one.tau2, rel=1e-4, abs=1e-6 * unit**2)


# --- several levels, influence ----------------------------------------------------------------------------------------

def test_multilevel_of_single_effects_is_the_random_effects_mean():
    single, plain = multilevel(Y, V, range(len(Y))), meta(Y, V)
    assert single.mu == pytest.approx(plain.mu, abs=1e-3)
    assert single.tau2 + single.omega2 == pytest.approx(plain.tau2, abs=1e-3)
    assert single.se == pytest.approx(0.1808, abs=5e-3)  # CR2 of single effects is close to Hartung and Knapp's


@pytest.mark.slow
def test_multilevel_tells_environments_from_effects():
    rng = np.random.default_rng(0)
    cluster = np.repeat(np.arange(30), 5)
    y = rng.normal(0.3, 1.0, 30)[cluster] + rng.normal(0, 0.4, 150) + rng.normal(0, 0.2, 150)
    r = multilevel(y, np.full(150, 0.04), cluster)
    assert r.tau2 == pytest.approx(1.0, rel=0.5) and r.omega2 == pytest.approx(0.16, rel=0.4)
    assert r.low < 0.3 < r.high and r.df == pytest.approx(29, abs=1.5)
    assert r.se > 3 * meta(y, np.full(150, 0.2)).se / 2  # effects of one environment are no replicates


def test_influence_finds_the_study_that_was_moved():
    y = np.array([0.1, 0.2, 0.0, 0.15, 3.0, 0.1])
    rows = influence(y, np.full(6, 0.02))
    assert max(rows, key=lambda row: abs(row.residual)).study == 4 == max(rows, key=lambda row: row.cook).study
    assert rows[4].without.tau2 < 0.05 and rows[4].residual > 5


def test_pymare_agrees():
    """The meta-analysis of another project, where it is installed."""
    pymare = pytest.importorskip("pymare")
    data = pymare.Dataset(Y, V)
    for name, method in (("DerSimonianLaird", "DL"), ("VarianceBasedLikelihoodEstimator", "REML")):
        estimator = getattr(pymare.estimators, name)(**({"method": "REML"} if method == "REML" else {}))
        theirs = estimator.fit_dataset(data).summary()
        ours = meta(Y, V, method)
        assert float(np.ravel(theirs.tau2)[0]) == pytest.approx(ours.tau2, abs=2e-3)
        assert float(np.ravel(theirs.get_fe_stats()["est"])[0]) == pytest.approx(ours.mu, abs=2e-3)
