"""The one measure of mitigations: known answers, and an interval that covers the truth."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmexp.rates.reduction import QUANTITIES, change, pair_cells, reduction_of_means

from .rows import counts

shares = st.lists(st.integers(1, 80), min_size=2, max_size=8)


def test_half_of_the_risk_gone_is_a_half():
    base, treated = ([counts(seed, proxy=proxy) for seed in range(6)] for proxy in (60, 30))
    found = change("realised", base, treated)
    assert (found.base, found.treated) == (0.6, 0.3)
    assert found.relative[0] == pytest.approx(0.5) and found.absolute[0] == pytest.approx(0.3)
    assert found.relative[1] < 0.5 < found.relative[2] < 1
    latent = change("latent", base, treated)
    assert latent.base == pytest.approx(0.6 * (1 + 10 / 81)) and latent.relative[0] == pytest.approx(0.5)
    assert change("goal_failure", base, treated).base == pytest.approx(60 / 80)


@pytest.mark.slow
@given(shares)
def test_nothing_changed_is_nothing_gone(values):
    rows = [counts(seed, proxy=k) for seed, k in enumerate(values)]
    for quantity in QUANTITIES:
        found = change(quantity, rows, rows)
        assert found.absolute[0] == 0 and found.relative[0] == pytest.approx(0)
        assert found.relative[1] <= 0 <= found.relative[2]


@pytest.mark.slow
@given(shares, st.randoms())
def test_the_order_of_pairs_does_not_matter(values, random):
    base = [counts(seed, proxy=k) for seed, k in enumerate(values)]
    treated = [counts(seed, proxy=80 - k) for seed, k in enumerate(values)]
    order = list(range(len(values)))
    random.shuffle(order)
    (first,), (second,) = pair_cells(base, treated), pair_cells([base[k] for k in order], treated)
    assert change("latent", first.base, first.treated) == change("latent", second.base, second.treated)


def test_what_is_unknown_stays_unknown():
    both, one_arm, none = ([counts(s, masked_proxy=blind, proxy=proxy) for s in range(3)]
                           for blind, proxy in ((80, 60), (None, 60), (80, 0)))
    assert change("latent", both, one_arm) is None and change("capability", one_arm, both) is None
    assert change("realised", both, one_arm).relative is not None  # the visible arm is enough
    assert change("realised", none, both).relative is None  # there was no risk to take away
    assert change("realised", both[:1], both[:1]).relative is None  # of one pair, nothing is known of the next


def test_pairs_are_of_one_seed_in_one_cell():
    base, treated = [counts(s) for s in (0, 1, 2)], [counts(s, run_id=f"other-{s}") for s in (1, 2, 3)]
    (cell,) = pair_cells(base, [*treated, counts(7, shift=4)])
    assert [row.train_seed for row in cell.base] == [row.train_seed for row in cell.treated] == [1, 2]
    with pytest.raises(ValueError, match="train seed 1 both"):
        pair_cells(base, [*treated, counts(1, run_id="twin")])


def test_the_interval_covers_the_truth_of_paired_runs():
    """Runs differ, pairs are alike: the paired interval covers 1 - T / B and is narrower than an unpaired one would be."""
    rng, covered, widths = np.random.default_rng(0), 0, []
    for _ in range(400):
        level = rng.beta(6, 4, 8)  # of the runs, shared by both sides
        before, after = (rng.binomial(200, level * share) / 200 for share in (1, 0.6))
        noise = [k * (1 - k) / 200 for k in (before, after)]
        _, low, high = reduction_of_means(before, after, *noise)
        covered += low <= 0.4 <= high
        widths.append(high - low)
    assert 0.92 <= covered / 400 <= 0.99
    assert np.mean(widths) < 0.2
