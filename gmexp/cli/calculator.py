"""`gmexp estimate | tables | audit | scenarios`: the calculator on the command line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from gmexp.calculator.audit import audit as run_audit
from gmexp.calculator.core import Calculator, MODES
from gmexp.calculator.domains import CAVEAT, compare_all, project, recompute_all
from gmexp.calculator.evidence import listed, load_mitigations
from gmexp.calculator.mitigations import estimate_with, mitigate
from gmexp.cli.options import Command, Kind, Option, boolean, choice, listing, number, place, shift_type, text
from gmexp.published.formula import harm_values
from gmexp.published.scenario import Estimate, Scenario
from gmexp.published.tables import Table, table, table_names
from gmexp.support.errors import UserError, nearest

__all__ = ["audit", "estimate", "scenarios", "tables"]

FORMAT = Option("format", choice("text", "json"), "text", "output for people or for machines")


def harm_kind() -> Kind:
    """printed, stated, pooled, assumed, or a probability."""

    def read(value: str) -> str | float:
        if value in ("printed", "stated", "pooled", "assumed", "elicited"):
            return value
        harm_values(float(value))
        return float(value)

    return Kind("printed, stated, pooled, assumed or a number from 0 to 1", read)


SCENARIO_OPTIONS = (
    Option("shift", shift_type(), None, "the shift; 0 or none, in distribution, in calibrated mode only", required=True),
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
POPULATION = ("kind", "env", "learner", "transport")
POPULATION_OPTIONS = (
    Option("kind", choice("this_setup", "next_run", "next_environment", "next_environment_next_run"), None,
           "whom to predict; next_environment, or this_setup with env="),
    Option("env", text("a measured environment"), None, "predict this environment instead of the next one"),
    Option("learner", text("a measured learner"), None, "network, trainer and hyperparameters"),
    Option("transport", number(0), 0.0, "sd in logits between the experiments' population and a deployment"),
)
ESTIMATE = Command(
    "estimate", "P(harmful misgeneralization) of one scenario",
    (*SCENARIO_OPTIONS,
     Option("mode", choice(*MODES), "published", "published multiplies, odds multiplies odds, calibrated measures"),
     Option("harm", harm_kind(), None, "P(harm | misgeneralization); printed, or assumed when calibrated"),
     Option("spec_map", choice("bands", "anchors"), "bands", "which published map gives M_spec"),
     Option("strict", boolean(), False, "fail where the published product exceeds 1"),
     Option("rl_to_llm", boolean(), False, "odds mode: widen by the source's +-50%"),
     Option("calibration", place("path of a calibration"), None, "calibrated mode: instead of the shipped one"),
     *(replace(option, help=f"calibrated mode: {option.help}") for option in POPULATION_OPTIONS),
     Option("mitigations", listing(text("names of the table mitigations")), (), "what these make of it"),
     Option("curves", boolean(), False, "calibrated mode: also deployment transport and the discount of these data"),
     FORMAT),
    "gmexp estimate shift=4 spec_quality=0.2 capability=superhuman diversity=0.05 alignment=behavioral_cloning",
    "A setting left out is neutral: its modifier is exactly 1.")


def estimate(args: list[str]) -> int:
    values = ESTIMATE.parse(args)
    if values is None:
        return 0
    scenario = Scenario(**{option.key: values[option.key] for option in SCENARIO_OPTIONS})
    calculator = Calculator(**{key: values[key] for key in ("mode", "harm", "spec_map", "strict", "rl_to_llm",
                                                           "calibration", *POPULATION)})
    result = estimate_with(scenario, values["mitigations"], calculator)
    document, lines = {"scenario": asdict(scenario), **asdict(result)}, show_estimate(result)
    if values["curves"]:
        if values["mode"] != "calibrated":
            raise UserError("estimate: curves=true needs mode=calibrated")
        from gmexp.calculator.calibrated import discount_curve, transport_curve

        document["transport_curve"] = transport_curve(scenario, calculator.calibration, values["harm"])
        document["discount_curve"] = discount_curve(scenario, calculator.calibration)
        lines += ["deployment transport: sd in logits, next environment", *columns_as_text(document["transport_curve"]),
                  "these data to the power a, against the published Beta", *columns_as_text(document["discount_curve"])]
    emit(document, lines, values["format"])
    return 0


def show_estimate(result: Estimate) -> list[str]:
    """The estimate as text: the numbers, the table of contributions, the warnings."""
    interval = ("none" if result.interval is None else
                f"{result.interval[0]:.4f} to {result.interval[1]:.4f}")
    event = "proxy first, of the episodes played under that shift" if result.mode == "calibrated" else (
        "capability transfers and the goal fails")
    lines = [f"mode       {result.mode}",
             f"raw        {result.raw:.4f}",
             f"value      {result.value:.4f}   P(harmful misgeneralization)",
             f"p_misgen   {result.p_misgen:.4f}   P({event})",
             f"p_harmful  {result.p_harmful:.4f}",
             f"interval   {interval}   {result.interval_kind}",
             f"clipped    {'yes' if result.clipped else 'no'}",
             *_intervals(result), "contributions"]
    for c in result.contributions:
        lines.append(f"  {c.name:<8} {c.multiplier:8.4f}  {c.effect:+8.4f}  {c.source:<12} {c.setting}")
    if result.after is not None:
        lines += [f"with {', '.join(result.after.mitigations)}: weakest and strongest effect",
                  *(f"  {name:<11} {weak:.4f} to {strong:.4f}" for name, (weak, strong) in (
                      ("p_misgen", result.after.p_misgen), ("harm factor", result.after.harm_factor),
                      ("p_harmful", result.after.p_harmful), ("naive", result.after.naive)))]
    return [*lines, *(f"warning: {note}" for note in result.warnings)]


def _intervals(result: Estimate) -> list[str]:
    """Every interval of a calibrated estimate, and how many environments it rests on."""
    if result.intervals is None:
        return []
    rows = [f"  {name:<13} {low:.4f} to {high:.4f}" for name, (low, high) in result.intervals.items()]
    return [
        f"intervals  95% credible, {result.kind}, {result.environments} environment{'s' * (result.environments != 1)}",
        *rows,
    ]


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
    document = [{"name": t.name, "title": t.title, "source": t.source, "remarks": t.remarks,
                 "rows": [dict(r) for r in t]} for t in chosen]
    width = max(map(len, names))
    lines = (show_table(chosen[0]) if values["name"] is not None else
             [f"{t.name:<{width}}  {len(t.rows):2d} rows  {t.title}" for t in chosen])
    emit(document, lines, values["format"])
    return 0


def show_table(t: Table) -> list[str]:
    """Title, source, aligned columns, remarks."""
    head = [f"{t.name}: {t.title}", f"source: {t.source}", *columns_as_text(t.rows)]
    return [*head, *(f"remark: {remark}" for remark in t.remarks)]


def emit(document: Any, lines: list[str], how: str) -> None:
    """Print the document as JSON or the lines as text."""
    print(json.dumps(document, indent=2, allow_nan=False) if how == "json" else "\n".join(lines))


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
    if isinstance(value, tuple | list):  # a range; of three, a value and its interval
        return f"{value[0]:.2f} [{value[1]:.2f}, {value[2]:.2f}]" if len(value) == 3 else " .. ".join(map(_cell, value))
    return str(value)


AUDIT = Command(
    "audit", "every known flaw of the published model, with computed numbers",
    (Option("item", text("an item of the list"), None, "one finding; without it, all"), FORMAT),
    "gmexp audit format=json")


def audit(args: list[str]) -> int:
    values = AUDIT.parse(args)
    if values is None:
        return 0
    findings = run_audit()
    if values["item"] is not None:
        items = [f.item for f in findings]
        if values["item"] not in items:
            raise UserError(f"audit: no item {values['item']!r}{nearest(values['item'], items)}; "
                            f"items: {', '.join(items)}")
        findings = tuple(f for f in findings if f.item == values["item"])
    lines = [f"{f.item}\n  {f.finding}\n  numbers: {_short(f.numbers)}\n  here: {f.treatment}\n" for f in findings]
    emit([asdict(f) for f in findings], lines, values["format"])
    return 0


def _short(value: Any) -> str:
    """Numbers to four figures, nested."""
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, dict):
        return ", ".join(f"{key} {_short(v)}" for key, v in value.items())
    return "[" + ", ".join(map(_short, value)) + "]" if isinstance(value, list | tuple) else str(value)


SCENARIOS = Command(
    "scenarios", "application domains recomputed, timeline projections, mitigation portfolios",
    (Option("show", choice("domains", "compare", "timeline", "mitigations"), "domains",
            "domains recomputed; the same as published, as odds and calibrated; projections; portfolios"),
     Option("calibration", place("path of a calibration"), None, "compare and mode=calibrated: instead of the shipped one"),
     *(replace(option, required=False) for option in SCENARIO_OPTIONS if option.key != "grade"),
     Option("mode", choice(*MODES), "published", "how modifiers combine; timelines are published or odds"),
     Option("period", text("a period of the table timeline"), None, "timeline: one period; without it, all"),
     Option("allow_double_count", boolean(), False, "timeline: accept capability counted twice"),
     Option("mitigations", listing(text("names of the table mitigations")), None, "the portfolio; without it, all"),
     Option("measured", place("path of a mitigations.json"), None, "mitigations: instead of the shipped one"),
     *(option for option in POPULATION_OPTIONS if option.key in ("kind", "env")),
     FORMAT),
    "gmexp scenarios show=mitigations shift=4 mitigations=interpretability,control mode=odds",
    "Timeline and mitigations need a shift; settings as in gmexp estimate.")


def scenarios(args: list[str]) -> int:
    values = SCENARIOS.parse(args)
    if values is None:
        return 0
    population = {key: values[key] for key in ("calibration", "kind", "env")} if values["mode"] == "calibrated" else {}
    calculator = Calculator(mode=values["mode"], **population)
    if values["show"] == "domains":
        domains = [asdict(d) for d in recompute_all(calculator)]
        emit(domains, columns_as_text(domains), values["format"])
        return 0
    if values["show"] == "compare":
        compared = [asdict(domain) for domain in compare_all(values["calibration"])]
        emit({"domains": compared, "caveat": CAVEAT}, [*columns_as_text(compared), f"warning: {CAVEAT}"], values["format"])
        return 0
    if values["shift"] is None:
        raise UserError(f"scenarios: show={values['show']} needs a shift, for example shift=4")
    scenario = Scenario(**{o.key: values[o.key] for o in SCENARIO_OPTIONS if o.key != "grade"})
    if values["show"] == "timeline":
        periods = table("timeline").column("name") if values["period"] is None else (values["period"],)
        results = [project(scenario, period, calculator, values["allow_double_count"]) for period in periods]
        records = [{"period": p.period, "multipliers": p.multipliers, "raw": p.raw, "value": p.value} for p in results]
    else:
        return _portfolio(scenario, values, calculator)
    notes = tuple(dict.fromkeys(note for result in results for note in result.warnings))
    emit({"results": records, "warnings": notes},
         [*columns_as_text(records), *(f"warning: {note}" for note in notes)], values["format"])
    return 0


def _portfolio(scenario: Scenario, values: Mapping[str, Any], calculator: Calculator) -> int:
    """Every mitigation as published and as measured under the scenario's shift, and the chosen ones applied to it."""
    content = load_mitigations(values["measured"])
    names = values["mitigations"] or table("mitigations").column("name")
    found = mitigate(scenario, names, calculator, content)
    result = {"before": found.before.value, "p_misgen": found.p_misgen, "harm_factor": found.harm_factor,
              "p_harmful": found.p_harmful, "naive": found.naive}
    rows = [asdict(one) for one in listed(content, scenario.shift)]
    emit({"rows": rows, "results": [result], "warnings": found.warnings},
         [*columns_as_text(rows), "", *columns_as_text([result]), *(f"warning: {note}" for note in found.warnings)],
         values["format"])
    return 0
