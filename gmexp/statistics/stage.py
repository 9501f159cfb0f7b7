"""Stage `calibrate`: counts -> posterior, on disk."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path

from gmexp import artefacts
from gmexp.artefacts.records import OutcomeCounts
from gmexp.artefacts.study import Study
from gmexp.statistics import calibrate as fitting
from gmexp.statistics.calibration import Calibration
from gmexp.statistics.config import CalibrationConfig
from gmexp.statistics.counts import read_counts
from gmexp.statistics.fit import SamplerError, iterations
from gmexp.support.errors import UserError
from gmexp.support.progress import Bar


class Refused(UserError):
    """A calibration that its own diagnostics do not let pass."""


def calibrate(rows: Sequence[OutcomeCounts], out: Path, config: CalibrationConfig, kept: int | None = None) -> Calibration:
    """Calibrate and save (`kept` draws); `Refused` where the sampler's own diagnostics refuse the result."""
    try:
        with Bar(iterations(config), "calibrate", "draw") as bar:
            def again(more: int, why: str) -> None:
                bar.say(f"calibrate: not sampled well enough yet ({why}); {more:,} more iterations of every chain")
                bar.extend(more)

            calibration = fitting.calibrate(rows, config, bar.advance, again)
    except SamplerError as error:
        raise Refused(f"the calibration was refused by its own diagnostics: {error}") from error
    origin = artefacts.provenance(None, dataclasses.asdict(config), "posterior of the rates over runs")
    calibration = calibration.with_provenance(origin)
    calibration = calibration.thinned(kept) if kept else calibration
    calibration.save(out)
    return calibration


def drop_stale(study: Study) -> None:
    """Remove a study's calibration, and what was estimated from it, where it was made from other counts than are there
    now; older ones do not say."""
    if not study.calibration.is_file() or not study.counts.is_file():
        return
    try:
        stated = artefacts.read_json(study.calibration, required=("provenance",))["provenance"].get("outcomes_sha256")
    except (UserError, AttributeError):
        stated = "unreadable"
    if stated is None or stated == fitting.outcomes(read_counts(study.counts)):
        return
    for path in (study.calibration, study.calibration.with_suffix(".npz"), study.estimate, study.sensitivity):
        path.unlink(missing_ok=True)
    print(f"{study.calibration} was made from other counts, and is removed with its estimates: gmexp calibrate makes it "
          "anew", file=sys.stderr)
