"""--cfg shows the configuration that would be used, as Hydra prints it; --info leaves logging as it was."""

from __future__ import annotations

import dataclasses
import logging

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from hydra.core.override_parser.overrides_parser import OverridesParser

from gmexp.cli import config
from gmexp.cli.main import main
from gmexp.support.overrides import in_hydras_words


def shown(capsys, *arguments: str) -> str:
    capsys.readouterr()
    assert main([*arguments]) == 0
    return capsys.readouterr().out


@pytest.mark.slow
def test_cfg_shows_what_is_used(capsys):
    typed = ["env=maze", "env.diversity=0.25", "steps=1e6"]
    job = yaml.safe_load(shown(capsys, "train", "--cfg", "job", "--resolve", *typed))
    assert job == dataclasses.asdict(config.load("train", typed))
    assert yaml.safe_load(shown(capsys, "train", "--cfg", "job", *typed))["out"] == "outputs/${experiment}"


def test_a_package_is_shown_alone(capsys):
    text = shown(capsys, "train", "-c", "job", "-p", "env")
    assert text.startswith("# @package env\n") and yaml.safe_load(text)["name"] == "coinrun"
    assert shown(capsys, "train", "--cfg", "job", "-p", "env.mode") == "easy\n"


@pytest.mark.slow
def test_all_has_hydras_part_and_where_results_go(capsys):
    both = yaml.safe_load(shown(capsys, "train", "--cfg", "all", "--resolve", "seed=3"))
    assert both["hydra"]["run"]["dir"] == "outputs/train" and both["hydra"]["overrides"]["task"] == ["seed=3"]
    assert both["seed"] == 3 and "seed" not in yaml.safe_load(shown(capsys, "train", "--cfg", "hydra"))


def test_texts_that_look_like_interpolations_are_shown_as_typed(capsys):
    assert yaml.safe_load(shown(capsys, "train", "--cfg", "job", "out=${x}", "--resolve"))["out"] == "${x}"


@pytest.mark.slow
@pytest.mark.parametrize("what", ["all", "config", "defaults", "plugins", "searchpath"])
def test_info_leaves_logging_as_it_was(what, capsys):
    root = logging.getLogger()
    before = root.handlers[:], root.level
    assert shown(capsys, "train", "--info", what, "env.diversity=0.5", "out=a b(c)'d")
    assert (root.handlers, root.level) == before


TEXT = st.text(st.characters(blacklist_categories=("Cs", "Cc")), max_size=12)
VALUES = st.recursive(st.none() | st.booleans() | st.integers(-10**9, 10**9) | st.floats(-1e6, 1e6) | TEXT,
                      lambda inner: st.lists(inner, max_size=3), max_leaves=6)


@given(VALUES)
def test_values_are_the_same_in_hydras_words(content):
    parsed = OverridesParser.create().parse_override(f"key={in_hydras_words(content)}")
    assert parsed.value() == content
