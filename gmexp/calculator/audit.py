"""Every known flaw of the published model, with the numbers that show it computed from the tables."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from gmexp.calculator.core import Calculator
from gmexp.calculator.domains import harm_is_stated, implied_harm, project, recompute_all
from gmexp.published import formula
from gmexp.published.modifiers import MODIFIERS, modifier_range, spec_modifier
from gmexp.published.scenario import Scenario
from gmexp.published.tables import row, shift_types, table

__all__ = ["Finding", "audit"]


@dataclass(frozen=True)
class Finding:
    """One flaw: what was found, the computed numbers, what this calculator does about it."""

    item: str
    finding: str
    numbers: dict[str, Any]
    treatment: str


def audit() -> tuple[Finding, ...]:
    """All findings, computed afresh."""
    return tuple(check() for check in CHECKS)


def _harm() -> Finding:
    base, printed = formula.base_misgen(), formula.base_harmful("printed")
    unique = []
    for b, p in zip(base, printed, strict=True):
        fits = [h / 100 for h in range(101) if round(100 * b * h / 100, 1) == round(100 * p, 1)]
        unique.append(fits)
    harm = implied_harm()
    return Finding(
        "harm", "The printed P(misgen) needs a different harm for every shift type; types 1, 3 and 4 lie outside the "
        "stated 50-70%.",
        {"implied_harm": list(harm), "two_decimal_solutions": unique,
         "types_outside_stated": [t for t, h in enumerate(harm, 1) if not harm_is_stated(h)],
         "reproduced_percent": [round(float(100 * b * h), 1) for b, h in zip(base, harm, strict=True)]},
        "Printed bases kept; the implied harm is exposed as inferred; harm=stated recomputes with 60%.")


def _names() -> Finding:
    return Finding(
        "names", "What the source calls P(misgeneralization) already contains harm.",
        {"p_capability_and_goal_failure": formula.base_misgen().tolist(),
         "printed_p_misgen": formula.base_harmful("printed").tolist()},
        "Estimates return p_misgen (without harm) and p_harmful (with harm) apart.")


def _header() -> Finding:
    return Finding(
        "header", "The columns 'Capability Risk: Low (85%)' and 'Goal Risk: Low (12%)' are used as P(capability "
        "transfers) and P(goal fails | capability): a low 'capability risk' is a high probability.",
        {"printed_labels": [list(r["printed_labels"]) for r in shift_types()],
         "capability": [r["capability"] for r in shift_types()]},
        "Columns renamed to capability and goal_failure.")


def _ranges() -> Finding:
    ranges = np.array([modifier_range(name) for name in MODIFIERS])
    misfit = []
    for r in shift_types():
        quoted = np.array([r["range_low"], r["range_high"]])
        subsets = itertools.chain.from_iterable(itertools.combinations(range(4), k) for k in range(1, 5))
        products = [np.prod(ranges[list(subset)], axis=0) * r["p_misgen"] for subset in subsets]
        misfit.append(float(min(np.max(np.abs(np.log(p / quoted))) for p in products)))
    return Finding(
        "ranges", "The modifier product spans 0.07 to 12.6; no subset of the modifiers yields the quoted ranges.",
        {"product_range": np.prod(ranges, axis=0).tolist(), "quoted_logit_sd": formula.quoted_logit_sd().tolist(),
         "best_subset_worst_end_ratio": [float(np.exp(m)) for m in misfit]},
        "Ranges are independent data: the published interval at neutral settings, prior widths elsewhere.")


def _product_above_one() -> Finding:
    high = _extreme(1)
    return Finding(
        "product > 1", "The published product is not a probability: type 4 with every modifier high exceeds 3.",
        {"raw_all_high": [Calculator().estimate(high(t)).raw for t in range(1, 5)],
         "value_all_high": [Calculator().estimate(high(t)).value for t in range(1, 5)]},
        "mode=published returns raw, the clipped value and a warning; strict=true raises.")


def _odds_mode() -> Finding:
    odds = Calculator(mode="odds")
    return Finding(
        "odds mode", "Reading the modifiers as odds ratios keeps every estimate below 1; the source never says which "
        "they are.",
        {"all_high": [odds.estimate(_extreme(1)(t)).value for t in range(1, 5)],
         "all_low": [odds.estimate(_extreme(0)(t)).value for t in range(1, 5)]},
        "Offered as mode=odds, labelled a reinterpretation.")


def _spec_map() -> Finding:
    qualities = (0.2, 0.9)
    return Finding(
        "M_spec", "Two maps disagree: the parameter table's anchors and the bands; the bands have gaps at (0.3, 0.4) "
        "and (0.7, 0.8).",
        {"quality": list(qualities), "bands": spec_modifier(np.array(qualities)).tolist(),
         "anchors": spec_modifier(np.array(qualities), "anchors").tolist(),
         "gaps": _band_gaps()},
        "Piecewise-linear through every band end by default; spec_map=anchors for the other.")


def _band_gaps() -> list[list[float]]:
    ends = sorted((r["quality_low"], r["quality_high"]) for r in table("spec_bands"))
    return [[a[1], b[0]] for a, b in itertools.pairwise(ends) if b[0] > a[1]]


def _diversity() -> Finding:
    r = row("parameters", "name", "div")
    return Finding(
        "M_div", "The thresholds of training diversity have no units.",
        {"printed": [r["low_risk"], r["high_risk"]], "knots": list(table("diversity_map").rows[0]["diversity"])},
        "Read as the share of training levels with the correlation broken; log-linear between, constant outside; "
        "the assumption is a warning on every estimate that uses it.")


def _capability() -> Finding:
    return Finding(
        "M_cap", "M_cap rises monotonically to 3, yet the page calls the direction above human level unknown; the "
        "timeline's drivers repeat capability.",
        {"range": list(modifier_range("cap")), "timeline_drivers": list(table("timeline").column("driver")),
         "double_counted_type_4": 0.277 * 3 * row("timeline", "name", "post-2030")["high"]},
        "M_cap with a timeline multiplier is refused unless allow_double_count; above human level odds mode widens "
        "the interval both ways.")


def _pooling() -> Finding:
    pooled = row("evidence_pooled", "study", "pooled")
    return Finding(
        "pooling", "The pooled row is the unweighted mean of three studies. No sample sizes are printed, so weights "
        "cannot be identified.",
        {"mean": formula.pooled_arithmetic(),
         "printed": {key: pooled[key] for key in ("capability", "goal_failure", "harm")}},
        "The mean is reproduced and called a mean.")


def _evidence_vs_bases() -> Finding:
    pooled = row("evidence_pooled", "study", "pooled")
    return Finding(
        "evidence vs bases", "The pooled capability and goal failure exceed every shift type's own values; the cases "
        "were selected on failure.",
        {key: {"pooled": pooled[key], "largest_type_value": max(r[key] for r in shift_types())}
         for key in ("capability", "goal_failure")},
        "Never used as an unselected rate.")


def _three_studies() -> Finding:
    return Finding(
        "k = 3", "Three studies carry almost no information about a next one.", formula.pooled_random_effects(),
        "Mean, t interval and prediction interval on the logit scale printed beside 87/76/45.")


def _domains() -> Finding:
    domains = recompute_all()
    return Finding(
        "domains", "base x M_spec does not give the printed domain ranges.",
        {"recomputed": {d.name: list(d.recomputed) for d in domains},
         "printed_over_recomputed": {d.name: list(d.ratio) for d in domains},
         "ratio_range": [min(min(d.ratio) for d in domains), max(max(d.ratio) for d in domains)]},
        "Printed table as data; recompute() gives residuals.")


def _projection_2027() -> Finding:
    domains = recompute_all()
    return Finding(
        "2027", "The domain table's growth to 2027 is not the timeline's 1.5x.",
        {"growth_low_end": [min(d.growth[0] for d in domains), max(d.growth[0] for d in domains)],
         "growth_high_end": [min(d.growth[1] for d in domains), max(d.growth[1] for d in domains)],
         "timeline": row("timeline", "name", "2026-2027")["low"]},
        "Both reported; neither is adjusted.")


def _timeline() -> Finding:
    last = "post-2030"
    return Finding(
        "timeline", "The last period multiplies type 4 to above 100%.",
        {"published": list(project(Scenario(4), last).raw),
         "odds": list(project(Scenario(4), last, Calculator(mode="odds")).raw)},
        "Clipped with a warning in published mode; odds mode multiplies the odds.")


def _mitigation() -> Finding:
    rows = [r for r in table("mitigations") if r["acts_on"] in MODIFIERS]
    return Finding(
        "mitigation", "Two printed reductions undercut their own modifier's floor, and AI control is a response, not "
        "a property of the goal.",
        {r["name"]: {"implied_multiplier": [round(1 - x, 10) for x in reversed(r["reduction"])],
                     "modifier": r["acts_on"], "floor": modifier_range(r["acts_on"])[0],
                     "undercuts": 1 - r["reduction"][1] < modifier_range(r["acts_on"])[0] - 1e-12} for r in rows},
        "Control acts on harm only; prevention replaces its modifier and never multiplies it.")


def _plus_minus_50() -> Finding:
    return Finding(
        "+-50%", "Whether +-50% for carrying RL results to LLMs is relative or absolute is not stated.",
        {"log_odds_sd": float(np.log(row("uncertainties", "impact", "+-50% on estimates")["factor"]) / formula.Z90)},
        "Optional rl_to_llm=true: that sd is added on the log-odds scale.")


def _headline() -> Finding:
    quoted = row("headlines", "name", "significant_shift_base_rate")
    r = shift_types()[2]
    return Finding(
        "headline", "The summary quotes 20-60% for significant shifts; the table gives 10-42% for type 3.",
        {"headline": [quoted["low"], quoted["high"]], "table": [r["range_low"], r["range_high"]]}, "Reported.")


def _chart() -> Finding:
    quadrant_type = {(False, False): 1, (True, False): 2, (False, True): 3, (True, True): 4}
    centres = np.array([(1 - r["capability"], r["goal_failure"]) for r in shift_types()])
    quadrant, nearest = {}, {}
    for p in table("chart"):
        quadrant[p["name"]] = quadrant_type[p["capability_risk"] >= 0.5, p["goal_risk"] >= 0.5]
        point = np.array([p["capability_risk"], p["goal_risk"]])
        nearest[p["name"]] = 1 + int(np.argmin(np.linalg.norm(centres - point, axis=1)))
    own = {p["name"]: p["type"] for p in table("chart")}
    wrong = [name for name in own if quadrant[name] != own[name] or nearest[name] != own[name]]
    return Finding(
        "chart", "The quadrant chart disagrees with the type table, by the quadrant's own label or by the nearest "
        "type, for most of its points.",
        {"disagree": len(wrong), "of": len(own), "points": wrong, "by_quadrant": quadrant, "by_nearest_type": nearest,
         "type_table": own},
        "A type is never derived from the chart.")


def _langosco() -> Finding:
    r = table("evidence").rows[0]
    return Finding(
        "95%/89%", "No figure or table of Langosco et al. supports 95% capability and 89% goal failure on CoinRun; the "
        "paper's only 89% is Maze II's colour preference (n = 102), and a weak CoinRun agent collected over half of "
        "randomly placed coins.",
        {"capability": r["capability"], "goal_failure": r["goal_failure"], "maze_ii": {"rate": 0.89, "n": 102}},
        "Tagged unverified; this is what fresh experiments are for.")


def _citations() -> Finding:
    wrong = [r for r in table("references") if not r["match"]]
    return Finding(
        "citations", "Several references lead to other works.",
        {r["cited_as"]: {"links_to": r["links_to"], "correct": r["correct"]} for r in wrong},
        "Corrected in the table 'references', the mismatch noted.")


def _kind() -> Finding:
    kinds = {r["system"]: r["kind"] for r in table("case_studies")}
    return Finding(
        "kind", "Three of the four case studies are specification gaming, not goal misgeneralization.",
        {"kinds": kinds, "specification_gaming": sum(k == "specification_gaming" for k in kinds.values())},
        "Field 'kind' per case.")


def _extreme(end: int) -> Callable[[int], Scenario]:
    """Scenario of a shift type with every modifier at its low (0) or high (1) end."""
    multipliers = {f"m_{name}": modifier_range(name)[end] for name in MODIFIERS}
    return lambda shift: Scenario(shift, **multipliers)


CHECKS: tuple[Callable[[], Finding], ...] = (
    _harm, _names, _header, _ranges, _product_above_one, _odds_mode, _spec_map, _diversity, _capability, _pooling,
    _evidence_vs_bases, _three_studies, _domains, _projection_2027, _timeline, _mitigation, _plus_minus_50, _headline,
    _chart, _langosco, _citations, _kind,
)
