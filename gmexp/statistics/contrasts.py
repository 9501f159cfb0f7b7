"""Measured settings against each other: what every level of a modifier does, and whether two modifiers multiply.

Settings are compared with the baseline of their environment, the condition from which most others differ in one modifier
only. Conditions of one environment that share train seeds are compared run by run through the model's seed effects.
"""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np

from gmexp.published.modifiers import alignment_modifier, diversity_modifier, spec_modifier
from gmexp.published.tables import table
from gmexp.statistics.design import Condition
from gmexp.statistics.posterior import Posterior

__all__ = ["MODIFIER_FIELDS", "baseline", "crosses", "level_effects", "plainest", "varied"]

MODIFIER_FIELDS = {  # of a condition, by the modifier they belong to
    "spec": ("spec_quality",), "cap": ("train_steps", "width"), "div": ("train_diversity",), "align": ("align_method",)}


def varied(one: Condition, other: Condition) -> set[str]:
    """The modifiers in which two conditions differ; 'env' and 'learner' where they are of two."""
    names = {name for name, fields in MODIFIER_FIELDS.items() if any(getattr(one, f) != getattr(other, f) for f in fields)}
    return names | {name for name in ("env", "learner") if getattr(one, name) != getattr(other, name)}


def baseline(conditions: tuple[Condition, ...]) -> int:
    """Index of the condition from which most others differ in one modifier only; the first of equals."""
    neighbours = [sum(len(varied(one, other)) == 1 for other in conditions) for one in conditions]
    return int(np.argmax(neighbours))


def plainest(conditions: tuple[Condition, ...], diversity: float | None) -> int:
    """Index of the condition of a training diversity that differs least from the baseline otherwise."""
    base = conditions[baseline(conditions)]
    return min((c for c, condition in enumerate(conditions) if condition.train_diversity == diversity),
               key=lambda c: (len(varied(conditions[c], base) - {"div"}), c))


def _by_environment(post: Posterior) -> list[list[int]]:
    return [[i for i, c in enumerate(post.conditions) if c.env == env] for env in post.envs]


def level_effects(post: Posterior) -> list[dict[str, Any]]:
    """Every measured condition that differs from its environment's baseline in one modifier only.

    odds_ratio   per stage: median and 95% of exp of the mean difference in logits over the measured shift types 1 to 4
    risk_ratio   latent misgeneralization over the baseline's: geometric mean over the same shifts
    p_above_1    posterior probability that the risk is above the baseline's
    published    the published multiplier of this setting over that of the baseline's; None where the source maps neither
    """
    rows = []
    for members in _by_environment(post):
        base = members[baseline(tuple(post.conditions[i] for i in members))]
        for index in members:
            names = varied(post.conditions[index], post.conditions[base])
            shifts = _shared(post, (base, index))
            if len(names) == 1 and shifts and (name := names.pop()) in MODIFIER_FIELDS:
                rows.append({"modifier": name, "condition": index, "baseline": base, "shifts": shifts,
                             "published": _published(name, post.conditions[index], post.conditions[base]),
                             **_combined(post, shifts, {index: 1, base: -1})})
    return rows


def _published(name: str, condition: Condition, base: Condition) -> float | None:
    if None in (condition.spec_quality, base.spec_quality, condition.train_diversity, base.train_diversity):
        return None
    if name == "spec":
        return float(spec_modifier(condition.spec_quality) / spec_modifier(base.spec_quality))
    if name == "div":
        return float(diversity_modifier(condition.train_diversity) / diversity_modifier(base.train_diversity))
    known = table("alignment_methods").column("name")
    methods = [c.align_method.split(":")[0] for c in (condition, base)]
    if name == "align" and set(methods) <= set(known):
        return alignment_modifier(methods[0]) / alignment_modifier(methods[1])
    return None


def crosses(post: Posterior) -> list[dict[str, Any]]:
    """Every measured 2 x 2 cross of two modifiers around an environment's baseline.

    odds_ratio   per stage: the cross's odds ratio over the product of the two alone; 1 if they multiply as odds
    risk_ratio   the same of latent misgeneralization; 1 if they multiply as the published model has it
    p_above_1    posterior probability that the risk of both together is more than the product
    """
    rows = []
    for members in _by_environment(post):
        base = members[baseline(tuple(post.conditions[i] for i in members))]
        arms = {name: [c for c in members if varied(post.conditions[c], post.conditions[base]) == {name}]
                for name in MODIFIER_FIELDS}
        for first, second in combinations(MODIFIER_FIELDS, 2):
            for one in arms[first]:
                for two in arms[second]:
                    both = _crossed(post, members, one, two, first, second)
                    shifts = [] if both is None else _shared(post, (base, one, two, both))
                    if shifts:
                        rows.append({"modifiers": [first, second], "baseline": base, "alone": [one, two], "both": both,
                                     "shifts": shifts, **_combined(post, shifts, {both: 1, one: -1, two: -1, base: 1})})
    return rows


def _crossed(post: Posterior, members: list[int], one: int, two: int, first: str, second: str) -> int | None:
    """The condition that has `first` as `one` has it, `second` as `two` has it, and all else as both."""
    for index in members:
        if varied(post.conditions[index], post.conditions[one]) == {second} \
                and varied(post.conditions[index], post.conditions[two]) == {first}:
            return index
    return None


def _combined(post: Posterior, shifts: list[int], weights: dict[int, int]) -> dict[str, Any]:
    """Ratios whose logarithm is the weighted sum over conditions, averaged over shift levels."""
    place = {cell: i for i, cell in enumerate(post.cells)}
    eta = np.mean([sum(w * post.cell[:, :, place[c, s]] for c, w in weights.items()) for s in shifts], axis=0)
    tiny = np.finfo(float).tiny
    log_risk = np.mean([sum(w * np.log(np.maximum(post.rates(s, post.cell[:, :, place[c, s]], "this_setup", 1.0)["latent"], tiny))
                            for c, w in weights.items()) for s in shifts], axis=0)
    return {"odds_ratio": {"capability": _ratio(eta[:, 0]), "goal_failure": _ratio(-eta[:, -1])},
            "risk_ratio": _ratio(log_risk), "p_above_1": float(np.mean(log_risk > 0))}


def _ratio(log_ratio: np.ndarray) -> dict[str, float]:
    low, median, high = (float(v) for v in np.exp(np.quantile(log_ratio, (0.025, 0.5, 0.975))))
    return {"median": median, "q025": low, "q975": high}


def _shared(post: Posterior, conditions: tuple[int, ...]) -> list[int]:
    """The shift levels of types 1 to 4 under which all these conditions were measured."""
    measured = set(post.cells)
    return [s for s, level in enumerate(post.shifts) if level.type > 0 and all((c, s) in measured for c in conditions)]
