"""What a study asks of mitigations: options as in conf/, refused early where they do not fit."""

import pytest

from gmexp import pipeline
from gmexp.agents.mitigation import find_mitigation, mitigation_names
from gmexp.mitigations.config import MitigationsPlan, check_played, mitigation_of_entry, negative_of
from gmexp.pipeline import RunConfig
from gmexp.support import composition
from gmexp.support.errors import UserError


def test_an_entry_has_the_options_of_its_file_but_for_its_own():
    options = mitigation_of_entry({"name": "ask_for_help", "budget": 0.3, "declared": False}).options
    assert (options.budget, options.lasts, options.score) == (0.3, 8, "max_probability")
    with pytest.raises(UserError, match="bugdet"):
        mitigation_of_entry({"name": "ask_for_help", "bugdet": 0.3})


@pytest.mark.slow
@pytest.mark.parametrize("name", mitigation_names())
def test_every_mitigation_has_a_file_and_says_what_it_is(name):
    kind = find_mitigation(name)
    assert mitigation_of_entry({"name": name}).identity["name"] == kind.name == name
    assert kind.layer in ("prevention", "detection", "response") and kind.price
    if kind.negative:
        control = mitigation_of_entry(negative_of({"name": name}))
        assert kind.control and control.identity != mitigation_of_entry({"name": name}).identity


@pytest.mark.parametrize("content, words", [
    ({"played": [{"budget": 1}]}, "lacks the name"), ({"played": [{"name": "hope"}]}, "no mitigation"),
    ({"scores": ["mood"]}, "choose from"), ({"accepted": 2.0}, "within"), ({"probed": -1}, "negative")])
def test_what_does_not_fit_is_refused(content, words):
    with pytest.raises(ValueError, match=words):
        MitigationsPlan(**content)


def test_too_few_seeds_are_told_before_training():
    plan = MitigationsPlan(played=[{"name": "ensemble"}])
    check_played(plan, 5, 1)
    with pytest.raises(UserError, match="takes 5 runs of a condition, and there are 4 seeds"):
        check_played(plan, 4, 1)
    with pytest.raises(UserError, match="condition = 2 is no position of the 2 conditions"):
        check_played(MitigationsPlan(condition=2), 6, 2)


@pytest.mark.slow
@pytest.mark.parametrize("every, expected", [(True, [0.0, 0.0, 0.3, 0.3]), (False, [0.3, 0.3])])
def test_runs_of_one_condition_or_of_all_play_with_mitigations(every, expected):
    conditions = "[{env.diversity: 0.0}, {env.diversity: 0.3}, {env.diversity: 0.3, mitigation: accel}]"
    config = composition.load("run", RunConfig, ["experiment=quickstart", f"conditions={conditions}", "seeds=[1,2]",
                                                    "mitigations.condition=1", f"mitigations.all_conditions={every}"])
    planned = pipeline.training_runs(config)
    chosen = pipeline._measured_with_mitigations(planned, planned[1:], config)
    assert [item.env.diversity for item in chosen] == expected[1 if every else 0:]
