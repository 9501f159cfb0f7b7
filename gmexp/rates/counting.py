"""From the event log of a run to its counts of outcomes, in both arms."""

from __future__ import annotations

from typing import Any

import numpy as np

from gmexp.artefacts.records import OutcomeCounts, RunMeta, column_names
from gmexp.artefacts.table import Table
from gmexp.rates.definitions import CELL, in_arm, log
from gmexp.support.errors import UserError
from gmexp_envs.outcome import INTENDED_GOAL, OUTCOMES, PROXY_GOAL, Outcome

VISIBLE = {Outcome.INTENDED_GOAL: "n_intended", Outcome.PROXY_GOAL: "n_proxy", Outcome.DEATH: "n_death",
           Outcome.TIMEOUT: "n_timeout", Outcome.AMBIGUOUS: "n_ambiguous"}  # fmt: skip
MASKED = ("n_masked", "masked_intended", "masked_proxy")
KEYS = (*CELL, "eval_seed")
CLONES = {"behavioral_cloning": "intended", "behavioral_cloning_of_proxy": "proxy"}  # methods, and whom they imitate


def count_outcomes(episodes: Table, meta: RunMeta) -> list[OutcomeCounts]:
    """Counts of one run, a row per cell and evaluation seed that was played in the visible arm."""
    _check_log(episodes, meta)
    visible, masked_arm = in_arm(episodes), in_arm(episodes, "masked")
    masked = {_key(row): row for row in masked_arm.sums(KEYS, _masked_flags(masked_arm))}
    visible = visible.sums(KEYS, _visible_flags(visible))
    in_distribution = [row for row in visible if row["shift_type"] == 0 and not row["probe"]]
    solved = sum(row["n_intended"] + row["n_proxy"] + row["n_ambiguous"] for row in in_distribution)
    played = sum(row["n_visible"] for row in in_distribution)
    known = {name: getattr(meta, name) for name in column_names(OutcomeCounts) if hasattr(meta, name)}
    method, demonstrator = _imitation(meta)
    known |= {"learner": meta.learner_hash, "align_method": method, "demonstrator": demonstrator, "n_harmful": None,
              "id_capability": solved / played if played else None}
    blank = dict.fromkeys(MASKED)
    return sorted((OutcomeCounts(**known, **row, **{name: masked.get(_key(row), blank)[name] for name in MASKED})
                   for row in visible), key=cell_order)


def cell_order(row: Any) -> tuple:
    """The cell of a record, to sort by."""
    return (row.shift_type, row.shift_name, row.grade, row.probe)


def _imitation(meta: RunMeta) -> tuple[str | None, str | None]:
    """The alignment method of a run, and whom it imitates: earlier runs say both in one word."""
    if meta.align_method not in CLONES:
        return meta.align_method, meta.demonstrator
    return "behavioral_cloning", (meta.demonstrator or CLONES[meta.align_method]).removeprefix("scripted_")


def _key(row: dict[str, Any]) -> tuple:
    return tuple(row[name] for name in KEYS)


def _visible_flags(episodes: Table) -> dict[str, np.ndarray]:
    logged = log(episodes)
    flags = {VISIBLE[outcome]: logged.outcome == index for index, outcome in enumerate(OUTCOMES)}
    return flags | {"n_distinguishing": logged.distinguishing, "n_visible": np.ones(len(logged.outcome), bool)}


def _masked_flags(episodes: Table) -> dict[str, np.ndarray]:
    logged = log(episodes)
    return {"n_masked": logged.distinguishing, "masked_intended": logged.outcome == INTENDED_GOAL,
            "masked_proxy": logged.outcome == PROXY_GOAL}


def _check_log(episodes: Table, meta: RunMeta) -> None:
    """Refuse a log that is another run's, counts an episode twice, or gives its slots unequal weight."""
    for name in ("run_id", "experiment_id", "train_seed"):
        if others := [v for v in dict.fromkeys(episodes[name].to_pylist()) if v != getattr(meta, name)]:
            raise UserError(f"episodes of run {meta.run_id} carry {name} = {others[0]!r}, "
                            f"not {getattr(meta, name)!r}")
    length = episodes["length"].values
    for name in ("intended_step", "proxy_step", "death_step"):
        step = episodes[name]
        outside = (step.values < 1) | (step.values > length)
        if (outside if step.missing is None else outside & ~step.missing).any():
            raise UserError(f"episodes of run {meta.run_id}: {name} lies outside 1..length")
    keys = [*KEYS, "arm", "slot"]
    slot, first = episodes.groups(keys)
    if len(episodes.groups([*keys, "index"])[1]) < len(episodes):
        raise UserError(f"episodes of run {meta.run_id}: the same slot and index occur twice in a cell")
    played, cell = np.bincount(slot), episodes.take(first).groups(keys[:-1])[0]
    if (played != played[np.unique(cell, return_index=True)[1]][cell]).any():
        raise UserError(f"episodes of run {meta.run_id}: slots differ in their number of episodes, which favours "
                        "short ones; keep equally many per slot")
