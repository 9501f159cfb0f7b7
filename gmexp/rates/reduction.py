"""What a mitigation changes, over pairs of runs: how much lower a rate is with it than without.

Base and treated runs share train seeds, and so held-out levels and luck; a pair is the replicate. Of a rate's means over
pairs B (without) and T (with):

    absolute     B - T
    relative     1 - T / B, the share of the risk that is gone; below 0 where the mitigation makes it worse

The relative reduction is a ratio of means, never a mean of ratios. Its 95% interval rests on z = T_r - (T / B) B_r of every
pair by Student's t, and is no narrower than the runs' own binomial variances allow; so is that of the absolute one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from gmexp.artefacts.records import OutcomeCounts
from gmexp.rates.counting import cell_order
from gmexp.rates.estimands import added, binomial_variance, contributions, half_width

__all__ = ["QUANTITIES", "Change", "Interval", "PairedCell", "change", "pair_cells", "reduction_of_means"]

Interval = tuple[float, float, float]  # estimate, and its 95% limits
QUANTITIES = ("latent", "realised", "goal_failure", "capability", "usefulness")
LEAST_PAIRS = 2  # of a relative reduction: of one pair, nothing is known of the next


@dataclass(frozen=True, slots=True)
class Change:
    """A rate over pairs of runs, without a mitigation and with it."""

    base: float
    treated: float
    absolute: Interval  # base - treated
    relative: Interval | None  # 1 - treated / base; None where the base is 0, or of a single pair


@dataclass(frozen=True, slots=True)
class PairedCell:
    """A cell played without and with a mitigation: rows of the same train seeds in the same order."""

    shift_type: int
    shift_name: str
    grade: float
    probe: bool
    base: tuple[OutcomeCounts, ...]
    treated: tuple[OutcomeCounts, ...]


def pair_cells(base: Iterable[OutcomeCounts], treated: Iterable[OutcomeCounts]) -> list[PairedCell]:
    """The cells that both sides played, by pairs of runs of one train seed in one environment, in order of cells.

    ValueError where a side has two runs of one train seed: they cannot both be the pair of another.
    """
    sides = [_by_cell(rows) for rows in (base, treated)]
    cells = []
    for cell in sorted(sides[0].keys() & sides[1].keys()):
        seeds = sorted(sides[0][cell].keys() & sides[1][cell].keys())
        if seeds:
            cells.append(PairedCell(*cell, *(tuple(side[cell][seed] for seed in seeds) for side in sides)))
    return cells


def _by_cell(rows: Iterable[OutcomeCounts]) -> dict[tuple, dict[int, OutcomeCounts]]:
    """Rows by cell and train seed, evaluation seeds added up."""
    cells: dict[tuple, dict[int, list[OutcomeCounts]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        cells[cell_order(row)][row.train_seed].append(row)
    for cell, runs in cells.items():
        for seed, same in runs.items():
            if len({row.run_id for row in same}) > 1:
                raise ValueError(f"runs {same[0].run_id} and {same[-1].run_id} have train seed {seed} both: a pair has one "
                                 f"run on each side (shift {cell[0]})")
    return {cell: {seed: added(same) for seed, same in runs.items()} for cell, runs in cells.items()}


def change(quantity: str, base: Sequence[OutcomeCounts], treated: Sequence[OutcomeCounts]) -> Change | None:
    """What pairs of runs say of a quantity (one of QUANTITIES); None where a run says nothing of it."""
    sides = [_values(quantity, rows) for rows in (base, treated)]
    if any(side is None for side in sides):
        return None
    (before, before_noise), (after, after_noise) = sides
    return Change(float(before.mean()), float(after.mean()), _absolute(before - after, before_noise + after_noise),
                  reduction_of_means(before, after, before_noise, after_noise))


def _values(quantity: str, rows: Sequence[OutcomeCounts]) -> tuple[np.ndarray, np.ndarray] | None:
    """Every run's value, and its binomial variance: float [runs] both."""
    if quantity == "usefulness":
        reached, played = (np.array([value(row) for row in rows], float) for value in (
            lambda row: row.useful, lambda row: row.n_visible))
        return (reached / played, binomial_variance(reached, played)) if played.all() else None
    if quantity == "realised":
        return contributions(quantity, rows) if all(row.n_visible for row in rows) else None
    if any(row.n_masked is None for row in rows):
        return None
    if quantity == "goal_failure" and not any(row.masked_proxy for row in rows):
        return None
    return contributions(quantity, rows)


def _absolute(difference: np.ndarray, within: np.ndarray) -> Interval:
    mean = float(difference.mean())
    if len(difference) < LEAST_PAIRS:
        return mean, -1.0, 1.0
    half = half_width(difference, within)
    return mean, max(mean - half, -1.0), min(mean + half, 1.0)


def reduction_of_means(base: np.ndarray, treated: np.ndarray, base_variance: np.ndarray,
                       treated_variance: np.ndarray) -> Interval | None:
    """1 - mean treated / mean base over pairs (float [pairs] each, with their own variances) and its 95% interval.

    None where the mean base is not above 0, or of fewer than two pairs.
    """
    if len(base) < LEAST_PAIRS or not base.mean() > 0:
        return None
    ratio = float(treated.mean() / base.mean())
    half = half_width((treated - ratio * base) / base.mean(), (treated_variance + ratio**2 * base_variance) / base.mean()**2)
    return 1 - ratio, 1 - ratio - half, min(1 - ratio + half, 1.0)
