"""Runs that differ in anything but the seed never share a label; runs that do not, share label and hash."""

from __future__ import annotations

import dataclasses
import functools
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmexp import artefacts
from gmexp.agents import trainer
from gmexp.artefacts.condition import Condition, condition_labels, labels, pretty
from gmexp.artefacts.origin import provenance
from gmexp.artefacts.study import Study
from gmexp.checks.reproduce import study_config
from gmexp.cli.config import load
from gmexp.pipeline import training_runs
from gmexp.support.composition import override
from gmexp.training.config import TrainConfig
from gmexp.training.run import describe, identity

ROOT = Path(__file__).parents[3]
CONFIG: TrainConfig = load("train", ["steps=1000"])
CHANGES = {  # of the training configuration, each of which makes another condition, and what a label says of it
    "agent.learning_rate": (0.001, "learning_rate=0.001"), "agent.gae_lambda": (0.9, "gae_lambda=0.9"),
    "env.placement": ("section_start", "placement=section_start"), "env.appearance": (0.5, "appearance=0.5"),
    "env.context": (0.25, "context=0.25"), "env.physics.gravity": (0.3, "gravity=0.3"),
    "env.train_levels": (200, "train_levels=200"), "env.mode": ("hard", "env=coinrun_hard"),
    "env.spec_quality": (0.5, "quality=0.5"), "env.horizon": (500, "horizon=500"), "steps": (2000, "steps=2000"),
    "agent.width": (64, "width=64"), "agent.hidden": (64, "hidden=64"), "verified": (True, "interpretability_verified"),
    "agent": ("sb3_ppo", "algo=sb3_ppo"), "agent.actions": ("moves", "actions=moves"),
}  # fmt: skip


def run(seed: int = 0, **changes):
    return describe(override(CONFIG, {"seed": seed, **{key.replace("__", "."): value for key, value in changes.items()}}))


@functools.cache
def changed(key: str | None):
    """The run with one change."""
    return describe(override(CONFIG, {key: CHANGES[key][0]} if key else {}))


# --- what a condition is ----------------------------------------------------------------------------------------------

@pytest.mark.parametrize("key", CHANGES)
def test_runs_that_differ_in_more_than_the_seed_never_share_a_label(key):
    value, expected = CHANGES[key]
    runs = [run(0), run(1), *(describe(override(CONFIG, {"seed": seed, key: value})) for seed in (2, 3))]
    one, two, three, four = condition_labels(runs).values()
    assert one == two != three == four and expected in three
    assert runs[0].condition_hash == runs[1].condition_hash != runs[2].condition_hash == runs[3].condition_hash


def test_what_does_not_change_what_is_learned_makes_no_condition():
    runs = [run(0), describe(override(CONFIG, {"seed": 1, "threads": 2, "experiment": "other", "out": "elsewhere"}))]
    assert len(set(condition_labels(runs).values())) == 1 and runs[0].condition_hash == runs[1].condition_hash


@pytest.mark.slow
@given(st.lists(st.sampled_from(list(CHANGES)), min_size=2, max_size=4,
                unique=True))
def test_several_changes_at_once_are_told_apart(keys):
    runs = [changed(None), *map(changed, keys)]
    assert len(set(condition_labels(runs).values())) == len(runs)


def test_values_that_look_alike_are_told_apart_by_the_hash():
    one, other = run(agent__learning_rate=0.0012345678), run(1, agent__learning_rate=0.0012345679)
    assert set(condition_labels([one, other]).values()) == {
        f"delta=0, learning_rate=0.00123457, condition={each.condition_hash[:6]}" for each in (one, other)}


def test_where_settings_are_unknown_the_hash_tells_apart():
    both = [dataclasses.replace(run(seed, agent__gamma=gamma), settings=None) for seed, gamma in enumerate((0.9, 0.8))]
    assert set(condition_labels(both).values()) == {f"delta=0, condition={each.condition_hash[:6]}" for each in both}


@pytest.mark.slow
def test_a_choice_is_told_with_what_differs_among_those_that_made_it():
    """A run without a mitigation has none of its settings, and says nothing of them."""
    entries = [{}, {"mitigation": "robust_plr"}, {"mitigation": "robust_plr", "mitigation.score": "uniform"},
               {"mitigation": "accel"}]
    runs = [describe(override(CONFIG, {"seed": seed, **entry})) for seed, entry in enumerate(entries)]
    assert list(condition_labels(runs).values()) == [
        "delta=0", "delta=0, mitigation=robust_plr, score=oracle_latest", "delta=0, mitigation=robust_plr, score=uniform",
        "delta=0, mitigation=accel"]
    plain, plr, *_ = condition_labels([runs[0], runs[1]]).values()
    assert (plain, plr) == ("delta=0", "delta=0, mitigation=robust_plr")


@pytest.mark.slow
def test_a_learner_is_network_trainer_and_hyperparameters():
    learner = run().learner_hash
    assert {run(3).learner_hash, run(env__diversity=0.3).learner_hash, run(steps=5).learner_hash} == {learner}
    others = [run(agent="impala"), run(agent="sb3_ppo"), run(agent__gamma=0.9), run(agent__width=64)]
    assert len({learner, *(other.learner_hash for other in others)}) == 5


