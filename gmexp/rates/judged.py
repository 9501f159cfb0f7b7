"""What is shown of a cell: what both arms say where they were played, first events where only the visible one was.

Where no level of a cell tells the goals apart, nothing is masked, and reaching a goal is reaching both: capability is then
that of the visible arm. Goal failure, a ratio, may overshoot 1 by chance; what is shown ends there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gmexp.rates.counting import cell_order
from gmexp.rates.estimands import at_most_1
from gmexp.rates.intervals import Mean, mean_of_shares
from gmexp.rates.over_runs import Rate, Rates

__all__ = ["Judged", "judged"]


@dataclass(frozen=True, slots=True)
class Judged:
    """A condition under a shift at a grade, over its runs: quantities with mean, low, high (95%) and the runs' values."""

    condition: str
    shift_type: int
    shift_name: str
    grade: float
    probe: bool
    n_runs: int
    n_episodes: int  # of the visible arm
    causal: bool  # of both arms
    capability: Rate | Mean
    goal_failure: Rate | Mean
    latent: Mean | None  # None for first events
    realised: Mean
    run_ids: tuple[str, ...] = ()  # whose values the quantities' runs are, in their order


def judged(rates: Rates) -> tuple[Judged, ...]:
    """Every cell of a study, in its order."""
    known = {(cell.condition, *cell_order(cell)): cell for cell in rates.estimands}
    cells = []
    for cell in rates.cells:
        place = cell.condition, *cell_order(cell)
        both = known.get(place)
        if both is None:
            failed, played = ([getattr(run, of) for run in rate.runs] for rate, of in ((cell.joint_failure, "k"),
                                                                                       (cell.capability, "n")))
            shown = cell.capability, cell.goal_failure, None, mean_of_shares(np.array(failed), np.array(played))
        else:
            shown = (cell.capability if both.capability.mean is None else both.capability, at_most_1(both.goal_failure),
                     both.latent, both.realised)
        ids = tuple(run.run_id for run in cell.capability.runs)
        cells.append(Judged(*place, cell.n_runs, cell.n_episodes, both is not None, *shown, ids))
    return tuple(cells)
