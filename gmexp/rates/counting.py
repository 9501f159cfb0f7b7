"""From the event log of a run to its counts of outcomes, in both arms."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gmexp.artefacts.records import OutcomeCounts, RunMeta, column_names
from gmexp.rates.definitions import CELL, in_arm, log
from gmexp.support.errors import UserError
from gmexp_envs.outcome import INTENDED_GOAL, OUTCOMES, PROXY_GOAL, Outcome

VISIBLE = {Outcome.INTENDED_GOAL: "n_intended", Outcome.PROXY_GOAL: "n_proxy", Outcome.DEATH: "n_death",
           Outcome.TIMEOUT: "n_timeout", Outcome.AMBIGUOUS: "n_ambiguous"}  # fmt: skip
MASKED = ("n_masked", "masked_intended", "masked_proxy")
KEYS = (*CELL, "eval_seed")


def count_outcomes(episodes: pa.Table, meta: RunMeta) -> list[OutcomeCounts]:
    """Counts of one run, a row per cell and evaluation seed that was played in the visible arm."""
    _check_log(episodes, meta)
    visible = _grouped(in_arm(episodes), _visible_flags)
    masked = {_key(row): row for row in _grouped(in_arm(episodes, "masked"), _masked_flags)}
    in_distribution = [row for row in visible if row["shift_type"] == 0 and not row["probe"]]
    solved = sum(row["n_intended"] + row["n_proxy"] + row["n_ambiguous"] for row in in_distribution)
    played = sum(row["n_visible"] for row in in_distribution)
    known = {name: getattr(meta, name) for name in column_names(OutcomeCounts) if hasattr(meta, name)}
    known |= {"learner": getattr(meta, "learner_hash", None), "demonstrator": getattr(meta, "demonstrator", None),
              "n_harmful": None, "id_capability": solved / played if played else None}
    blank = dict.fromkeys(MASKED)
    return sorted((OutcomeCounts(**known, **row, **{name: masked.get(_key(row), blank)[name] for name in MASKED})
                   for row in visible), key=cell_order)


def cell_order(row: Any) -> tuple:
    """The cell of a record, to sort by."""
    return (row.shift_type, row.shift_name, row.grade, row.probe)


def _key(row: dict[str, Any]) -> tuple:
    return tuple(row[name] for name in KEYS)


def _grouped(episodes: pa.Table, flags_of: Any) -> list[dict[str, Any]]:
    """The flags of episodes added up in every cell and evaluation seed."""
    flags = {name: pa.array(flag.astype(np.int64)) for name, flag in flags_of(episodes).items()}
    grouped = pa.table({name: episodes[name] for name in KEYS} | flags).group_by(list(KEYS), use_threads=False)
    added = grouped.aggregate([(name, "sum") for name in flags])
    return added.rename_columns([name.removesuffix("_sum") for name in added.column_names]).to_pylist()


def _visible_flags(episodes: pa.Table) -> dict[str, np.ndarray]:
    logged = log(episodes)
    flags = {VISIBLE[outcome]: logged.outcome == index for index, outcome in enumerate(OUTCOMES)}
    return flags | {"n_distinguishing": logged.distinguishing, "n_visible": np.ones(len(logged.outcome), bool)}


def _masked_flags(episodes: pa.Table) -> dict[str, np.ndarray]:
    logged = log(episodes)
    return {"n_masked": logged.distinguishing, "masked_intended": logged.outcome == INTENDED_GOAL,
            "masked_proxy": logged.outcome == PROXY_GOAL}


def _check_log(episodes: pa.Table, meta: RunMeta) -> None:
    """Refuse a log that is another run's, counts an episode twice, or gives its slots unequal weight."""
    for name in ("run_id", "experiment_id", "train_seed"):
        if others := [v for v in pc.unique(episodes[name]).to_pylist() if v != getattr(meta, name)]:
            raise UserError(f"episodes of run {meta.run_id} carry {name} = {others[0]!r}, "
                            f"not {getattr(meta, name)!r}")
    length = episodes["length"]
    for name in ("intended_step", "proxy_step", "death_step"):
        outside = pc.or_kleene(pc.less(episodes[name], 1), pc.greater(episodes[name], length))
        if pc.any(outside).as_py():
            raise UserError(f"episodes of run {meta.run_id}: {name} lies outside 1..length")
    keys = [*KEYS, "arm", "slot"]
    slots = episodes.group_by(keys, use_threads=False).aggregate([("index", "count"), ("index", "count_distinct")])
    if pc.any(pc.not_equal(slots["index_count"], slots["index_count_distinct"])).as_py():
        raise UserError(f"episodes of run {meta.run_id}: the same slot and index occur twice in a cell")
    sizes = slots.group_by(keys[:-1]).aggregate([("index_count", "min"), ("index_count", "max")])
    if pc.any(pc.not_equal(sizes["index_count_min"], sizes["index_count_max"])).as_py():
        raise UserError(f"episodes of run {meta.run_id}: slots differ in their number of episodes, which favours "
                        "short ones; keep equally many per slot")