def test_fields_alone_make_labels_too():
    """Conditions as a calibration stores them, which knows no hash."""
    varied = [{"train_diversity": 0.1, "spec_quality": 1.0}, {"train_diversity": 0.1, "spec_quality": 0.2}]
    assert labels(varied) == ["delta=0.1, quality=1", "delta=0.1, quality=0.2"] and labels([]) == []
    assert Condition.of(varied[0]).env is None


def test_what_the_environment_decides_goes_without_saying():
    steps = {"maze": (100, 400), "tetris": (200, 800), "coinrun": (300, 300)}
    varied = [{"env": env, "train_diversity": 0.1, "horizon": len(env), "train_steps": n}
              for env in steps for n in steps[env]]
    assert labels(varied)[:3] == ["env=maze, delta=0.1, steps=100", "env=maze, delta=0.1, steps=400",
                                  "env=tetris, delta=0.1, steps=200"]
    assert labels([each for each in varied if each["train_steps"] in (100, 200)]) == ["env=maze, delta=0.1",
                                                                                     "env=tetris, delta=0.1"]


def test_labels_for_readers_use_the_tasks_word():
    label = "algo=cloning_intended, delta=0.1, alignment=behavioral_cloning"
    assert pretty(label) == "δ = 0.1, cloning, intended goal"
    assert pretty(label, "coin") == pretty(label.replace("intended", "coin_seeker"), "coin") == "δ = 0.1, cloning, coin"
    assert pretty("delta=0, learning_rate=0.001") == "δ = 0, learning rate 0.001"
    assert pretty("env=boat_race, delta=0.1") == "δ = 0.1, boat race"
    assert pretty("calibrated, delta=0.1") == "calibrated, δ = 0.1"


# --- on disk ----------------------------------------------------------------------------------------------------------

def test_a_study_keeps_what_sets_its_runs_apart(tmp_path):
    runs = [run(seed, agent__gamma=gamma) for seed, gamma in ((0, 0.99), (1, 0.99), (2, 0.9))]
    study = Study(tmp_path)
    study.write_index("mine", {}, runs, provenance(None, {}, "a test"))
    entries = study.read_index()["runs"]
    assert [entry["settings"] for entry in entries] == [{"agent.gamma": gamma} for gamma in (0.99, 0.99, 0.9)]
    assert study.runs() == runs and condition_labels(study.runs()) == condition_labels(runs)
    assert [entry["condition"] for entry in entries] == [*condition_labels(runs).values()]
    assert [entry["condition"] for entry in entries] == ["delta=0, gamma=0.99"] * 2 + ["delta=0, gamma=0.9"]


@pytest.mark.slow
def test_runs_of_earlier_versions_get_their_hashes_from_run_json():
    study = Study(ROOT / "results" / "learning_easy")
    runs = study.runs()
    assert len({run.condition_hash for run in runs}) == len({run.learner_hash for run in runs}) == 1
    planned = load("run", ["experiment=learning_easy"])
    for run_ in runs:
        config = override(CONFIG, {"steps": planned.steps, "seed": run_.train_seed, "env.held_out": "seeds",
                                   "env.diversity": run_.train_diversity, "agent.update": "autograd"})
        now = describe(config)
        assert (now.run_id, now.config_hash, now.condition_hash, now.learner_hash) == (
            run_.run_id, run_.config_hash, run_.condition_hash, run_.learner_hash)
        stored = artefacts.read_json(study.run(run_.run_id) / "run.json")["config"]
        assert json.loads(json.dumps(identity(config))) == stored


def test_a_clone_of_an_earlier_version_has_the_condition_of_its_present_name():
    (old,) = Study(Path(__file__).parent / "data" / "earlier").runs()
    assert old.algo == "cloning_coin_seeker"
    base = override(CONFIG, {"steps": 3_000_000, "env.diversity": 0.11, "env.held_out": "seeds",
                             "agent": "cloning_intended"})
    now = describe(override(base, {"seed": old.train_seed}))
    assert now.learner_hash == old.learner_hash and now.condition_hash == old.condition_hash


def test_a_condition_that_names_its_trainer_as_before_is_read_with_one_line(monkeypatch, capsys):
    monkeypatch.setattr(trainer, "_noticed", set())
    varied = [override(CONFIG, {"agent": "cloning_coin_seeker", "seed": seed}) for seed in (0, 1)]
    assert [config.agent.name for config in varied] == ["cloning_intended"] * 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.slow
@pytest.mark.parametrize("name", ["quickstart", "learning_pixels", "modifiers", "langosco_coinrun", "seeds"])
def test_the_configuration_of_a_committed_study_gives_its_runs(name):
    study = Study(ROOT / "results" / name)
    planned = {describe(item).config_hash for item in training_runs(study_config(study))}
    assert {run.config_hash for run in study.runs() if not run.algo.startswith("cloning_")} <= planned
