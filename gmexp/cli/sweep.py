"""`gmexp run -m`: Hydra's multirun grammar for the conditions and train seeds of a study.

    gmexp run -m experiment=quickstart env.diversity=0,0.01,0.1 seed=range(10)

Swept keys become the study's `conditions`, in every combination, and `seed` becomes its `seeds`; so a sweep is a study
like any other. What the experiment itself varies is crossed with it, but for the keys that are swept.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

from gmexp.cli.swept import MOST_RUNS, key_of, texts
from gmexp.pipeline import RunConfig
from gmexp.support import composition as config
from gmexp.support.errors import UserError
from gmexp.training.config import TrainConfig

SWEPT = ("env", "agent", "steps", "seed")  # what may differ between the runs of a study
KINDS = config.keys(TrainConfig)


def load(arguments: Sequence[str], searched: Sequence[str] = (), name: str | None = None) -> RunConfig:
    """The study that the arguments of `gmexp run -m` describe."""
    known = {**config.keys(RunConfig), **dict.fromkeys(config.groups("run"), str), "seed": int}
    axes: dict[str, list[Any]] = {}
    fixed = []
    for item in arguments:
        key = key_of(item)
        swept = texts(item, known, searched)
        if swept is None and key == "seed":
            swept = [item.partition("=")[2]]
        if swept is None:
            fixed.append(item)
        else:
            if key.split(".")[0] not in SWEPT:
                raise UserError(f"-m cannot sweep {key}: the runs of one study differ in {', '.join(SWEPT)} only")
            axes[key] = [config.value(key, text, KINDS) for text in swept]
    study = config.load("run", RunConfig, fixed, searched, name)
    seeds = axes.pop("seed", study.seeds)
    if len(seeds) * len(study.conditions) * math.prod(map(len, axes.values())) > MOST_RUNS:
        raise UserError(f"-m asks for more than {MOST_RUNS} runs")
    conditions = [without | combination for without in _without(study.conditions, axes)
                  for combination in _combinations(axes, fixed)]
    return config.override(study, {"conditions": conditions, "seeds": seeds})


def _without(conditions: Sequence[dict[str, Any]], axes: dict[str, list[Any]]) -> list[dict[str, Any]]:
    """The experiment's conditions as far as the sweep does not take their place, each once."""
    def replaced(key: str) -> bool:
        return key in axes or key.split(".")[0] in axes

    kept = [{key: value for key, value in condition.items() if not replaced(key)} for condition in conditions]
    return [condition for position, condition in enumerate(kept) if condition not in kept[:position]]


def _combinations(axes: dict[str, list[Any]], fixed: Sequence[str]) -> list[dict[str, Any]]:
    """Every combination of the swept values.

    Where a whole group is swept, what is fixed below it goes with each choice: `agent=ppo,cloning agent.width=64`.
    """
    below = {key: config.value(key, text, KINDS) for key, _, text in (item.partition("=") for item in fixed)
             if "." in key and key.split(".")[0] in axes}
    ordered = sorted(axes, key=lambda key: "." in key)  # groups first: their keys refine them
    found = []
    for values in itertools.product(*(axes[key] for key in ordered)):
        chosen = dict(zip(ordered, values, strict=True))
        found.append({key: chosen[key] for key in ordered if "." not in key} | below
                     | {key: chosen[key] for key in ordered if "." in key})
    return found

