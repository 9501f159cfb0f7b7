"""The stages after the episodes: thin verbs over `rates`, `statistics`, `calculator`, `figures` and `report`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from gmexp import artefacts
from gmexp import rates as rates_stage
from gmexp.calculator import Calculator, Scenario, table
from gmexp.config import CalibrateConfig, RatesConfig, ReportConfig, RunConfig
from gmexp.errors import UserError
from gmexp.figures import draw_all
from gmexp.progress import Bar
from gmexp.records import Provenance
from gmexp.report import build_report
from gmexp.statistics import Calibration, CalibrationConfig, read_counts
from gmexp.statistics import calibrate as fit
from gmexp.study import Study
from gmexp.tracking import log_study, open_tracker


def rates(config: RatesConfig) -> int:
    """`gmexp rates`: count the episodes of every run and print the table."""
    study = Study(_existing(config.study))
    if not study.index.is_file():
        runs = study.gather()
        if not runs:
            raise UserError(f"{study.root} has no finished runs: train some with `gmexp train out={study.root}`")
        origin = artefacts.provenance(None, {}, "index of runs trained one by one")
        study.write_index(runs[0].experiment_id, {}, runs, origin)
    rates_stage.build(study.root, config.gate, config.seed)
    print(rates_stage.table(rates_stage.read_rates(study.rates).cells))
    return 0


def calibrate(config: CalibrateConfig) -> int:
    """`gmexp calibrate`: fit the hierarchical model to counts and print what it says of each shift."""
    counts = Path(config.counts)
    counts = Study(counts).counts if counts.is_dir() else counts
    calibration = _fit(counts, Path(config.out), config.chains, config.draws, config.seed)
    print(base_rate_table(base_rates(calibration)))
    for warning in calibration.warnings:
        print(f"note: {warning}")
    return 0


def report(config: ReportConfig) -> int:
    """`gmexp report`: draw the figures of a study and build its page."""
    root = _existing(config.study)
    draw_all(root)
    print(build_report(root))
    return 0


def analyse(study: Study, config: RunConfig) -> None:
    """Everything after the episodes, in seconds: rates, calibration, estimates, figures, page, W&B."""
    rates_stage.build(study.root, config.gate, config.statistics_seed)
    print(rates_stage.table(rates_stage.read_rates(study.rates).cells))
    calibration = _fit(study.counts, study.calibration, config.chains, config.draws, config.statistics_seed)
    shifts = base_rates(calibration)
    origin = artefacts.provenance(None, {"calibration": calibration.provenance}, "published beside calibrated rates")
    artefacts.write_json(study.estimate, {"shifts": shifts}, origin)
    print(base_rate_table(shifts))
    draw_all(study.root)
    build_report(study.root)
    with open_tracker(config.logger.name, mode=config.logger.mode, project=config.logger.project,
                      group=config.experiment, name=f"{config.experiment}-study", config={}, dir=study.root) as tracker:
        log_study(tracker, study.root)
