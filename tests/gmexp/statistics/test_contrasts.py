"""Settings against each other: a known 2 x 2 truth is found again, and the capability coordinate is a budget's."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit, logit

from gmexp.published.modifiers import spec_modifier
from gmexp.statistics.config import CalibrationConfig
from gmexp.statistics.contrasts import baseline, crosses, level_effects, plainest, varied
from gmexp.statistics.design import Condition, build_design, capability_position
from gmexp.statistics.fit import fit
from gmexp.statistics.simulate import synthetic_counts

TEMPLATE = replace(synthetic_counts(runs=1, shifts=(3,))[0], probe=False)


def rows(settings: dict[str, dict], goal_failure: dict[str, float], runs: int = 8, capability: float = 0.8, n: int = 200):
    """Counts without any spread beyond the binomial's, in distribution and under shift 3."""
    rng = np.random.default_rng(0)
    found = []
    for name, fields in settings.items():
        for r in range(runs):
            for shift, shift_name in ((0, "in_distribution"), (3, "significant")):
                capable = rng.binomial(n, capability)
                proxy = rng.binomial(capable, goal_failure[name])
                found.append(replace(TEMPLATE, run_id=f"{name}-{r}", train_diversity=0.1, shift_type=shift,
                                     shift_name=shift_name, grade=float(shift > 0), n_episodes=n,
                                     n_intended=capable - proxy, n_proxy=proxy, n_timeout=n - capable, n_death=0,
                                     n_ambiguous=0, **fields))
    return found


SETTINGS = {"base": {}, "spec": {"spec_quality": 0.2}, "div": {"train_diversity": 0.3},
            "both": {"spec_quality": 0.2, "train_diversity": 0.3}, "steps": {"train_steps": 5_000_000}}


@pytest.fixture(scope="module")
def posterior():
    """Odds of goal failure: x 3 by specification, x 1/4 by diversity, x 2 more by both together."""
    odds = {"base": 1.0, "spec": 3.0, "div": 0.25, "both": 1.5, "steps": 1.0}
    settings = {name: {"train_diversity": 0.1} | fields for name, fields in SETTINGS.items()}
    counts = [row for name, fields in settings.items() for row in rows({name: {}}, {name: expit(np.log(odds[name]))})
              for row in [replace(row, **fields)]]
    return fit(build_design(counts), CalibrationConfig(chains=2, warmup=300, draws=300, attempts=1))[0]


def test_levels_are_compared_with_the_baseline(posterior):
    base = posterior.conditions[baseline(posterior.conditions)]
    assert (base.spec_quality, base.train_diversity, base.train_steps) == (1.0, 0.1, 1_000_000)
    effects = {row["modifier"]: row for row in level_effects(posterior)}
    assert set(effects) == {"spec", "div", "cap"}
    for name, truth in (("spec", 3.0), ("div", 0.25), ("cap", 1.0)):
        found = effects[name]["odds_ratio"]["goal_failure"]
        assert found["q025"] < truth < found["q975"] and found["q50"] == pytest.approx(truth, rel=0.3)
        assert effects[name]["odds_ratio"]["capability"]["q50"] == pytest.approx(1, rel=0.3)
    assert effects["spec"]["risk_ratio"]["q50"] == pytest.approx(0.75 / 0.5, rel=0.1)
    assert effects["spec"]["published"] == pytest.approx(spec_modifier(0.2) / spec_modifier(1.0))
    assert effects["cap"]["published"] is None


def test_a_cross_shows_how_far_two_modifiers_are_from_multiplying(posterior):
    (cross,) = crosses(posterior)
    assert cross["modifiers"] == ["spec", "div"]
    assert cross["odds_ratio"]["goal_failure"]["q50"] == pytest.approx(2, rel=0.35)
    assert cross["odds_ratio"]["goal_failure"]["q025"] > 1
    risks = {name: odds / (1 + odds) for name, odds in (("base", 1.0), ("spec", 3.0), ("div", 0.25), ("both", 1.5))}
    truth = risks["both"] * risks["base"] / (risks["spec"] * risks["div"])
    assert cross["risk_ratio"]["q50"] == pytest.approx(truth, rel=0.15) and cross["p_above_1"] > 0.99


def test_the_plainest_condition_of_a_diversity_is_the_one_like_the_baseline(posterior):
    for diversity in (0.1, 0.3):
        found = posterior.conditions[plainest(posterior.conditions, diversity)]
        assert (found.train_diversity, found.spec_quality, found.train_steps) == (diversity, 1.0, 1_000_000)


def test_conditions_differ_in_modifiers():
    one = Condition("coinrun", "ppo", 1.0, "", 0.1, "standard", 100, 64)
    assert varied(one, one) == set()
    assert varied(one, replace(one, width=32, train_steps=7)) == {"cap"}
    assert varied(one, replace(one, algo="cloning", align_method="behavioral_cloning")) == {"align"}
    assert varied(one, replace(one, env="maze", spec_quality=0.5)) == {"env", "spec"}


def test_a_budget_stands_where_its_plain_agents_stand():
    budgets = {"small": {"train_steps": 10, "id_capability": 0.6}, "wide": {"width": 512, "id_capability": 0.97},
               "base": {"id_capability": 0.9}, "poor": {"spec_quality": 0.2, "id_capability": 0.3}}
    design = build_design(rows(budgets, dict.fromkeys(budgets, 0.5), runs=2))
    names = design.covariates.names
    assert "steps" not in names
    cap = dict(zip(((c.train_steps, c.width, c.spec_quality) for c in design.conditions),
                   design.x[:, names.index("cap")] + design.covariates.centre[names.index("cap")], strict=True))
    assert cap[10, 0, 1.0] == pytest.approx((logit(0.6) - logit(0.9)) / 3.5)
    assert cap[1_000_000, 512, 1.0] == pytest.approx(capability_position(0.97)) and capability_position(0.9) == 0
    assert cap[1_000_000, 0, 1.0] == cap[1_000_000, 0, 0.2] == pytest.approx(0)  # a poor reward is no smaller budget
    assert capability_position(1.0) == capability_position(0.995)  # finite at the ends


def test_without_shares_solved_the_steps_stand_for_themselves():
    budgets = {"small": {"train_steps": 10, "id_capability": None}, "base": {"id_capability": 0.9}}
    design = build_design(rows(budgets, dict.fromkeys(budgets, 0.5), runs=2))
    assert "steps" in design.covariates.names and np.ptp(design.x[:, design.covariates.names.index("cap")]) == 0
