"""Goal failure with accidents discounted, by training condition and over the runs of several studies."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from gmexp.artefacts.study import Study
from gmexp.measures import attribution
from gmexp.rates import intervals
from gmexp.rates.intervals import Mean
from gmexp.statistics.design import Condition, condition_of_run


def unpursued(studies: Sequence[Study]) -> dict[tuple[Condition, int], Mean]:
    """1 - pursuit (`gmexp.measures.attribution`) by condition and shift type, mean over runs and 95% interval; a run that
    is in two studies counts once. Where no run was measured, or none left room for it, there is no entry; a folder of
    counts alone has no runs."""
    found: dict[tuple[Condition, int], dict[tuple[str, str], attribution.Effect]] = defaultdict(dict)
    for study in studies:
        for run in study.runs() if study.index.is_file() else ():
            path = study.run(run.run_id) / attribution.FILE
            for effect in attribution.effects(path) if path.is_file() else ():
                if effect.effect == "pursuit" and effect.value is not None:
                    found[condition_of_run(run), effect.shift_type].setdefault((run.run_id, run.config_hash), effect)
    return {key: _mean(list(runs.values())) for key, runs in found.items()}


def _mean(effects: Sequence[attribution.Effect]) -> Mean:
    values = np.array([effect.value for effect in effects])
    mean, low, high = intervals.mean_of_effects(values, np.array([(e.high - e.low) / 2 for e in effects]))
    return Mean(1 - mean, 1 - high, 1 - low, tuple((1 - values).tolist()))
