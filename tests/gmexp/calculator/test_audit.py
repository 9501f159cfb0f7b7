"""The audit lists every flaw of section 5 with numbers computed from the tables."""

import json
from dataclasses import asdict

import pytest

from gmexp.calculator.audit import audit

ITEMS = ("harm", "names", "header", "ranges", "product > 1", "odds mode", "M_spec", "M_div", "M_cap", "pooling",
         "evidence vs bases", "k = 3", "domains", "2027", "timeline", "mitigation", "+-50%", "headline", "chart",
         "95%/89%", "citations", "kind")


@pytest.fixture(scope="module")
def numbers():
    return {f.item: f.numbers for f in audit()}


def test_every_flaw_is_listed_with_numbers_and_a_treatment():
    findings = audit()
    assert tuple(f.item for f in findings) == ITEMS
    assert all(f.finding and f.numbers and f.treatment for f in findings)
    json.dumps([asdict(f) for f in findings], allow_nan=False)


def test_implied_harm_is_unique_at_two_decimals(numbers):
    assert numbers["harm"]["two_decimal_solutions"] == [[0.35], [0.55], [0.72], [0.82]]
    assert numbers["harm"]["types_outside_stated"] == [1, 3, 4]


def test_ranges(numbers):
    assert numbers["ranges"]["product_range"] == pytest.approx([0.07, 12.6])
    assert min(numbers["ranges"]["best_subset_worst_end_ratio"]) > 1.05


def test_chart_disagrees_for_six_of_eight(numbers):
    assert (numbers["chart"]["disagree"], numbers["chart"]["of"]) == (6, 8)


def test_mitigation_floors(numbers):
    assert {k: v["undercuts"] for k, v in numbers["mitigation"].items()} == {
        "adversarial_training": True, "specification": False, "interpretability": True}


def test_evidence_exceeds_every_type(numbers):
    assert all(v["pooled"] > v["largest_type_value"] for v in numbers["evidence vs bases"].values())


def test_gaps_and_kinds(numbers):
    assert numbers["M_spec"]["gaps"] == [[0.3, 0.4], [0.7, 0.8]]
    assert numbers["kind"]["specification_gaming"] == 3
    assert numbers["+-50%"]["log_odds_sd"] == pytest.approx(0.2465, abs=1e-4)
