"""Help: keys in their sections with types and defaults, one example, groups named and explained where asked."""

from __future__ import annotations

import pytest

from gmexp.cli.annotations import kind_of_key
from gmexp.cli.help import verb_help, verb_keys
from gmexp.cli.main import VERBS

CONFIGURED = [name for name, verb in VERBS.items() if verb.configured]


@pytest.mark.parametrize("verb", CONFIGURED)
def test_a_verbs_help_is_no_dump(verb):
    text = verb_help(verb, VERBS[verb].summary)
    assert text.startswith(f"gmexp {verb}: ") and text.count("example: gmexp ") == 1 and len(text.splitlines()) < 90
    assert "\nflags\n" in text


def test_sections_types_and_defaults():
    text = verb_help("run", "a study")
    for heading in ("what is trained", "how it is calibrated", "where and how it is computed", "chosen from files"):
        assert f"\n{heading}" in text
    assert "coinrun*" in text and "whole number or null" in text and "list of whole number" in text
    rows = {key.name: key for key in verb_keys("run")}
    assert rows["verification.levels"].default == "400" and rows["experiment"].default == "required"
    assert (rows["mitigations.accepted"].kind, rows["mitigations.played"].kind) == ("number or null", "list of mapping")
    assert (rows["workers"].kind, rows["workers"].default) == ("whole number or null", "not set")


def test_a_chosen_files_keys_are_explained():
    assert "smallest and largest maze" in verb_help("train", "a run", ["env=maze"])
    assert "smallest and largest maze" not in verb_help("train", "a run")


@pytest.mark.parametrize("verb, group, choice, name, kind", [
    ("run", None, None, "threshold", "number"), ("train", None, None, "verified", "true or false"),
    ("train", None, None, "seed", "whole number"), ("calibrate", None, None, "studies", "list of text"),
    ("train", "env", "coinrun", "train_levels", "whole number or null"), ("train", "env", "maze", "diversity", "number"),
    ("train", "agent", "ppo", "reward_normalization", "number or null"),
    ("run", "launcher", "ray", "options", "mapping"), ("run", "launcher", "ray", "cluster", "text or null"),
])
def test_types_are_those_of_the_dataclasses(verb, group, choice, name, kind):
    assert kind_of_key(name, None, verb, group, choice) == kind
