"""Verbs for what follows the episodes: rates, calibrate, report."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

from gmexp import artefacts
from gmexp.artefacts import tables
from gmexp.artefacts.records import OutcomeCounts
from gmexp.artefacts.study import Study
from gmexp.calculator import base_rates, pooling
from gmexp.cli.schema import CalibrateConfig, RatesConfig, ReportConfig
from gmexp.measures.attribution import unpursued
from gmexp.pages import report as report_stage
from gmexp.statistics import stage
from gmexp.statistics.config import sampler
from gmexp.statistics.counts import read_counts
from gmexp.support.errors import UserError
from gmexp.support.progress import Bar


def rates(config: RatesConfig) -> int:
    """`gmexp rates`: count the episodes of every run and print the table."""
    study = Study(_existing(config.study))
    if not study.index.is_file() or not study.read_index()["config"]:  # not the study of one `gmexp run`
        runs = study.gather()
        if not runs:
            raise UserError(f"{study.root} has no finished runs: train some with `gmexp train out={study.root}`")
        origin = artefacts.provenance(None, {}, "index of runs trained one by one")
        study.write_index(runs[0].experiment_id, {}, runs, origin)
    from gmexp import pipeline

    pipeline.rates(study, config.threshold, config.seed)
    return 0


def calibrate(config: CalibrateConfig) -> int:
    """`gmexp calibrate`: fit the hierarchical model to counts and print what it says of each shift.

    Written into a study's own folder, estimate.json goes with it; its figures and page are then drawn by `gmexp report`.
    Several studies also leave, beside the calibration, what they were pooled to: counts.parquet, the base rates of
    estimate.json, domains.json (the scenarios re-estimated) and plan.json (which further runs would help most).
    """
    if (config.counts is None) == (not config.studies):
        raise UserError("give either counts=... (a study's folder, its counts.parquet, or a CSV) or studies=[...]")
    out = Path(config.out)
    if config.counts is not None:
        counts = Path(config.counts)
        studies = [Study(counts)] if counts.is_dir() else []
        rows = list(read_counts(studies[0].counts if studies else counts))
    else:
        studies = [Study(_existing(study)) for study in config.studies]
        rows = pooling.pool([study.root for study in studies])
    calibration = stage.calibrate(rows, out, sampler(config, config.seed), config.kept)
    shifts = base_rates.base_rates(calibration, rows, unpursued(studies))
    print(base_rates.report(shifts, calibration))
    origin = artefacts.provenance(None, dataclasses.asdict(config), "published beside calibrated rates")
    if config.studies or [os.path.realpath(study.calibration) for study in studies] == [os.path.realpath(out)]:
        artefacts.write_json(out.with_name("estimate.json"), {"shifts": shifts}, origin)
    if config.studies:
        tables.write_table(out.with_name("counts.parquet"), rows, OutcomeCounts, origin)
        pooling.write_scenarios(calibration, out.with_name("domains.json"))
        with Bar(pooling.plan_size(calibration), "plan", "cell") as bar:
            pooling.write_plan(calibration, out.with_name("plan.json"), bar.advance)
    return 0


def report(config: ReportConfig) -> int:
    """`gmexp report`: draw the figures of a study, or of all studies in a folder, and build the page."""
    if (config.study is None) == (config.results is None):
        raise UserError("give either study=... or results=..., a folder of studies")
    if config.films < 0 or (config.films and config.study is None):
        raise UserError(f"films={config.films} should be 0 or more episodes of every run of a study=...")
    if config.study is not None:
        study = Study(_existing(config.study))
        if config.films:
            report_stage.film(study, config.films)
        print(report_stage.report(study))
        return 0
    print("\n".join(map(str, report_stage.report_all(_existing(config.results)))))
    return 0


def _existing(folder: str) -> Path:
    path = Path(folder)
    if not path.is_dir():
        raise UserError(f"there is no study folder {path}: `gmexp run` and `gmexp train` make one")
    return path
