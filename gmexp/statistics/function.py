"""`gmexp.calibrate`: counts in, a judged posterior out, as a plain function that prints nothing and writes nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from gmexp.artefacts.records import OutcomeCounts
from gmexp.artefacts.study import Study
from gmexp.statistics.calibrate import calibrate as fit_counts
from gmexp.statistics.calibration import Calibration
from gmexp.statistics.config import CalibrationConfig
from gmexp.statistics.counts import read_counts
from gmexp.support.errors import UserError


def calibrate(source: Study | Path | str | Sequence[OutcomeCounts] | Any, *, config: CalibrationConfig | None = None,
              on_progress: Callable[[int], object] = lambda iterations: None) -> Calibration:
    """Fit the hierarchical model to counts.

        calibration = gmexp.calibrate("outputs/quickstart")
        calibration.predict(Scenario(shift=3), kind="next_run", env="coinrun").goal_failure
        calibration.save("mine.json")

    Arguments:
        source: a study's folder or its counts, a .csv or .parquet file of counts, rows of counts, or what has such
            `counts`, as the result of `gmexp.evaluate`; several results are `[*first.counts, *second.counts]`.
        config: chains, draws, seed, priors and what the sampler must pass; `CalibrationConfig()` for None.
        on_progress: told after every iteration of the sampler that one was made.

    Raises UserError where the counts do not fit, and `gmexp.statistics.fit.SamplerError`, a UserError as well, where the
    draws do not pass their own diagnostics: there is no posterior then.
    """
    rows = _rows(source)
    if not rows:
        raise UserError("there are no counts")
    return fit_counts(rows, config, on_progress)


def _rows(source: Any) -> tuple[OutcomeCounts, ...]:
    if isinstance(source, Study):
        return read_counts(source.counts)
    if isinstance(source, Path | str):
        path = Path(source)
        return read_counts(Study(path).counts if path.is_dir() else path)
    rows = tuple(getattr(source, "counts", source))
    if wrong := [row for row in rows if not isinstance(row, OutcomeCounts)]:
        raise UserError(f"counts are rows of gmexp.artefacts.records.OutcomeCounts, not {type(wrong[0]).__name__}; "
                        "several results are [*first.counts, *second.counts]")
    return rows
