"""Stage `mitigate`: a trained agent plays its held-out levels again with each mitigation -> counts in runs/<id>/mitigated/.

Levels, shifts and luck are those of the run's own evaluation, so that it is its own pair. Of every mitigation its negative
control is played too; help at random is as frequent, in each cell, as the help that was asked for there.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gmexp import artefacts
from gmexp.agents.mitigation import Mitigation
from gmexp.artefacts import tables
from gmexp.artefacts.records import Episode, OutcomeCounts
from gmexp.evaluation.cells import cells
from gmexp.evaluation.plan import EvaluationPlan
from gmexp.mitigations import detection, goal_probing, probe
from gmexp.mitigations.config import MitigationsPlan, mitigation_of_entry, negative_of
from gmexp.rates.counting import count_outcomes

if TYPE_CHECKING:
    from gmexp.agents.checkpoint import Checkpoint

FOLDER, COUNTS, HELPED = "mitigated", "counts.parquet", "helped.parquet"


@dataclass(frozen=True, slots=True)
class HelpedCell:
    """How many of an agent's decisions somebody else took in a cell of the visible arm."""

    shift_type: int
    shift_name: str
    grade: float
    probe: bool
    decisions: int
    helped: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayedCounts(OutcomeCounts):
    """What a run did in a cell with a mitigation: a row of a study's `mitigated.parquet`."""

    method: str
    setting: str  # its options, in words
    decisions: int | None  # in the visible and the masked arm; None where nobody could help
    helped: int | None  # of these: that somebody else took


def folder_of(run: Path, entry: dict[str, Any]) -> Path:
    """Where an entry's counts lie in a run's folder; entries of the same mitigation and options share it."""
    identity = {key: value for key, value in mitigation_of_entry(entry).identity.items() if key != "shares"}
    if "of" in entry:
        identity["of"] = entry["of"]
    name = str(entry["name"]).replace(":", "_").replace(".", "_")
    return run / FOLDER / f"{name}-{artefacts.config_hash(identity)[:8]}"


def mitigate(checkpoint: Checkpoint, plan: EvaluationPlan, wanted: MitigationsPlan,
             on_progress: Callable[[int], None] = lambda episodes: None) -> None:
    """Play an agent with everything that a study's plan asks for. What is there already is left as it is."""
    for entry in wanted.played:
        folder = _played(checkpoint, plan, entry, on_progress)
        if (negative := negative_of(entry)) is not None:
            shares = {"shares": _shares(folder)} if "of" in negative and (folder / HELPED).is_file() else {}
            _played(checkpoint, plan, {**negative, **shares}, on_progress)
    if wanted.watching:
        detection.watch(checkpoint, plan, wanted.watching)
    if wanted.probed:
        goal_probing.probe(checkpoint, plan, wanted.probed)
    if wanted.probe:
        probe.probe(checkpoint, plan, wanted.levels)


def _played(checkpoint: Checkpoint, plan: EvaluationPlan, entry: dict[str, Any], on_progress: Callable[[int], None]) -> Path:
    """The folder of an entry's counts."""
    from gmexp.evaluation.certified import levels_folder
    from gmexp.evaluation.evaluate import identity_of, play_with

    mitigation, folder = mitigation_of_entry(entry), folder_of(checkpoint.path.parent, entry)
    identity = identity_of(checkpoint, plan) | {"mitigation": mitigation.identity}
    if tables.made_from(folder / COUNTS) == artefacts.config_hash(identity):
        return folder
    planned = cells(checkpoint.task, checkpoint.training, plan, checkpoint.meta.train_seed)
    columns, actor = play_with(checkpoint, plan, planned, mitigation.fitted(checkpoint, plan),
                               cache=levels_folder(checkpoint.path), on_progress=on_progress)
    origin = artefacts.provenance(None, identity, f"a trained agent with {entry['name']}")
    helped = getattr(actor, "helped", None)
    if helped is not None:  # counts say that all is there, so they come last
        rows = [HelpedCell(cell.shift_type, cell.shift_name, cell.grade, cell.probe,
                           *(int(each[k * plan.slots:(k + 1) * plan.slots].sum()) for each in (actor.steps, helped)))
                for k, cell in enumerate(planned)]
        tables.write_table(folder / HELPED, rows, HelpedCell, origin)
    counts = count_outcomes(tables.as_table(columns, Episode), checkpoint.meta)
    tables.write_table(folder / COUNTS, counts, OutcomeCounts, origin)
    return folder


def _shares(folder: Path) -> list[float]:
    return [cell.helped / max(cell.decisions, 1) for cell in _helped(folder) or ()]


def _helped(folder: Path) -> list[HelpedCell] | None:
    """Decisions of every cell in an entry's folder, and how many were helped; None where nobody could help."""
    path = folder / HELPED
    return tables.read_records(path, HelpedCell) if path.is_file() else None


def read_counts(run: Path, entry: dict[str, Any]) -> list[OutcomeCounts] | None:
    """What an entry's play of a run counted; None where it was not played."""
    path = folder_of(run, entry) / COUNTS
    return tables.read_records(path, OutcomeCounts) if path.is_file() else None


def counts_with(run: Path, entry: dict[str, Any]) -> list[PlayedCounts]:
    """What a run did with an entry, a row per cell; none where it was not played."""
    helped = {(cell.shift_type, cell.shift_name, cell.grade, cell.probe): cell
              for cell in _helped(folder_of(run, entry)) or ()}
    rows, method, setting = [], kind_of(entry).name, words_of(entry)
    for counts in read_counts(run, entry) or ():
        cell = helped.get((counts.shift_type, counts.shift_name, counts.grade, counts.probe))
        known = {field.name: getattr(counts, field.name) for field in dataclasses.fields(counts)}
        rows.append(PlayedCounts(**known, method=method, setting=setting,
                                 decisions=cell and cell.decisions, helped=cell and cell.helped))
    return rows


def helped_share(run: Path, entry: dict[str, Any], shift: int | None = None) -> float | None:
    """The share of a run's decisions that somebody else took, under a shift or (None) under all but 0; None without help."""
    cells_helped = _helped(folder_of(run, entry))
    if cells_helped is None:
        return None
    found = [cell for cell in cells_helped if not cell.probe
             and (cell.shift_type == shift if shift is not None else cell.shift_type > 0)]
    decisions = sum(cell.decisions for cell in found)
    return sum(cell.helped for cell in found) / decisions if decisions else None


def kind_of(entry: dict[str, Any]) -> type[Mitigation]:
    """The class of an entry's mitigation."""
    return type(mitigation_of_entry(entry))


def words_of(entry: dict[str, Any]) -> str:
    """An entry's options in words, but for what is no choice of how it acts."""
    options = mitigation_of_entry(entry).identity
    words = ", ".join(f"{key} {value:g}" if isinstance(value, float) else f"{key} {value}" for key, value in options.items()
                      if key not in ("name", "levels", "shares", "lasts"))
    return f"{words}, as often as with {words_of(entry['of'])}" if "of" in entry else words


def mean_share(shares: list[float | None]) -> float | None:
    """The mean of what is known."""
    known = [share for share in shares if share is not None]
    return float(np.mean(known)) if known else None
