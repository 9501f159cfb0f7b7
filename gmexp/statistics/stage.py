"""Stage `calibrate`: counts -> posterior, on disk."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from gmexp import artefacts
from gmexp.artefacts.records import OutcomeCounts
from gmexp.statistics import fit
from gmexp.statistics.calibration import Calibration
from gmexp.statistics.config import CalibrationConfig
from gmexp.support.errors import UserError
from gmexp.support.progress import Bar


def calibrate(rows: Sequence[OutcomeCounts], out: Path, chains: int, draws: int, seed: int,
         kept: int | None = None) -> Calibration:
    """Calibrate and save (`kept` draws); UserError where the sampler's own diagnostics refuse the result."""
    config = CalibrationConfig(seed=seed, chains=chains, draws=draws)
    try:
        with Bar(config.warmup + config.draws, "calibrate", "draw") as bar:
            calibration = fit.calibrate(rows, config, bar.advance)
    except fit.SamplerError as error:
        raise UserError(f"the calibration was refused by its own diagnostics: {error}") from error
    origin = artefacts.provenance(None, dataclasses.asdict(config), "posterior of the rates over runs")
    calibration = calibration.with_provenance(origin)
    calibration = calibration.thinned(kept) if kept else calibration
    calibration.save(out)
    return calibration
