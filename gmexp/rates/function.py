"""The stage `rates` as a plain function: it returns records, prints nothing and writes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gmexp.artefacts.condition import condition_labels
from gmexp.artefacts.records import OutcomeCounts
from gmexp.artefacts.study import Study
from gmexp.rates.over_runs import Rates, count_study, rates_of
from gmexp.support.errors import UserError


def rates(source: Study | Path | str | Sequence[OutcomeCounts] | Any, threshold: float = 0.8, seed: int = 0) -> Rates:
    """Rates over runs.

    Arguments:
        source: a study's folder, whose episodes are counted; or counts, as `read_counts` gives them; or what has such
            `counts`, as the result of `gmexp.evaluate`.
        threshold: the share of in-distribution levels a run must solve to be among `Rates.above_threshold`.
        seed: of the bootstrap.
    """
    if isinstance(source, Study | Path | str):
        return count_study(source if isinstance(source, Study) else Study(Path(source)), threshold, seed)[1]
    counts = tuple(getattr(source, "counts", source))
    if not counts:
        raise UserError("there are no counts")
    return rates_of(counts, condition_labels(counts), threshold, seed)
