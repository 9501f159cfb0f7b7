"""`gmexp estimate | tables | audit | scenarios`: the calculator on the command line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from gmexp.calculator.core import MODES, Calculator
from gmexp.calculator.formula import harm_values
from gmexp.calculator.scenario import Estimate, Scenario
from gmexp.calculator.tables import Table, table, table_names
from gmexp.errors import UserError
from gmexp.keyvalue import Command, Kind, Option, boolean, choice, number, text, whole

__all__ = ["audit", "estimate", "scenarios", "tables"]

FORMAT = Option("format", choice("text", "json"), "text", "output for people or for machines")


def harm_kind() -> Kind:
    """printed, stated, pooled, elicited, or a probability."""

    def read(value: str) -> str | float:
        if value in ("printed", "stated", "pooled", "elicited"):
            return value
        harm_values(float(value))
        return float(value)

    return Kind("printed, stated, pooled, elicited or a number from 0 to 1", read)


SCENARIO_OPTIONS = (
    Option("shift", whole(0, 4), None, "shift type: 1 superficial, 2 moderate, 3 significant, 4 extreme "
           "(0 in distribution, calibrated mode only)", required=True),
    Option("spec_quality", number(0, 1), None, "quality of the specification"),
    Option("capability", text("below_human, human or superhuman"), None, "capability level"),
    Option("diversity", number(0, 1), None, "share of training levels whose correlation is broken"),
    Option("alignment", text("interpretability_verified, standard, behavioral_cloning, or a measured method"), None,
           "alignment method"),
    Option("m_spec", number(0), None, "multiplier instead of spec_quality"),
    Option("m_cap", number(0), None, "multiplier instead of capability"),
    Option("m_div", number(0), None, "multiplier instead of diversity"),
    Option("m_align", number(0), None, "multiplier instead of alignment"),
    Option("grade", number(0, 1), 1.0, "strength of the shift, calibrated mode only"),
)
ESTIMATE = Command(
    "estimate", "P(harmful misgeneralization) of one scenario",
    (*SCENARIO_OPTIONS,
     Option("mode", choice(*MODES), "published", "published multiplies, odds multiplies odds, calibrated measures"),
     Option("harm", harm_kind(), None, "P(harm | misgeneralization); printed, or elicited when calibrated"),
     Option("spec_map", choice("bands", "anchors"), "bands", "which published map gives M_spec"),
     Option("strict", boolean(), False, "fail where the published product exceeds 1"),
     Option("rl_to_llm", boolean(), False, "odds mode: widen by the source's +-50%"),
     Option("calibration", text("path of a calibration"), None, "calibrated mode: instead of the shipped one"),
     Option("kind", choice("mean_over_runs", "next_run"), "mean_over_runs", "calibrated mode: what to predict"),
     FORMAT),
    "gmexp estimate shift=4 spec_quality=0.2 capability=superhuman diversity=0.05 alignment=behavioral_cloning",
    "A setting left out is neutral: its modifier is exactly 1.")


def estimate(args: list[str]) -> int:
    values = ESTIMATE.parse(args)
    if values is None:
        return 0
    scenario = Scenario(**{option.key: values[option.key] for option in SCENARIO_OPTIONS})
    calculator = Calculator(**{key: values[key] for key in ("mode", "harm", "spec_map", "strict", "rl_to_llm",
                                                           "calibration", "kind")})
    result = calculator.estimate(scenario)
    if values["format"] == "json":
        print(json.dumps({"scenario": asdict(scenario), **asdict(result)}, indent=2, allow_nan=False))
    else:
        print(show_estimate(result))
    return 0


def show_estimate(result: Estimate) -> str:
    """The estimate as text: the numbers, the table of contributions, the warnings."""
    interval = ("none" if result.interval is None else
                f"{result.interval[0]:.4f} to {result.interval[1]:.4f}")
    lines = [f"mode       {result.mode}",
             f"raw        {result.raw:.4f}",
             f"value      {result.value:.4f}   P(harmful misgeneralization)",
             f"p_misgen   {result.p_misgen:.4f}   P(capability transfers and the goal fails)",
             f"p_harmful  {result.p_harmful:.4f}",
             f"interval   {interval}   {result.interval_kind}",
             f"clipped    {'yes' if result.clipped else 'no'}",
             "contributions"]
    for c in result.contributions:
        lines.append(f"  {c.name:<8} {c.multiplier:8.4f}  {c.effect:+8.4f}  {c.source:<12} {c.setting}")
    lines += [f"warning: {note}" for note in result.warnings]
    return "\n".join(lines)


TABLES = Command(
    "tables", "the published tables with sources and remarks",
    (Option("name", text("name of a table"), None, "one table; without it, the list"), FORMAT),
    "gmexp tables name=shift_types")


def tables(args: list[str]) -> int:
    values = TABLES.parse(args)
    if values is None:
        return 0
    names = table_names() if values["name"] is None else (values["name"],)
    chosen = [table(name) for name in names]
    if values["format"] == "json":
        print(json.dumps([{"name": t.name, "title": t.title, "source": t.source, "remarks": t.remarks,
                           "rows": [dict(r) for r in t]} for t in chosen], indent=2))
    elif values["name"] is None:
        width = max(map(len, names))
        print("\n".join(f"{t.name:<{width}}  {len(t.rows):2d} rows  {t.title}" for t in chosen))
    else:
        print(show_table(chosen[0]))
    return 0


def show_table(t: Table) -> str:
    """Title, source, aligned columns, remarks."""
    head = [f"{t.name}: {t.title}", f"source: {t.source}", *columns_as_text(t.rows)]
    return "\n".join([*head, *(f"remark: {remark}" for remark in t.remarks)])


def columns_as_text(rows: tuple[Mapping[str, Any], ...] | list[Mapping[str, Any]]) -> list[str]:
    """Rows as aligned text, one line each, headed by the column names."""
    keys = list(dict.fromkeys(key for r in rows for key in r))
    cells = [keys, *([_cell(r.get(key)) for key in keys] for r in rows)]
    widths = [max(len(line[j]) for line in cells) for j in range(len(keys))]
    return ["  ".join(f"{cell:<{w}}" for cell, w in zip(line, widths, strict=True)).rstrip() for line in cells]


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.4g}"
    return "-".join(map(_cell, value)) if isinstance(value, tuple | list) else str(value)


def audit(args: list[str]) -> int:
    raise UserError("audit: not there yet")


def scenarios(args: list[str]) -> int:
    raise UserError("scenarios: not there yet")
