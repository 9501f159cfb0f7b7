"""How much runs of one condition differ, and what pooling their episodes would have claimed -> between_runs.json.

For every cell with at least LEAST_RUNS runs, at the highest grade of its shift, and each rate:

    variance components   the variance of run rates is that between runs plus the binomial one of their episodes; the first
                          is what remains of the total (method of moments, floored at 0)
    design effect         how much wider the variance of the mean is than that of as many independent episodes
    pooled                Wilson's interval of all episodes as if they were independent
    clustered             the interval that is used everywhere else (`gmexp.rates.intervals.clustered_wilson`)
    coverage              of both, when so many runs are drawn from these (with replacement) and the interval is asked for
                          the mean over all of them: an interval that says 95% should cover it 95% of the time
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gmexp import artefacts
from gmexp.artefacts.decode import decode
from gmexp.artefacts.study import Study
from gmexp.artefacts.upgrades import current, renamed
from gmexp.rates import intervals, text
from gmexp.rates.over_runs import CellRates, Rate, goal_cells, read_rates, strongest
from gmexp.rates.text import shift_label

LEAST_RUNS = 10
SAMPLES = (3, 5, 10, 20)  # runs drawn; as far as there are so many
DRAWS = 1000


@dataclass(frozen=True, slots=True)
class Coverage:
    """Share of draws of `runs` runs whose 95% interval holds the mean over all runs, and the intervals' mean width."""

    runs: int
    pooled: float
    clustered: float
    pooled_width: float
    clustered_width: float


@dataclass(frozen=True, slots=True)
class BetweenRuns:
    """How one rate of one cell varies over its runs."""

    condition: str
    metric: str
    shift_type: int
    shift_name: str
    grade: float
    probe: bool
    runs: int
    episodes: int  # in which the rate could show
    mean: float
    lowest: float
    highest: float
    sd_between: float
    sd_within: float  # of a run's rate, by its number of episodes
    share_between: float | None  # of the variance of run rates; None where they do not vary
    design_effect: float | None
    pooled: tuple[float, float]
    clustered: tuple[float, float]
    coverage: tuple[Coverage, ...]


def write(study: Study, seed: int = 0) -> None:
    """Write between_runs.json of a study that has rates, if any of its cells has enough runs."""
    cells = strongest(read_rates(study.rates).cells)
    shown = [("capability", cell) for cell in cells if not cell.probe]
    shown += [("goal_failure", cell) for cell in goal_cells(cells)]
    found = [between_runs(cell, metric, np.random.default_rng([seed, order])) for order, (metric, cell) in enumerate(shown)
             if getattr(cell, metric).n_runs >= LEAST_RUNS]
    if found:
        origin = artefacts.provenance(None, {"seed": seed, "draws": DRAWS}, "how much runs of a condition differ")
        artefacts.write_json(study.between_runs, {"cells": [dataclasses.asdict(item) for item in found]}, origin)


def read(study: Study) -> list[BetweenRuns]:
    """The content of between_runs.json, or of an earlier version's spread.json; nothing where there is neither."""
    path = current(study.between_runs)
    if not path.is_file():
        return []
    content = renamed(artefacts.read_json(path), path)
    return list(decode(tuple[BetweenRuns, ...], content.get("cells"), str(path)))


def between_runs(cell: CellRates, metric: str, rng: np.random.Generator) -> BetweenRuns:
    """How a cell's rate varies over the runs for which it exists (at least two)."""
    rate: Rate = getattr(cell, metric)
    k, n = (np.array([getattr(run, name) for run in rate.runs if run.n]) for name in ("k", "n"))
    p, total = k / n, k.sum() / n.sum()
    within = float(np.mean(p * (1 - p) / np.maximum(n - 1, 1)))
    between = max(float(p.var(ddof=1)) - within, 0.0)
    whole = between + within
    independent = total * (1 - total) / n.sum()
    return BetweenRuns(
        cell.condition, metric, cell.shift_type, cell.shift_name, cell.grade, cell.probe, len(p), int(n.sum()),
        float(p.mean()), float(p.min()), float(p.max()), between**0.5, within**0.5, between / whole if whole else None,
        float(p.var(ddof=1) / len(p) / independent) if independent else None, intervals.wilson(k.sum(), n.sum()),
        intervals.clustered_wilson(k, n), tuple(_coverage(k, n, m, rng) for m in SAMPLES if m <= len(p)))


def _coverage(k: np.ndarray, n: np.ndarray, runs: int, rng: np.random.Generator) -> Coverage:
    truth = float(np.mean(k / n))
    found = []
    for drawn in rng.integers(len(k), size=(DRAWS, runs)):
        pooled, clustered = intervals.wilson(k[drawn].sum(), n[drawn].sum()), intervals.clustered_wilson(k[drawn], n[drawn])
        found.append([pooled[0] <= truth <= pooled[1], clustered[0] <= truth <= clustered[1], pooled[1] - pooled[0],
                      clustered[1] - clustered[0]])
    return Coverage(runs, *np.mean(found, axis=0).tolist())


def table(found: Sequence[BetweenRuns]) -> str:
    """A row per rate, and how well intervals cover."""
    rows = [(s.condition, s.metric.replace("_", " "), shift_label(s), s.runs, f"{s.mean:.2f}", text.interval(*s.pooled),
             text.interval(*s.clustered), f"{s.sd_between:.3f}", f"{s.sd_within:.3f}",
             None if s.design_effect is None else f"{s.design_effect:.1f}") for s in found]
    head = ("condition", "rate", "shift", "runs", "mean", "pooled 95%", "clustered 95%", "sd between", "within",
            "design effect")
    lines = [text.table(head, rows, right=(3, 4, 7, 8, 9), rule=False)]
    for m in sorted({each.runs for s in found for each in s.coverage}):
        covered = [each for s in found for each in s.coverage if each.runs == m]
        lines.append(f"{m} runs: 95% intervals of pooled episodes cover {np.mean([c.pooled for c in covered]):.0%}, "
                     f"clustered ones {np.mean([c.clustered for c in covered]):.0%}")
    return "\n".join(lines)
