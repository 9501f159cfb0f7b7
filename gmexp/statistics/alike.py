"""Data sets of one structure: their designs row by row alike, and their models as one, for many fits at once."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from gmexp.statistics.design import Design
from gmexp.statistics.model import Model

__all__ = ["aligned", "together"]


def aligned(design: Design, like: Design) -> Design:
    """A design's numbers in the rows, runs and conditions of another, by their names; rows that it lacks say nothing.

    ValueError where it has rows that the other lacks, or other estimands.
    """
    if design.estimand != like.estimand:
        raise ValueError(f"the designs have other estimands: {design.estimand}, {like.estimand}")
    place = {name: i for i, name in enumerate(_rows(like))}
    to = np.array([place.get(name, -1) for name in _rows(design)])
    if (to < 0).any():
        raise ValueError(f"a row of the design is not in the other: {_rows(design)[int(np.argmin(to))]}")
    counts = {name: np.zeros_like(getattr(like, name)) for name in ("masked", "visible", "reached")}
    for name, array in counts.items():
        array[to] = getattr(design, name)
    revealed = np.full_like(like.revealed, np.nan)
    shifts = [like.shifts.index(level) for level in design.shifts]
    conditions = [like.conditions.index(condition) for condition in design.conditions]
    revealed[np.ix_(shifts, conditions)] = design.revealed
    return replace(like, revealed=revealed, **counts)


def _rows(design: Design) -> list[tuple]:
    return [(design.conditions[design.run_condition[r]], design.run_ids[r], design.shifts[s])
            for r, s in zip(design.run.tolist(), design.shift.tolist(), strict=True)]


def together(models: Sequence[Model], chains: int) -> Model:
    """One model of `chains` chains of each model, one model's after another's; they differ in counts and pulls only."""
    if len(models) == 1:
        return models[0]
    one = copy.copy(models[0])
    for name in ("masked", "visible") if one.two_arms else ("success", "failure"):
        setattr(one, name, np.stack([getattr(model, name) for model in models], axis=1).repeat(chains, axis=1))
    one.pulls = {name: np.concatenate([model.pulls[name] for model in models]).repeat(chains, axis=0) for name in one.pulls}
    return one
