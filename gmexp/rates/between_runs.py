"""How much runs of one condition differ, and what pooling their episodes would have claimed -> spread.json.

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
from typing import Any

import numpy as np

from gmexp import artefacts
from gmexp.artefacts.study import Study
from gmexp.rates import intervals
from gmexp.rates.over_runs import CellRates, Rate, goal_cells, read_rates, strongest

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
class Spread:
    """One rate of one cell over its runs."""

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
    """Write spread.json of a study that has rates, if any of its cells has enough runs."""
    cells = strongest(read_rates(study.rates).cells)
    shown = [("capability", cell) for cell in cells if not cell.probe]
    shown += [("goal_failure", cell) for cell in goal_cells(cells)]
    found = [spread(cell, metric, np.random.default_rng([seed, order])) for order, (metric, cell) in enumerate(shown)
             if getattr(cell, metric).n_runs >= LEAST_RUNS]
    if found:
        origin = artefacts.provenance(None, {"seed": seed, "draws": DRAWS}, "the spread between runs")
        artefacts.write_json(study.spread, {"spreads": [dataclasses.asdict(item) for item in found]}, origin)


def read(study: Study) -> list[Spread]:
    """The content of spread.json; nothing where there is none."""
    if not study.spread.is_file():
        return []

    def built(row: dict[str, Any]) -> Spread:
        return Spread(**row | {"pooled": tuple(row["pooled"]), "clustered": tuple(row["clustered"]),
                               "coverage": tuple(Coverage(**each) for each in row["coverage"])})

    return [built(row) for row in artefacts.read_json(study.spread, required=("spreads",))["spreads"]]


def spread(cell: CellRates, metric: str, rng: np.random.Generator) -> Spread:
    """The spread of a cell's rate over the runs for which it exists (at least two)."""
    rate: Rate = getattr(cell, metric)
    k, n = (np.array([getattr(run, name) for run in rate.runs if run.n]) for name in ("k", "n"))
    p, total = k / n, k.sum() / n.sum()
    within = float(np.mean(p * (1 - p) / np.maximum(n - 1, 1)))
    between = max(float(p.var(ddof=1)) - within, 0.0)
    whole = between + within
    independent = total * (1 - total) / n.sum()
    return Spread(
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


def table(spreads: Sequence[Spread]) -> str:
    """The spreads as text, a row per rate."""
    lines = [f"{'condition':<28}{'rate':<14}{'shift':<26}{'runs':>5}{'mean':>6}  {'pooled 95%':<14}{'clustered 95%':<15}"
             f"{'sd between':>11}{'within':>8}{'design effect':>15}"]
    for s in spreads:
        shift = f"{s.shift_type} {s.shift_name.replace('_', ' ')}" + " (probe)" * s.probe
        pair = [f"[{low:.2f}, {high:.2f}]" for low, high in (s.pooled, s.clustered)]
        lines.append(f"{s.condition:<28}{s.metric.replace('_', ' '):<14}{shift:<26}{s.runs:>5}{s.mean:>6.2f}  {pair[0]:<14}"
                     f"{pair[1]:<15}{s.sd_between:>11.3f}{s.sd_within:>8.3f}"
                     f"{'-' if s.design_effect is None else format(s.design_effect, '.1f'):>15}")
    for m in sorted({each.runs for s in spreads for each in s.coverage}):
        covered = [each for s in spreads for each in s.coverage if each.runs == m]
        lines.append(f"{m} runs: 95% intervals of pooled episodes cover {np.mean([c.pooled for c in covered]):.0%}, "
                     f"clustered ones {np.mean([c.clustered for c in covered]):.0%}")
    return "\n".join(lines)
