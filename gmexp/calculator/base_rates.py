"""Stage `estimate`: the published base rates beside those that experiments measured."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from gmexp.artefacts.records import OutcomeCounts
from gmexp.published.tables import table
from gmexp.rates.intervals import Mean
from gmexp.statistics.calibration import Calibration
from gmexp.statistics.contrasts import plainest
from gmexp.statistics.design import Condition


def base_rates(calibration: Calibration, rows: Sequence[OutcomeCounts],
               discounted: Mapping[tuple[Condition, int], Mean] | None = None) -> list[dict[str, Any]]:
    """For each measured shift of the ladder: the published rates, and the calibrated ones per training diversity, with
    all else as in the baseline if that was measured (`contrasts.plainest`).

    `p_misgen` is capability x goal failure on both sides, without harm: that is what experiments can measure.
    `discounted` is goal failure with accidents discounted by condition and shift type, of those that were measured for
    it; `unpursued` is None elsewhere.
    """
    printed = {row["type"]: row for row in table("shift_types").rows}
    diversities = sorted({row.train_diversity for row in rows})
    discounted = discounted or {}
    found = []
    for kind in sorted({row.shift_type for row in rows} - {0}):
        base = {key: printed[kind][key] for key in ("capability", "goal_failure")}
        base["p_misgen"] = base["capability"] * base["goal_failure"]
        conditions = []
        for diversity in diversities:
            like = plainest(calibration.posterior.conditions, diversity)
            predicted = calibration.predict_condition(like, kind)
            share = discounted.get((calibration.posterior.conditions[like], kind))
            conditions.append({"train_diversity": diversity, "capability": _summary(predicted.capability),
                               "goal_failure": _summary(predicted.goal_failure),
                               "p_misgen": _summary(predicted.misgen),
                               "unpursued": None if share is None else dataclasses.asdict(share)})
        found.append({"shift": kind, "published": base, "calibrated": conditions[0], "conditions": conditions})
    return found


def _summary(summary: Any) -> dict[str, float]:
    return {"mean": summary.mean, "q025": summary.q025, "q975": summary.q975}


def base_rate_table(shifts: list[dict[str, Any]]) -> str:
    """Published and calibrated rates as text, a row per shift and training diversity."""
    lines = [f"{'shift':<6}{'source':<22}{'P(capability)':>20}{'P(goal fails | cap.)':>24}{'P(misgen)':>20}"]
    for row in shifts:
        p = row["published"]
        lines.append(f"{row['shift']:<6}{'published':<22}{p['capability']:>20.2f}{p['goal_failure']:>24.2f}"
                     f"{p['p_misgen']:>20.2f}")
        for c in row["conditions"]:
            label = f"calibrated, delta={c['train_diversity']:g}"
            cells = [f"{c[k]['mean']:.2f} [{c[k]['q025']:.2f}, {c[k]['q975']:.2f}]"
                     for k in ("capability", "goal_failure", "p_misgen")]
            lines.append(f"{'':<6}{label:<22}{cells[0]:>20}{cells[1]:>24}{cells[2]:>20}")
    return "\n".join(lines)


def report(shifts: list[dict[str, Any]], calibration: Calibration) -> str:
    """The base rates as text, and what the calibration warns of."""
    return "\n".join([base_rate_table(shifts), *(f"warning: {note}" for note in calibration.warnings)])
