"""The headline: measured rates as Markdown tables, which the README shows, and the figure beside them."""

from __future__ import annotations

import statistics

import matplotlib.figure

from gmexp.figures import base_rates, environments
from gmexp.figures.data import StudyData
from gmexp.figures.records import BaseRates, CalibrationSummary, Summary
from gmexp.figures.words import words_of
from gmexp.rates.intervals import Mean
from gmexp.rates.text import shift_text, triple
from gmexp.pages.six import SHOWN_SHIFT
from gmexp_envs.task import SHIFT_NAMES

__all__ = ["draw", "table", "under"]

METRICS = {"capability": "capability", "goal_failure": "goal failure, if capable",
           "unpursued": "goal failure, accidents discounted", "p_misgen": "misgeneralization"}
REALISED = {"p_misgen": "realised"}  # what a calibration calls it


def table(pooled: StudyData) -> str:
    """Of one environment its rates at the lowest training diversity, and at 0.3 or the highest. Of several two tables: each
    under shift 3, and per shift where they lie at delta 0, beside the next one and what was published."""
    rows, calibration = pooled.base_rates, pooled.calibration
    envs = measured(calibration) if calibration else {}
    if calibration and len(envs) >= environments.FEWEST and calibration.following:
        head = ["environment", "rewarded, or what went with it", *(
            f"{title}, δ = {delta:g}" for title in ("goal failure", "misgeneralization") for delta in environments.DELTAS)]
        return "\n".join([
            _markdown(head, _by_environment(pooled, list(envs.values()))),
            _markdown(["shift", "probability of", "published", f"{len(envs)} environments", "the next one"],
                      [line for row in rows for line in _over_environments(row, pooled, envs)])])
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
    return environments.conditions_at(calibration, calibration.envs, 0.0)


def under(pooled: StudyData, env: str, shift_type: int, delta: float, quantity: str) -> Summary | None:
    """An environment's posterior of a quantity under a shift at grade 1, over runs of a training diversity; None where it
    was not measured, and of goal failure where agents, blind, hardly ever get to the proxy."""
    calibration = pooled.calibration
    if calibration is None or quantity == "goal_failure" and not environments.asked(pooled, env, delta, shift_type):
        return None
    condition = next(iter(environments.conditions_at(calibration, [env], delta)), None)
    levels = {i for i, shift in enumerate(calibration.shifts) if (shift.type, shift.grade) == (shift_type, 1)}
    return next((each for each in calibration.summaries if each.shift in levels and (
        each.condition, each.quantity, each.kind) == (condition, quantity, "this_setup")), None)


def _by_environment(pooled: StudyData, envs: list[str]) -> list[list[str]]:
    """A row per environment, by goal failure at delta 0, the greatest first, the unknown last."""
    lines = []
    for env in envs:
        task = words_of(env)
        found = [under(pooled, env, SHOWN_SHIFT, delta, name) for name in ("goal_failure", "realised")
                 for delta in environments.DELTAS]
        texts = ["–" if each is None else triple(each.mean, each.q025, each.q975) for each in found]
        order = found[0].mean if found[0] else -1.0
        lines.append((-order, [env.replace("_", " "), f"{task.intended.words}, or {task.proxy.words}", *texts]))
    return [line for _, line in sorted(lines)]


def _over_environments(row: BaseRates, pooled: StudyData, envs: dict[int, str]) -> list[list[str]]:
    lines = []
    for metric, title in METRICS.items():
        name = REALISED.get(metric, metric)
        here = [under(pooled, env, row.shift, 0.0, name) for env in envs.values()]
        means = [each.mean for each in here if each is not None]
        following = pooled.calibration.next_environment(name, row.shift)
        if means and following is not None:
            lines.append([shift_text(row.shift, SHIFT_NAMES[row.shift]), title, f"{row.published[metric]:.2f}",
                          f"{min(means):.2f} to {max(means):.2f}, median {statistics.median(means):.2f}",
                          triple(following.q50, following.q025, following.q975)])
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
