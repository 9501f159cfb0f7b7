"""Measured settings against each other: what every level of a modifier does, and whether two modifiers multiply.

Settings are compared with the design's baseline, the condition from which most others differ in one modifier only. All
effects are posterior quantities of the mean over runs, with the cells' own departures u, so nothing forces them into
the shape that the modifiers' slopes beta assume.
"""

from __future__ import annotations

from dataclasses import asdict
from itertools import combinations
from typing import Any

import numpy as np

from gmexp.published.modifiers import alignment_modifier, diversity_modifier, spec_modifier
from gmexp.published.tables import table
from gmexp.statistics.design import CAPABILITY, Condition, GOAL, STAGES
from gmexp.statistics.posterior import Posterior, summarise

__all__ = ["MODIFIER_FIELDS", "baseline", "crosses", "level_effects", "plainest", "varied"]

MODIFIER_FIELDS = {  # of a condition, by the modifier they belong to
    "spec": ("spec_quality",), "cap": ("capability_level", "train_steps", "width"), "div": ("train_diversity",),
    "align": ("align_method", "algo"),
}


def varied(one: Condition, other: Condition) -> set[str]:
    """The modifiers in which two conditions differ; 'env' where they are of two environments."""
    found = {name for name, fields in MODIFIER_FIELDS.items()
             if any(getattr(one, field) != getattr(other, field) for field in fields)}
    return found | ({"env"} if one.env != other.env else set())


def baseline(conditions: tuple[Condition, ...]) -> int:
    """Index of the condition from which most others differ in one modifier only; the first of equals."""
    neighbours = [sum(len(varied(one, other)) == 1 for other in conditions) for one in conditions]
    return int(np.argmax(neighbours))


def plainest(conditions: tuple[Condition, ...], diversity: float) -> int:
    """Index of the condition of a training diversity that differs least from the baseline otherwise."""
    base = conditions[baseline(conditions)]
    return min((c for c, condition in enumerate(conditions) if condition.train_diversity == diversity),
               key=lambda c: (len(varied(conditions[c], base) - {"div"}), c))


def level_effects(post: Posterior) -> list[dict[str, Any]]:
    """Every measured condition that differs from the baseline in one modifier only.

    odds_ratio   per stage: exp of the mean difference in logits over the measured shift types 1 to 4
    risk_ratio   P(capable and goal fails) over the baseline's: geometric mean over the same shifts
    p_above_1    posterior probability that the risk is above the baseline's
    published    the published multiplier of this setting over that of the baseline's; None where the source maps neither
    Shifts that either condition was not measured under are left out; without any, so is the condition.
    """
    base = baseline(post.conditions)
    found = []
    for index, condition in enumerate(post.conditions):
        names = varied(condition, post.conditions[base]) - {"env"}
        shifts = _shared(post, (base, index))
        if len(names) != 1 or condition.env != post.conditions[base].env or not shifts:
            continue
        name = names.pop()
        published = _published(name, condition, post.conditions[base])
        found.append({"modifier": name, "condition": index, "baseline": base, "shifts": shifts, "published": published,
                      **_combined(post, shifts, {index: 1, base: -1})})
    return found


def _published(name: str, condition: Condition, base: Condition) -> float | None:
    if name == "spec":
        return float(spec_modifier(condition.spec_quality) / spec_modifier(base.spec_quality))
    if name == "div":
        return float(diversity_modifier(condition.train_diversity) / diversity_modifier(base.train_diversity))
    known = table("alignment_methods").column("name")
    if name == "align" and {condition.align_method, base.align_method} <= set(known):
        return alignment_modifier(condition.align_method) / alignment_modifier(base.align_method)
    return None


def crosses(post: Posterior) -> list[dict[str, Any]]:
    """Every measured 2 x 2 cross of two modifiers around the baseline.

    odds_ratio   per stage: the cross's odds ratio over the product of the two alone; 1 if they multiply as odds
    risk_ratio   the same of P(capable and goal fails); 1 if they multiply as the published model has it
    p_above_1    posterior probability that the risk of both together is more than the product
    """
    base = baseline(post.conditions)
    arms = {name: [c for c in range(len(post.conditions)) if varied(post.conditions[c], post.conditions[base]) == {name}]
            for name in MODIFIER_FIELDS}
    found = []
    for first, second in combinations(MODIFIER_FIELDS, 2):
        for one in arms[first]:
            for two in arms[second]:
                both = _crossed(post, one, two, first, second)
                shifts = [] if both is None else _shared(post, (base, one, two, both))
                if shifts:
                    found.append({"modifiers": [first, second], "baseline": base, "alone": [one, two], "both": both,
                                  "shifts": shifts, **_combined(post, shifts, {both: 1, one: -1, two: -1, base: 1})})
    return found


def _crossed(post: Posterior, one: int, two: int, first: str, second: str) -> int | None:
    """The condition that has `first` as `one` has it, `second` as `two` has it, and all else as both."""
    for index, condition in enumerate(post.conditions):
        if varied(condition, post.conditions[one]) == {second} and varied(condition, post.conditions[two]) == {first}:
            return index
    return None


def _combined(post: Posterior, shifts: list[int], weights: dict[int, int]) -> dict[str, Any]:
    """Ratios whose logarithm is the weighted sum over conditions, averaged over shift levels."""
    x = {c: post.x[c] for c in weights}

    def log_odds(stage: int) -> np.ndarray:
        return np.mean([sum(w * post.eta(stage, s, x[c], c) for c, w in weights.items()) for s in shifts], axis=0)

    tiny = np.finfo(float).tiny
    log_risk = np.mean([sum(w * np.log(np.maximum(post.rates(s, x[c], c)["misgen"], tiny)) for c, w in weights.items())
                        for s in shifts], axis=0)
    return {"odds_ratio": {STAGES[k]: asdict(summarise(np.exp(log_odds(k)), post.chains)) for k in (CAPABILITY, GOAL)},
            "risk_ratio": asdict(summarise(np.exp(log_risk), post.chains)), "p_above_1": float(np.mean(log_risk > 0))}


def _shared(post: Posterior, conditions: tuple[int, ...]) -> list[int]:
    """The shift levels of types 1 to 4 under which all these conditions were measured in both stages."""
    measured = set(post.measured)
    return [s for s, level in enumerate(post.shifts) if level.type > 0
            and all((stage, s, c) in measured for stage in (CAPABILITY, GOAL) for c in conditions)]
