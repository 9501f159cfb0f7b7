"""Acceptance 1: every stored table equals what the page prints, typed in here a second time."""

import json

import numpy as np
import pytest

from gmexp.calculator import table, table_names
from gmexp.published.formula import base_misgen, pooled_arithmetic, pooled_random_effects, quoted_logit_sd
from gmexp.published.tables import row, shift_types
from gmexp.support.errors import UserError

PRINTED = {
    "parameters": ("name low high", """
        base 0.036 0.277 | spec 0.5 2.0 | cap 0.5 3.0 | div 0.7 1.4 | align 0.4 1.5"""),
    "spec_bands": ("quality_low quality_high multiplier_low multiplier_high", """
        0.8 1.0 0.5 0.7 | 0.4 0.7 0.8 1.2 | 0.0 0.3 1.5 2.0"""),
    "shift_types": ("type name capability goal_failure p_misgen range_low range_high severity trend", """
        1 superficial .85 .12 .036 .01 .10 Low Stable | 2 moderate .65 .28 .100 .03 .22 Medium Increasing |
        3 significant .55 .55 .218 .10 .42 High Increasing |
        4 extreme .45 .75 .277 .13 .51 Critical Rapidly_Increasing"""),
    "evidence": ("study capability goal_failure harm", """
        Langosco_et_al._2022 .95 .89 .60 | Krakovna_et_al._2020 .87 .73 .41 | Shah_et_al._2022 .78 .65 .35"""),
    "evidence_pooled": ("capability goal_failure harm", ".87 .76 .45"),
    "domains": ("name types spec_quality current projected_2027", """
        game_ai (1,2) .8 (.03,.12) (.05,.15) | content_moderation (2,3) .5 (.12,.28) (.20,.35) |
        autonomous_vehicles (2,3) .6 (.08,.22) (.12,.25) | ai_assistants (2,3) .3 (.18,.35) (.25,.40) |
        autonomous_agents (3,4) .3 (.25,.45) (.40,.60)"""),
    "timeline": ("name low high", "2024-2025 1 1 | 2026-2027 1.5 1.5 | 2028-2030 2 3 | post-2030 3 5"),
    "mitigations": ("name layer reduction", """
        adversarial_training prevention (.20,.40) | specification prevention (.30,.50) |
        interpretability prevention (.40,.70) | anomaly_monitoring detection None | objective_probing detection None |
        control response (.60,.90) | gradual_deployment response None"""),
    "chart": ("capability_risk goal_risk", """
        .25 .35 | .15 .20 | .40 .45 | .35 .40 | .50 .75 | .55 .70 | .60 .85 | .45 .90"""),
    "harm": ("name low high", "stated .50 .70 | pooled .35 .60 | elicited .35 .82"),
    "case_studies": ("system kind", """
        CoinRun_agent goal_misgeneralization | Boat_racing specification_gaming |
        Grasping_robot specification_gaming | Tetris_agent specification_gaming"""),
    "uncertainties": ("impact factor", """
        +-50%_on_estimates 1.5 | 0.4x_if_successful 0.4 | Direction_unknown None | Measurement_validity None"""),
}


def read(cell):
    if cell.startswith("("):
        return tuple(float(x) for x in cell.strip("()").split(","))
    if cell == "None":
        return None
    try:
        return float(cell)
    except ValueError:
        return cell.replace("_", " ")


@pytest.mark.parametrize("name", PRINTED)
def test_table_equals_its_fixture(name):
    columns, rows = PRINTED[name]
    columns = columns.split()
    printed = [tuple(read(cell) for cell in line.split()) for line in rows.split("|")]
    stored = [tuple(r[c].replace("_", " ") if isinstance(r[c], str) else r[c] for c in columns) for r in table(name)]
    assert stored == printed


def test_every_table_has_a_title_a_source_and_rows():
    for name in table_names():
        t = table(name)
        assert t.title and t.source and t.rows


def test_the_decomposition_reproduces_the_printed_bases():
    harm = np.array([r["harm_inferred"] for r in shift_types()])
    assert np.round(100 * base_misgen() * harm, 1).tolist() == [3.6, 10.0, 21.8, 27.7]


def test_the_pooled_row_is_the_unweighted_mean():
    mean = pooled_arithmetic()
    printed = table("evidence_pooled").rows[0]
    assert {key: round(value, 4) for key, value in mean.items()} == {
        "capability": 0.8667, "goal_failure": 0.7567, "harm": 0.4533}
    assert all(round(value, 2) == printed[key] for key, value in mean.items())


def test_three_studies_on_the_logit_scale():
    result = pooled_random_effects()
    rounded = {key: tuple(round(100 * r[end]) for end in ("low", "high")) for key, r in result.items()}
    assert rounded == {"capability": (48, 98), "goal_failure": (34, 96), "harm": (18, 76)}
    goal = result["goal_failure"]
    assert round(100 * goal["mean"], 1) == 77.5
    assert (round(100 * goal["next_low"]), round(100 * goal["next_high"])) == (7, 99)


def test_quoted_ranges_as_logit_sd():
    assert quoted_logit_sd().round(2).tolist() == [0.73, 0.67, 0.57, 0.59]


def test_rows_cannot_be_changed():
    with pytest.raises(TypeError):
        shift_types()[0]["capability"] = 1.0


def test_unknown_names_suggest_the_nearest():
    with pytest.raises(UserError, match="did you mean shift_types"):
        table("shift_type")
    with pytest.raises(UserError, match="did you mean game_ai"):
        row("domains", "name", "game_au")


def test_citation_mismatches_are_recorded():
    wrong = [r["cited_as"] for r in table("references") if not r["match"]]
    assert len(wrong) == 5
    assert any("antiperovskite" in r["links_to"] for r in table("references") if r["links_to"])
    json.dumps([dict(r) for r in table("references")])
