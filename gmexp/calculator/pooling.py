"""Several studies as one set of counts, and what their calibration says that a single study's page does not.

A run that is in two studies (`reuse=` copies it, or both trained it: equal configurations train equal runs) counts once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from gmexp import artefacts
from gmexp.artefacts.records import OutcomeCounts
from gmexp.artefacts.study import Study
from gmexp.calculator import Scenario
from gmexp.calculator.domains import CAVEAT, compare_all
from gmexp.statistics import plan as planning
from gmexp.statistics.calibration import Calibration
from gmexp.statistics.counts import read_counts
from gmexp.support.errors import UserError

SCENARIO = Scenario(3)  # what further runs are to be planned for: a significant shift at the reference
NEW_RUNS = 5
SIMULATIONS = 100  # of the new runs' data, per cell
SHOWN = 10  # of the cells that further runs could go to


def pool(studies: Sequence[Path]) -> list[OutcomeCounts]:
    """The counts of all studies, each run and cell once: where a cell was played twice, the one with more episodes, or
    else that of the study named first (plans of other cells are played with other luck, on the same levels).

    UserError where two studies of the same plan disagree about the same episodes.
    """
    experiment: dict[tuple[str, str], str] = {}  # that a run is counted under
    found: dict[tuple, tuple[OutcomeCounts, Path]] = {}
    plans = {folder: _plan(Study(folder)) for folder in studies}
    for folder in studies:
        for row in read_counts(Study(folder).counts):
            run = (row.run_id, row.config_hash or row.experiment_id)
            row = replace(row, experiment_id=experiment.setdefault(run, row.experiment_id))
            key = (*run, row.shift_type, row.shift_name, row.grade, row.probe, row.eval_seed)
            before, there = found.get(key, (row, folder))
            if (before.n_visible == row.n_visible and plans[there] == plans[folder]
                    and _outcomes(before) != _outcomes(row)):
                raise UserError(f"run {row.run_id} has other outcomes in {folder} than in {there} under the same "
                                f"{row.shift_name} shift: evaluate both with the same version")
            if key not in found or row.n_visible > before.n_visible:
                found[key] = row, folder
    return [row for row, _ in found.values()]


def _plan(study: Study) -> Any:
    """What a study's runs were put through; None where its index does not say."""
    return (study.read_index()["config"] or {}).get("evaluation") if study.index.exists() else None


def _outcomes(row: OutcomeCounts) -> tuple[int | None, ...]:
    return row.n_intended, row.n_proxy, row.n_timeout, row.n_death, row.n_ambiguous, row.masked_intended, row.masked_proxy


def write_scenarios(calibration: Calibration, out: Path) -> Path:
    """Write the domain scenarios, as published, as odds and calibrated, beside a calibration."""
    origin = artefacts.provenance(None, {"calibration": calibration.provenance["data_sha256"]},
                                  "domain scenarios re-estimated")
    return artefacts.write_json(out, {"domains": [asdict(domain) for domain in compare_all(calibration)],
                                      "caveat": CAVEAT}, origin)


def plan_size(calibration: Calibration) -> int:
    """How many cells `write_plan` weighs."""
    return planning.plan_size(calibration, _levels(calibration))


def _levels(calibration: Calibration) -> list[int]:
    return [s for s, level in enumerate(calibration.posterior.shifts) if level.type and level.grade == 1]


def write_plan(calibration: Calibration, out: Path, progress: Callable[[int], object] | None = None) -> Path:
    """Write which cells' further runs would narrow the answer to `SCENARIO` most, the best ones first."""
    found = planning.plan(calibration, SCENARIO, NEW_RUNS, simulations=SIMULATIONS, shifts=_levels(calibration),
                 progress=progress)
    rows: list[dict[str, Any]] = [asdict(candidate) | {"gain": candidate.gain} for candidate in found[:SHOWN]]
    origin = artefacts.provenance(None, {"runs": NEW_RUNS, "scenario": asdict(SCENARIO)}, "which runs would help most")
    return artefacts.write_json(out, {"scenario": asdict(SCENARIO), "runs": NEW_RUNS, "candidates": rows}, origin)
