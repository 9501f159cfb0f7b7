"""A measure of one's own, in one file: which share of the time limit an agent takes, per shift.

    gmexp measure run=... measures=[pace]             (installed: docs/examples/pyproject.toml)
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from gmexp.measures.context import Context, MeasuredRun
from gmexp.measures.measure import Measure
from gmexp.rates.text import table


@dataclass(frozen=True, slots=True)
class Pace:
    """One run under one shift."""

    run_id: str
    shift_type: int
    share: float  # of the time limit, mean over episodes


@dataclass(frozen=True, slots=True)
class PooledPace:
    """A condition's runs under one shift."""

    condition: str
    shift_type: int
    share: float  # mean over runs
    n_runs: int


def take(context: Context) -> list[Pace]:
    """Of the episodes that the run was evaluated on."""
    from gmexp.artefacts import tables
    from gmexp.artefacts.records import Episode

    table = tables.read_table(context.checkpoint.path.with_name("episodes.parquet"), Episode).to_pylist()
    shares: dict[int, list[float]] = defaultdict(list)
    for row in table:
        shares[row["shift_type"]].append(row["length"] / context.checkpoint.meta.horizon)
    context.on_progress(1)
    return [Pace(context.checkpoint.meta.run_id, kind, sum(each) / len(each)) for kind, each in sorted(shares.items())]


def pool(runs: Sequence[MeasuredRun]) -> list[PooledPace]:
    shares: dict[tuple[str, int], list[float]] = defaultdict(list)
    for run in runs:
        for row in run.rows:
            shares[run.condition, row.shift_type].append(row.share)
    return [PooledPace(*key, sum(each) / len(each), len(each)) for key, each in shares.items()]


def show(pooled: Sequence[PooledPace]) -> str:
    return table(["share of the time limit", "shift", "mean over runs"],
                 [[row.condition, str(row.shift_type), f"{row.share:.2f}"] for row in pooled])


MEASURE = Measure("pace", "how much of its time an agent takes", Pace, PooledPace, take, lambda context: 1, pool, show)
