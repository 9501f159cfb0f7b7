"""The stages after the episodes: thin verbs over `rates`, `statistics`, `calculator`, `figures` and `report`."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gmexp import artefacts
from gmexp.artefacts import tables
from gmexp.artefacts.records import OutcomeCounts
from gmexp.artefacts.study import Study
from gmexp.artefacts.tracking import log_study, open_tracker
from gmexp.calculator import Calculator, Scenario
from gmexp.calculator import pooling
from gmexp.calculator.base_rates import base_rates, describe
from gmexp.calculator.calibrated import harm_draws
from gmexp.calculator.sensitivity import attribute, sobol, tornado
from gmexp.cli.schema import CalibrateConfig, RatesConfig, ReportConfig, RunConfig
from gmexp.figures.bench import redraw
from gmexp.figures.figures import draw_all
from gmexp.langosco import figure2
from gmexp.measures import summary
from gmexp.measures.pursuit import unpursued
from gmexp.pages import gallery, index_page
from gmexp.pages.study_page import build_report
from gmexp.rates import between_runs, learning
from gmexp.rates import over_runs as rates_stage
from gmexp.statistics.calibration import Calibration
from gmexp.statistics.config import CalibrationConfig
from gmexp.statistics.calibrate import calibrate as fit
from gmexp.statistics.counts import read_counts
from gmexp.statistics.fit import SamplerError, iterations
from gmexp.statistics.priors import literature_interval
from gmexp.support.errors import UserError
from gmexp.support.progress import Bar
from gmexp.training.compilation import compile_kernels

PICTURED_GRADES = (0.0, 0.5, 1.0)
PICTURED_CELL = 10  # pixels
PICTURED_LEVELS = 1


def rates(config: RatesConfig) -> int:
    """`gmexp rates`: count the episodes of every run and print the table."""
    study = Study(_existing(config.study))
    if not study.index.is_file() or not study.read_index()["config"]:  # not the study of one `gmexp run`
        runs = study.gather()
        if not runs:
            raise UserError(f"{study.root} has no finished runs: train some with `gmexp train out={study.root}`")
        origin = artefacts.provenance(None, {}, "index of runs trained one by one")
        study.write_index(runs[0].experiment_id, {}, runs, origin)
    rates_stage.build(study.root, config.gate, config.seed)
    between_runs.write(study, config.seed)
    learning.write(study)
    figure2.write_study(study)
    _print_rates(study)
    _measures(study)
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
    calibration = _fit(rows, out, config.chains, config.draws, config.seed, config.kept)
    shifts = base_rates(calibration, rows, _unpursued(studies))
    print(describe(calibration, shifts))
    origin = artefacts.provenance(None, dataclasses.asdict(config), "published beside calibrated rates")
    if config.studies or [study.calibration for study in studies] == [out]:
        artefacts.write_json(out.with_name("estimate.json"), {"shifts": shifts}, origin)
    if config.studies:
        tables.write_table(out.with_name("counts.parquet"), rows, OutcomeCounts, origin)
        pooling.write_scenarios(calibration, out.with_name("domains.json"))
        with Bar(pooling.plan_cells(calibration), "plan", "cell") as bar:
            pooling.write_plan(calibration, out.with_name("plan.json"), bar.advance)
    return 0


def report(config: ReportConfig) -> int:
    """`gmexp report`: draw the figures of a study, or of all studies in a folder, and build the page."""
    if (config.study is None) == (config.results is None):
        raise UserError("give either study=... or results=..., a folder of studies")
    if config.study is not None:
        print(_draw(Study(_existing(config.study))))
        return 0
    root = _existing(config.results)
    for study in index_page.found_studies(root):
        print(_draw(study))
    pooled = Study(root / index_page.POOLED)
    if pooled.calibration.exists():
        sensitivity(pooled)
        draw_all(pooled.root)
    redraw(root / "bench")
    print("\n".join(map(str, index_page.build(root))))
    return 0


def _draw(study: Study) -> Path:
    """All figures of a study and its page."""
    sensitivity(study)
    _picture_shifts(study)
    draw_all(study.root)
    return build_report(study.root)


def _picture_shifts(study: Study) -> None:
    """Picture what the shifts do to a level of this study, unless that is there (`gmexp show` draws more of them)."""
    path = study.figures / "shifts.png"
    if path.exists() or "env" not in (study.read_index()["config"] or {}):
        return
    compile_kernels()
    training, levels = gallery.of_study(study, PICTURED_LEVELS)
    gallery.write(training, range(1, 5), None, PICTURED_GRADES, levels, PICTURED_CELL, path)


def analyse(study: Study, config: RunConfig) -> None:
    """Everything after the episodes, in seconds: rates, calibration, estimates, figures, page, W&B."""
    rates_stage.build(study.root, config.gate, config.statistics_seed)
    between_runs.write(study, config.statistics_seed)
    learning.write(study)
    figure2.write_study(study)
    _print_rates(study)
    _measures(study)
    rows = read_counts(study.counts)
    calibration = _fit(rows, study.calibration, config.chains, config.draws, config.statistics_seed)
    shifts = base_rates(calibration, rows, _unpursued([study]))
    origin = artefacts.provenance(None, dataclasses.asdict(config), "published beside calibrated rates")
    artefacts.write_json(study.estimate, {"shifts": shifts}, origin)
    if shifts:
        print(f"\n{describe(calibration, shifts)}")
    _draw(study)
    with open_tracker(config.logger.name, mode=config.logger.mode, project=config.logger.project,
                      group=config.experiment, name=f"{config.experiment}-study", config={}, dir=study.root) as tracker:
        log_study(tracker, study.root)


def sensitivity(study: Study) -> None:
    """Write sensitivity.json, unless it is there and speaks of this calibration.

    tornado, sobol   of the published model read as odds, under shift 3 with every modifier neutral
    shares           of the variance of each calibrated base rate: the two stages, harm, and their dependence
    priors           of the base rates for every weight of the literature, beside calibration.json's posteriors
    """
    if not study.calibration.with_suffix(".npz").exists():
        return
    draws = artefacts.read_json(study.calibration, required=["draws"])["draws"]["sha256"]
    if study.sensitivity.exists() and artefacts.read_json(study.sensitivity).get("draws_sha256") == draws:
        return
    calibration, scenario, calculator = Calibration.load(study.calibration), Scenario(3), Calculator("odds")
    bars = [dataclasses.asdict(bar) | {"swing": bar.swing} for bar in tornado(scenario, calculator)]
    n0 = calibration.model["config"]["priors"]["literature_n0"]
    priors = [{**{key: row[key] for key in ("a", "stage", "shift")}, **dict(zip(
        ("mean", "q025", "q975"), literature_interval(row["published"], n0), strict=True))}
        for row in calibration.literature]
    shares = [{"shift": row["shift"], **_variance_shares(calibration, row["shift"])} for row in study.estimates()]
    origin = artefacts.provenance(None, {"draws_sha256": draws}, "what the estimates depend on")
    artefacts.write_json(study.sensitivity, {
        "draws_sha256": draws, "scenario": dataclasses.asdict(scenario), "mode": calculator.mode,
        "value": calculator.estimate(scenario).value, "tornado": bars,
        "sobol": [dataclasses.asdict(share) for share in sobol(scenario, calculator)], "shares": shares,
        "priors": priors}, origin)


def _variance_shares(calibration: Calibration, shift: int) -> dict[str, float]:
    prediction = calibration.predict(Scenario(shift))
    return attribute(prediction, harm_draws(calibration, None, shift, len(prediction.draws["latent"]))[0])


def _print_rates(study: Study) -> None:
    rates = rates_stage.read_rates(study.rates)
    spreads, learnt = between_runs.read(study), learning.read(study)
    print("\n\n".join(filter(None, (rates_stage.table(rates.cells), rates_stage.contrast_table(rates),
                                    between_runs.table(spreads) if spreads else "",
                                    learning.table(learnt) if learnt else ""))))


def _measures(study: Study) -> None:
    """Bring together and print what the runs were measured for besides, if they were."""
    measures = summary.summarise(study)
    if text := summary.table(measures):
        summary.write(study, measures)
        print(f"\n{text}")


def _fit(rows: Sequence[OutcomeCounts], out: Path, chains: int, draws: int, seed: int,
         kept: int | None = None) -> Calibration:
    """Calibrate and save (`kept` draws); UserError where the sampler's own diagnostics refuse the result."""
    config = CalibrationConfig(seed=seed, chains=chains, draws=draws)
    try:
        with Bar(iterations(config), "calibrate", "draw") as bar:
            calibration = fit(rows, config, bar.advance)
    except SamplerError as error:
        raise UserError(f"the calibration was refused by its own diagnostics: {error}") from error
    origin = artefacts.provenance(None, dataclasses.asdict(config), "posterior of the rates over runs")
    calibration = calibration.with_provenance(origin)
    calibration = calibration.thinned(kept) if kept else calibration
    calibration.save(out)
    return calibration


def _unpursued(studies: Sequence[Study]) -> dict[tuple, Any]:
    """Goal failure with accidents discounted by attribution, of those runs that were measured for it."""
    return {key: dataclasses.asdict(share) for key, share in unpursued(studies).items()}


def _existing(folder: str) -> Path:
    path = Path(folder)
    if not path.is_dir():
        raise UserError(f"there is no study folder {path}: `gmexp run` and `gmexp train` make one")
    return path
