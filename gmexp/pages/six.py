"""Which episodes of a run are looked at: six by outcome, the rarest outcome as much in view as the most frequent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from gmexp.artefacts.table import Table
from gmexp.rates.definitions import log
from gmexp_envs.outcome import OUTCOMES, Outcome

__all__ = ["SHOWN_SHIFT", "SIX", "Chosen", "film_name", "last_step", "six"]

SIX = 6
SHOWN_SHIFT = 3  # that pages show: its key factor is the reward, which is what goal misgeneralization is about
IN_TURN = (Outcome.PROXY_GOAL, Outcome.INTENDED_GOAL, Outcome.DEATH, Outcome.TIMEOUT, Outcome.AMBIGUOUS)
WORTH_WATCHING = (20, 160)  # game steps


@dataclass(frozen=True, slots=True)
class Chosen:
    """An episode of the visible arm."""

    row: dict[str, Any]  # of `records.Episode`
    outcome: Outcome


def six(episodes: Table, most: int = SIX) -> list[Chosen]:
    """Up to `most` episodes under the shown shift at its highest grade, one outcome after the other in turn.

    Of an outcome those come first that an instance played first (they can be filmed) and whose length is worth watching.
    """
    outcome, shift, grade = log(episodes).outcome, episodes["shift_type"].values, episodes["grade"].values
    visible = np.array([arm == "visible" for arm in episodes["arm"]]) & ~episodes["probe"].values.astype(bool)
    if not visible.any():
        return []
    kinds = set(shift[visible].tolist())
    visible &= shift == (SHOWN_SHIFT if SHOWN_SHIFT in kinds else max(kinds))
    visible &= grade == grade[visible].max()
    rows = np.flatnonzero(visible)
    length, index = episodes["length"].values[rows], episodes["index"].values[rows]
    dull = (length < WORTH_WATCHING[0]) | (length > WORTH_WATCHING[1])
    ordered = rows[np.lexsort((rows, dull, index != 0))]
    places = {kind: [row for row in ordered.tolist() if OUTCOMES[outcome[row]] is kind] for kind in IN_TURN}
    in_turn = [(turn, kind) for turn in range(most) for kind in IN_TURN if turn < len(places[kind])][:most]
    taken = sorted(in_turn, key=lambda pair: (IN_TURN.index(pair[1]), pair[0]))
    listed = episodes.take(np.array([places[kind][turn] for turn, kind in taken], int)).to_pylist()
    return [Chosen(row, kind) for row, (_, kind) in zip(listed, taken, strict=True)]


def last_step(row: dict[str, Any]) -> int:
    """The game step at which an episode's film ends: the first goal that it reached, else its last."""
    return min((step for step in (row["intended_step"], row["proxy_step"]) if step is not None), default=row["length"])


def film_name(chosen: Chosen) -> str:
    """The name of its film's files, without their suffixes."""
    return f"shift{chosen.row['shift_type']}-{chosen.outcome.value}-level{chosen.row['level_seed']}"
