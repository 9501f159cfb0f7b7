"""The few shapes that figures are made of: dots of runs, means with intervals, published values, named rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol
from urllib.parse import quote

import numpy as np
from matplotlib.axes import Axes

from gmexp.rates.over_runs import Rate

DIAMOND = {"marker": "D", "s": 22, "facecolor": "white", "edgecolor": "black", "linewidth": 1}
RUN_DOT = {"s": 7, "color": "black", "alpha": 0.45, "linewidth": 0}


class OverRuns(Protocol):
    """A quantity over runs: `Rate`, `Mean` and the like. None is unknown."""

    mean: float | None
    low: float | None
    high: float | None
    runs: tuple[Any, ...]


def values(quantity: OverRuns) -> list[float]:
    """Every run's value, where it is known."""
    runs = (run.rate for run in quantity.runs) if isinstance(quantity, Rate) else quantity.runs
    return [value for value in runs if value is not None]


def address(run_id: str) -> str:
    """Where a run stands on the page of its study: the address of its marks (`style.linked`)."""
    return f"#run-{run_id}"


def condition_anchor(condition: str) -> str:
    """The id of the heading of a condition, by its label, on the page of its study."""
    return "condition-" + condition.replace(" ", "_")


def condition_address(condition: str) -> str:
    """Where the runs of a condition stand on the page of their study: the address of its marks."""
    return "#" + quote(condition_anchor(condition), safe="=,.-_")


def addresses(quantity: OverRuns, run_ids: Sequence[str]) -> list[str | None]:
    """The address of every run whose value is known; None where it is not known whose the values are.

    `run_ids` are those of a quantity that does not name its runs itself, in their order.
    """
    if isinstance(quantity, Rate):
        return [address(run.run_id) for run in quantity.runs if run.rate is not None]
    if len(run_ids) != len(quantity.runs):
        return [None] * len(values(quantity))
    return [address(run_id) for run_id, value in zip(run_ids, quantity.runs, strict=True) if value is not None]


def dots(axis: Axes, x: Any, y: Any, colour: str, size: float = 9, urls: Sequence[str | None] = (None,)) -> None:
    """Faint dots for runs; `urls` are their addresses."""
    axis.scatter(x, y, s=size, color=colour, alpha=0.4, linewidth=0, zorder=2, urls=urls)


def beside(known: Sequence[float], width: float = 0.07) -> np.ndarray:
    """Where the dots of runs stand about their place, side by side over twice the width."""
    return np.linspace(-width, width, len(known)) if len(known) > 1 else np.zeros(len(known))


def run_dots(axis: Axes, x: float, quantity: OverRuns, colour: str, run_ids: Sequence[str] = (),
             width: float = 0.07) -> None:
    """A quantity over runs: faint dots side by side, mean and interval."""
    if quantity.mean is None:
        return
    known = values(quantity)
    dots(axis, x + beside(known, width), known, colour, urls=addresses(quantity, run_ids))
    interval(axis, x, quantity.mean, quantity.low, quantity.high, colour)


def run_column(axis: Axes, x: float, quantity: OverRuns, colour: str, run_ids: Sequence[str] = ()) -> None:
    """The same with the dots one above the other, right of the mean."""
    if quantity.mean is None:
        return
    known = values(quantity)
    dots(axis, [x + 0.09] * len(known), known, colour, urls=addresses(quantity, run_ids))
    interval(axis, x, quantity.mean, quantity.low, quantity.high, colour)


def run_row(axis: Axes, y: float, quantity: OverRuns, colour: str, run_ids: Sequence[str] = ()) -> None:
    """The same along a row."""
    if quantity.mean is None:
        return
    known = values(quantity)
    dots(axis, known, [y] * len(known), colour, size=7, urls=addresses(quantity, run_ids))
    interval_along(axis, y, quantity.mean, quantity.low, quantity.high, colour)


def interval(axis: Axes, x: float, mean: float, low: float, high: float, colour: str, url: str | None = None) -> None:
    """A mean and its interval; `url` is where they lead."""
    axis.plot([x, x], [low, high], color=colour, linewidth=1.4, zorder=3, solid_capstyle="butt", url=url)
    axis.scatter(x, mean, s=22, color=colour, edgecolor="white", linewidth=0.7, zorder=5, urls=[url])


def interval_along(axis: Axes, y: float, mean: float, low: float, high: float, colour: str, size: float = 20,
                   rim: float = 0.7) -> None:
    """The same along a row."""
    axis.plot([low, high], [y, y], color=colour, linewidth=1.4, zorder=3, solid_capstyle="butt")
    axis.scatter(mean, y, s=size, color=colour, edgecolor="white", linewidth=rim, zorder=5)


def published(axis: Axes, x: Any, y: Any) -> None:
    axis.scatter(x, y, **DIAMOND, zorder=6)


def dodge(position: int, size: int) -> float:
    """Where in its column the `position`-th of `size` conditions stands."""
    return 0.0 if size == 1 else (position / (size - 1) - 0.5) * min(0.6, 0.3 * (size - 1))


def named_rows(axes: Sequence[Axes], names: Iterable[str]) -> None:
    """A row per name, the first on top, named at the left."""
    names = list(names)
    for axis in axes:
        axis.set_yticks(range(len(names)), names if axis is axes[0] else [])
        axis.set_ylim(len(names) - 0.4, -0.6)
        axis.tick_params(axis="y", length=0)
        axis.grid(axis="y", visible=False)
        axis.grid(axis="x", visible=True)
