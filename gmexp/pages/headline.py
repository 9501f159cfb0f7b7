"""The headline: published beside measured rates as a Markdown table, which the README shows, and the figure beside it."""

from __future__ import annotations

import statistics

import matplotlib.figure

from gmexp.figures import base_rates, environments
from gmexp.figures.data import StudyData
from gmexp.figures.records import BaseRates, CalibrationSummary
from gmexp.rates.intervals import Mean
from gmexp.rates.text import shift_text, triple
from gmexp_envs.task import SHIFT_NAMES

__all__ = ["draw", "table"]

METRICS = {"capability": "capability", "goal_failure": "goal failure, if capable",
           "unpursued": "goal failure, accidents discounted", "p_misgen": "misgeneralization"}
REALISED = {"p_misgen": "realised"}  # what a calibration calls it


def table(pooled: StudyData) -> str:
    """Of one environment its rates at the lowest training diversity, and at 0.3 or the highest; of several where they lie
    at delta 0, and the next one."""
    rows, calibration = pooled.base_rates, pooled.calibration
    envs = measured(calibration) if calibration else {}
    if calibration and len(envs) >= environments.FEWEST and calibration.following:
        return _markdown(["shift", "probability of", "published", f"{len(envs)} environments", "the next one"],
                         [line for row in rows for line in _over_environments(row, calibration, envs)])
    deltas = [condition.train_diversity for condition in rows[0].conditions]
    shown = list(dict.fromkeys([min(deltas), 0.3 if 0.3 in deltas else max(deltas)]))
    return _markdown(["shift", "probability of", "published", *(f"measured, δ = {delta:g}" for delta in shown)],
                     [line for row in rows for line in _of_one(row, shown)])


def draw(pooled: StudyData) -> matplotlib.figure.Figure | None:
    """Every environment beside the next one; of one environment alone its base rates."""
    figure = environments.draw(pooled)
    return base_rates.draw(pooled) if figure is None else figure


def measured(calibration: CalibrationSummary) -> dict[int, str]:
    """The environments measured at delta 0, by the position of the condition that stands for each."""
    envs = sorted({str(condition["env"]) for condition in calibration.conditions})
    return environments.conditions_at(calibration, envs, 0.0)


def _over_environments(row: BaseRates, calibration: CalibrationSummary, envs: dict[int, str]) -> list[list[str]]:
    position = next(i for i, shift in enumerate(calibration.shifts) if (shift.type, shift.grade) == (row.shift, 1))
    lines = []
    for metric, title in METRICS.items():
        name = REALISED.get(metric, metric)
        means = [summary.mean for summary in calibration.summaries if summary.condition in envs and
                 (summary.quantity, summary.shift, summary.kind) == (name, position, "this_setup")]
        following = [each for each in calibration.following
                     if (each.quantity, each.shift, each.kind) == (name, position, "next_environment")]
        if means and following:
            lines.append([shift_text(row.shift, SHIFT_NAMES[row.shift]), title, f"{row.published[metric]:.2f}",
                          f"{min(means):.2f} to {max(means):.2f}, median {statistics.median(means):.2f}",
                          triple(following[0].q50, following[0].q025, following[0].q975)])
    return lines


def _of_one(row: BaseRates, shown: list[float]) -> list[list[str]]:
    lines = []
    for metric, title in METRICS.items():
        rates = [next(getattr(c, metric) for c in row.conditions if c.train_diversity == delta) for delta in shown]
        if metric == "unpursued":
            texts = ["", *map(_share, rates)] if any(rates) else []
        else:
            texts = [f"{row.published[metric]:.2f}", *(triple(rate.mean, rate.q025, rate.q975) for rate in rates)]
        if texts:
            lines.append([shift_text(row.shift, SHIFT_NAMES[row.shift]), title, *texts])
    return lines


def _share(share: Mean | None) -> str:
    """A share that its estimate may overshoot by chance."""
    if share is None:
        return "–"
    return triple(*(min(max(end, 0.0), 1.0) for end in (share.mean, share.low, share.high)))


def _markdown(head: list[str], lines: list[list[str]]) -> str:
    return "\n".join(["| " + " | ".join(head) + " |", "|" + "---|" * len(head),
                      *("| " + " | ".join(line) + " |" for line in lines)]) + "\n"
