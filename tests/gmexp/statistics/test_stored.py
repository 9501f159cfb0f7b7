"""Draws in their file: what rounding costs, and that packing costs nothing."""

import numpy as np
import pytest

from gmexp.statistics.stored import DIGITS, as_stored, packed, unpacked


def parameters(n: int = 400) -> np.ndarray:
    """Draws [n, 9] of parameters of every size: normal, skewed, heavy-tailed, a constant, and one that is mostly nothing."""
    rng = np.random.default_rng(0)
    normal = rng.normal(size=(n, 5)) * 10.0 ** np.arange(-6, 4, 2) + [0, 1, -50, 1e6, 0]
    others = rng.beta(0.3, 30, n), rng.standard_t(2, n), np.full(n, 0.1), rng.binomial(1, 0.05, n) * rng.normal(size=n)
    return np.column_stack([normal, *others])


def test_rounding_is_a_small_part_of_the_spread():
    draws = parameters()
    kept = as_stored(draws)
    spread = np.diff(np.quantile(draws, [0.16, 0.84], axis=0), axis=0)[0] / 2
    spread[-1] = draws[:, -1].std()
    assert np.all(np.abs(kept - draws).max(axis=0) <= spread / 2**(DIGITS + 1))
    assert np.abs(kept - draws)[:, :7].max(axis=0).min() > 0 and np.array_equal(kept[:, 7], draws[:, 7])
    assert np.all(np.abs(kept.std(0) / draws.std(0) - 1)[:7] < 1e-3)


@pytest.mark.parametrize("draws", [
    parameters(), as_stored(parameters()), as_stored(parameters()).reshape(400, 3, 3), as_stored(parameters())[::7],
    np.zeros((5, 2)), np.zeros((4, 2, 0)), np.zeros((1, 3)), as_stored(parameters())[:, 0], np.array([[5e-324], [1.0]]),
])
def test_packing_loses_nothing(draws):
    again = unpacked("x", packed("x", draws))
    assert again.dtype == np.float64 and np.array_equal(again, draws) and again.shape == draws.shape


def test_what_is_rounded_takes_two_bytes_a_draw_and_other_numbers_stay_as_they_are():
    draws = parameters()
    assert packed("x", as_stored(draws)[:, :6])["x.counts"].shape == (2, 6, 400)
    assert list(packed("x", draws)) == ["x"]


@pytest.mark.parametrize("arrays", [
    {}, {"x": np.array([1])}, {"x": np.array([np.nan])}, {"x.least": np.zeros(1), "x.step": np.ones(1)},
    {"x.least": np.zeros(1), "x.step": np.ones(1), "x.counts": np.zeros((2, 1, 4))},
    {"x.least": np.array([np.inf]), "x.step": np.ones(1), "x.counts": np.zeros((2, 1, 4), np.uint8)},
    {"x.least": np.zeros(3), "x.step": np.ones(3), "x.counts": np.zeros((2, 2, 4), np.uint8)},
])
def test_no_draws_are_said_to_be_none(arrays):
    with pytest.raises((KeyError, ValueError)):
        unpacked("x", arrays)
