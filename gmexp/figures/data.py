"""`StudyData`: every artefact of a study that figures and pages show, read once, as records."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from gmexp import artefacts
from gmexp.artefacts.condition import condition_labels, labels, pretty
from gmexp.artefacts.decode import read_record
from gmexp.artefacts.records import CurvePoint, RunMeta
from gmexp.artefacts.study import Study
from gmexp.figures import marks, records
from gmexp.figures.words import words_of
from gmexp.measures import pool
from gmexp.rates import between_runs, learning, mitigated
from gmexp.rates.judged import Judged, judged
from gmexp.rates.mitigated import Mitigated
from gmexp.rates.over_runs import Rates, firsts, read_rates
from gmexp.support.errors import UserError
from gmexp_envs import find_task
from gmexp_envs.task import Task

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from gmexp.artefacts.table import Table

__all__ = ["Named", "StudyData"]

T = TypeVar("T")
Named = Callable[[str], str]  # a condition's label -> the same for readers


class StudyData:
    """A study's artefacts. What the study has not made is None or empty; what is damaged is a UserError when it is asked
    for."""

    def __init__(self, study: Study | Path | str) -> None:
        self.study = study if isinstance(study, Study) else Study(Path(study))
        self.pictures: dict[str, Figure] = {}  # those drawn already whose marks lead to runs, by the figure's name

    @cached_property
    def index(self) -> dict[str, Any]:
        """study.json; empty where there is none, as in a folder that pools several studies."""
        return self.study.read_index() if self.study.index.exists() else {}

    @cached_property
    def runs(self) -> tuple[RunMeta, ...]:
        return tuple(self.study.runs()) if self.index else ()

    @cached_property
    def conditions(self) -> dict[str, str]:
        """The condition's label of every run id."""
        return condition_labels(self.runs)

    @cached_property
    def firsts(self) -> dict[str, str]:
        """The first condition of every environment, with which the others are compared."""
        return firsts(self.runs, self.conditions)

    def runs_of(self, condition: str) -> tuple[str, ...]:
        """The ids of a condition's runs, in the order of the index."""
        return tuple(run_id for run_id, label in self.conditions.items() if label == condition)

    def opens(self, condition: str | None) -> str | None:
        """Where a mark of a condition leads on the study's page; None where no run that is here has it."""
        return marks.condition_address(condition) if condition in self.conditions.values() else None

    def opens_runs(self, run_ids: Sequence[str]) -> str | None:
        """Where a mark of several runs leads: to the run where it is one, else to the condition of the first; None where it
        is not known whose the mark is."""
        if len(run_ids) == 1 and run_ids[0] in self.conditions:
            return marks.address(run_ids[0])
        return self.opens(self.conditions.get(run_ids[0])) if run_ids else None

    def named(self, condition: str) -> str:
        """A condition's label for readers rather than terminals."""
        return pretty(condition, self.task.intended.name)

    @cached_property
    def task(self) -> Task:
        """The environment whose words the figures use: that of the first run, or of the calibration's first condition; of
        one that is not known here, general words."""
        with contextlib.suppress(KeyError, TypeError, UserError, ValueError):
            find_task(self.index["config"]["env"]["name"])  # one that is named by its import path is known from then on
        if self.runs:
            return words_of(self.runs[0].env)
        conditions = self.calibration.conditions if self.calibration else ()
        return words_of(str(conditions[0].get("env") or "") if conditions else "")

    @cached_property
    def rates(self) -> Rates | None:
        return read_rates(self.study.rates) if self.study.rates.exists() else None

    @cached_property
    def cells(self) -> tuple[Judged, ...]:
        """What is shown of every cell: of both arms where they were played, else of first events."""
        return judged(self.rates) if self.rates else ()

    @property
    def causal(self) -> bool:
        """Whether both arms were played, so that accidents do not count as goals."""
        return any(cell.causal for cell in self.cells)

    @cached_property
    def measures(self) -> pool.Pooled:
        """The pooled measures by name, empty where nothing was measured."""
        return pool.read(self.study)

    @cached_property
    def mitigations(self) -> Mitigated:
        """What mitigations were measured to do; empty where none was."""
        path = self.study.mitigations
        return mitigated.read(path) if path.is_file() else Mitigated()

    @cached_property
    def calibration(self) -> records.CalibrationSummary | None:
        path = self.study.calibration
        return records.calibration_of(artefacts.read_json(path), str(path)) if path.exists() else None

    @cached_property
    def model_labels(self) -> list[str]:
        """The label of every condition of the calibration."""
        return labels(self.calibration.conditions) if self.calibration else []

    @cached_property
    def base_rates(self) -> tuple[records.BaseRates, ...]:
        """Published beside calibrated base rates, a row per shift."""
        path = self.study.estimate
        return records.base_rates_of(artefacts.read_json(path, ["shifts"]), str(path)) if path.exists() else ()

    @property
    def published(self) -> dict[int, Any]:
        """The published rates of every shift that was calibrated."""
        return {row.shift: row.published for row in self.base_rates}

    @cached_property
    def blind_proxy(self) -> dict[tuple[str, float | None, int], float]:
        """The share of masked levels on which the proxy comes first, by environment, training diversity and shift type;
        what goal failure is a share of. Empty without counts of both arms."""
        from gmexp.artefacts.records import OutcomeCounts
        from gmexp.artefacts.tables import read_table

        if not self.study.counts.exists():
            return {}
        found: dict[tuple[str, float | None, int], list[int]] = {}
        for row in read_table(self.study.counts, OutcomeCounts).to_pylist():
            if row["n_masked"]:
                sums = found.setdefault((row["env"], row["train_diversity"], row["shift_type"]), [0, 0])
                sums[0] += row["masked_proxy"]
                sums[1] += row["n_masked"]
        return {key: proxy / masked for key, (proxy, masked) in found.items()}

    @cached_property
    def sensitivity(self) -> records.SensitivityStudy | None:
        path = self.study.sensitivity
        if not path.exists():
            return None
        return records.sensitivity_of(artefacts.read_json(path, ["scenario", "mode", "value"]), str(path))

    @cached_property
    def between_runs(self) -> tuple[between_runs.BetweenRuns, ...]:
        return tuple(between_runs.read(self.study))

    @cached_property
    def learning(self) -> tuple[learning.Learning, ...]:
        return tuple(learning.read(self.study))

    @cached_property
    def curves(self) -> dict[str, Table]:
        """The learning curve of every run that has one, by run id."""
        from gmexp.artefacts.tables import read_table

        paths = {run.run_id: self.study.curve(run.run_id) for run in self.runs}
        return {run_id: read_table(path, CurvePoint) for run_id, path in paths.items() if path.exists()}

    def record(self, name: str, kind: type[T]) -> T | None:
        """A JSON artefact of the study's folder by its file's name, as a record; None where there is none."""
        path = self.study.root / name
        return read_record(path, kind) if path.is_file() else None
