"""Stage `estimate`: the published base rates beside the measured ones, where they mean the same event.

    published P(capability)                        capability: reaches a goal without seeing the intended one
    published P(goal fails given capability)       goal failure
    published P(misgeneralization), without harm   realised: proxy first, of the episodes played under the shift
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from gmexp.artefacts.records import OutcomeCounts
from gmexp.published.scenario import Scenario
from gmexp.published.tables import table
from gmexp.rates.intervals import Mean
from gmexp.statistics.calibration import Calibration
from gmexp.statistics.contrasts import baseline, plainest
from gmexp.statistics.design import Condition, TWO_ARMS
from gmexp.statistics.posterior import QUANTITIES, Summary

__all__ = ["base_rate_table", "base_rates", "report"]


def base_rates(calibration: Calibration, rows: Sequence[OutcomeCounts],
               discounted: Mapping[tuple[Condition, int], Mean] | None = None) -> list[dict[str, Any]]:
    """For each measured shift of the ladder: published rates, the next environment's at the reference, and per training
    diversity those of the plainest measured setup, in the environment where most was varied. `p_misgen` is realised
    misgeneralization, without harm. `discounted` is goal failure with accidents discounted by attribution, by condition
    and shift type, where that was measured; where both arms were played there are none to discount."""
    printed = {row["type"]: row for row in table("shift_types").rows}
    post, result = calibration.posterior, []
    env = post.conditions[baseline(post.conditions)].env
    diversities = sorted({condition.train_diversity for condition in post.conditions if condition.env == env} - {None})
    causal = calibration.estimand["name"] == TWO_ARMS
    for kind in sorted({row.shift_type for row in rows} - {0}):
        base = {key: printed[kind][key] for key in ("capability", "goal_failure")}
        base["p_misgen"] = base["capability"] * base["goal_failure"]
        conditions = []
        for diversity in diversities:
            like = plainest(post.conditions, diversity)
            prediction = calibration.predict_condition(like, kind)
            share = None if causal else (discounted or {}).get((post.conditions[like], kind))
            conditions.append({"train_diversity": diversity, "env": post.conditions[like].env, **_rates(prediction),
                               "unpursued": None if share is None else dataclasses.asdict(share)})
        following = calibration.predict(Scenario(kind))
        result.append(
            {
                "shift": kind,
                "causal": causal,
                "published": base,
                "next_environment": _rates(following),
                "environments": following.environments,
                "calibrated": conditions[0] if conditions else _rates(following),
                "conditions": conditions,
            }
        )
    return result


def _rates(prediction: Any) -> dict[str, Any]:
    rates = {name: _summary(getattr(prediction, name)) for name in QUANTITIES}
    return {**rates, "p_misgen": rates["realised"], "kind": prediction.kind, "status": prediction.status}


def _summary(summary: Summary) -> dict[str, float]:
    return {"mean": summary.mean, "q025": summary.q025, "q975": summary.q975}


def base_rate_table(shifts: list[dict[str, Any]]) -> str:
    """Published and measured rates as text: per shift the source, the next environment and the measured setups."""
    heads = ("P(capability)", "P(goal fails | cap.)", "latent", "realised")
    lines = [f"{'shift':<6}{'source':<30}" + "".join(f"{head:>21}" for head in heads)]
    for row in shifts:
        p = row["published"]
        lines.append(f"{row['shift']:<6}{'published':<30}{p['capability']:>21.2f}{p['goal_failure']:>21.2f}{'':>21}"
                     f"{p['p_misgen']:>21.2f}")
        n = row["environments"]
        lines.append(_line(f"next environment ({n} measured)", row["next_environment"]))
        lines += [_line(f"{c['env'] or 'this setup'}, delta {c['train_diversity']:g}", c) for c in row["conditions"]]
    return "\n".join(lines)


def _line(label: str, rates: Mapping[str, Any]) -> str:
    cells = [f"{rates[k]['mean']:.2f} [{rates[k]['q025']:.2f}, {rates[k]['q975']:.2f}]" for k in QUANTITIES]
    return f"{'':<6}{label:<30}" + "".join(f"{cell:>21}" for cell in cells)


def report(shifts: list[dict[str, Any]], calibration: Calibration) -> str:
    """What a calibration says: its base rates, what one environment leaves to assumption or several allow, its warnings."""
    about, lines = calibration.environments, [base_rate_table(shifts), ""]
    n = about["n"]
    each = ", ".join(f"{name or 'unnamed'}: {runs} runs" for name, runs in about["runs"].items())
    lines.append(f"{n} environment{'s' * (n != 1)} ({each}); estimand: {calibration.estimand['name'].replace('_', ' ')}")
    if about["assumption"]:
        for row in about["assumption"]["by_shift"]:
            lines.append(
                f"shift {row['shift']}, 1 environment: {100 * row['share']:.0f}% of the width of goal failure in the next "
                "is an assumption about environments; 95% if they differ by"
            )
            lines += [
                f"   {s['omega']:.1f} logits   goal failure {_range(s['goal_failure'])}   capability "
                f"{_range(s['capability'])}"
                f"   latent {_range(s['latent'])}"
                for s in row["sensitivity"]
            ]
    for row in about["classical"]:
        if row["quantity"] == "goal_failure":
            lines.append(
                f"shift {row['shift']}, REML + HKSJ over {row['k']} environments: goal failure {row['mean']:.2f} "
                f"[{row['low']:.2f}, {row['high']:.2f}], next [{row['next_low']:.2f}, {row['next_high']:.2f}] "
                f"({row['next_t']})"
            )
    odd = [row for row in about["left_out"] if row["p"] is not None and row["p"] < 0.05]
    lines += [f"{row['env']}: its {row['stage']} is unlike that of the other environments (p {row['p']:.3f})" for row in odd]
    return "\n".join([*lines, *(f"warning: {note}" for note in calibration.warnings)])


def _range(pair: Sequence[float]) -> str:
    return f"[{pair[0]:.2f}, {pair[1]:.2f}]"
