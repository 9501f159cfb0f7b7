"""The measures of all runs of a study, brought together over runs -> measures.json, and as text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gmexp import artefacts
from gmexp.artefacts import tables
from gmexp.artefacts.condition import condition_labels
from gmexp.artefacts.decode import decode
from gmexp.artefacts.study import Study
from gmexp.artefacts.upgrades import renamed
from gmexp.measures.context import MeasuredRun
from gmexp.measures.measure import Measure, find_measure, measure_names
from gmexp.support.errors import UserError

Pooled = Mapping[str, tuple[Any, ...]]  # by a measure's name, records of its `pooled` type; every measure has an entry


def pool(study: Study, names: Iterable[str] | None = None) -> Pooled:
    """Bring together what the runs of a study have measured, by the named measures; None for all that are known here and
    those that the study's configuration names."""
    runs = study.runs()
    labels = condition_labels(runs)
    order = list(dict.fromkeys(labels[run.run_id] for run in runs))
    runs = sorted(runs, key=lambda run: order.index(labels[run.run_id]))
    if names is None:
        names = dict.fromkeys([*measure_names(), *(study.read_index()["config"] or {}).get("measures", [])])
    pooled: dict[str, tuple[Any, ...]] = {}
    for name in names:
        measure = find_measure(name)
        tabled = [(run, table_of(measure, study.run(run.run_id))) for run in runs]
        measured = [MeasuredRun(run, labels[run.run_id], table, measure.row) for run, table in tabled if table is not None]
        pooled[name] = tuple(measure.pool(measured)) if measured else ()
    return pooled


def table_of(measure: Measure, folder: Path) -> Any:
    """The table that a measure left in a run's folder; None without one."""
    path = folder / measure.file
    if path.is_file():
        return tables.read_table(path, measure.row)
    rows = measure.older(folder) if measure.older else None
    return None if rows is None else tables.as_table(rows, measure.row)


def write(study: Study, pooled: Pooled) -> Path:
    """Write measures.json."""
    origin = artefacts.provenance(None, {}, "what was measured of the runs of a study, over runs")
    return artefacts.write_json(study.measures, dict(pooled), origin)


def read(study: Study) -> Pooled:
    """The content of measures.json; every measure is empty where there is none. UserError where a file is not of this
    version."""
    names = measure_names()
    if not study.measures.is_file():
        return {name: () for name in names}
    content = renamed(artefacts.read_json(study.measures), study.measures)
    content = {key: value for key, value in content.items() if key != "provenance"}
    try:
        return {name: decode(tuple[find_measure(name).pooled, ...], content.get(name, []), name)
                for name in dict.fromkeys([*names, *content])}
    except (UserError, ValueError) as error:
        raise UserError(f"{study.measures} is not a measures file of this version: {error}") from error


def show(pooled: Pooled) -> str:
    """What was measured as text, a paragraph for each measure; empty where nothing was."""
    return "\n\n".join(find_measure(name).show(rows) for name, rows in pooled.items() if rows)


def conclude(study: Study, names: Sequence[str] | None = None) -> str:
    """Pool, write measures.json if there is anything, and return it as text."""
    pooled = pool(study, names)
    if any(pooled.values()):
        write(study, pooled)
    return show(pooled)
