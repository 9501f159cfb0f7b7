"""`gmexp run -m`: Hydra's grammar becomes conditions x seeds, and mistakes one line."""

import itertools

import pytest
import yaml

from gmexp.cli import sweep
from gmexp.cli.config import load
from gmexp.cli.main import main
from gmexp.pipeline import training_runs
from gmexp.support.conf import config_folder
from gmexp.support.errors import UserError
from gmexp.training.run import describe


def expand(*arguments: str):
    return sweep.load(["experiment=quickstart", *arguments])


@pytest.mark.slow
def test_lists_and_ranges_become_every_combination():
    study = expand("env.diversity=0,0.01,0.1", "seed=range(10)")
    assert study.conditions == [{"env.diversity": d} for d in (0, 0.01, 0.1)]
    assert study.seeds == list(range(10))
    runs = training_runs(study)
    assert [(run.env.diversity, run.seed) for run in runs] == [(d, s) for d in (0.0, 0.01, 0.1) for s in range(10)]


@pytest.mark.slow
def test_a_swept_run_is_the_run_of_the_study_and_of_train():
    (swept,) = (run for run in training_runs(expand("env.diversity=0.3,0.5", "seed=11,12"))
                if (run.env.diversity, run.seed) == (0.3, 11))
    ids = {describe(run).run_id for run in training_runs(load("run", ["experiment=quickstart"]))}
    assert describe(swept).run_id in ids
    alone = load("train", ["experiment=quickstart", "steps=3000000", "env.diversity=0.3", "seed=11"])
    assert describe(swept).run_id == describe(alone).run_id


@pytest.mark.slow
def test_what_the_experiment_varies_is_crossed_unless_it_is_swept():
    crossed = expand("steps=1000,2000", "seed=3")
    assert crossed.seeds == [3] and len(crossed.conditions) == 4
    assert {(c["env.diversity"], c["steps"]) for c in crossed.conditions} == {
        (0.0, 1000), (0.0, 2000), (0.3, 1000), (0.3, 2000)}
    assert expand("env.horizon=200").conditions == load("run", ["experiment=quickstart"]).conditions


@pytest.mark.slow
def test_a_group_is_swept_by_its_files_and_keeps_what_is_fixed_below_it():
    study = expand("agent=glob(*ppo)", "agent.width=64")
    assert study.conditions == [{"env.diversity": d, "agent": agent, "agent.width": 64}
                                for d in (0.0, 0.3) for agent in ("ppo", "sb3_ppo")]
    assert {run.agent.width for run in training_runs(study)} == {64}


@pytest.mark.slow
def test_without_sweeps_the_flag_changes_nothing():
    assert expand() == load("run", ["experiment=quickstart"])


@pytest.mark.parametrize("argument, said", [
    ("threshold=0.1,0.2", "cannot sweep threshold"),
    ("seed=interval(0,1)", "names no values"),
    ("seed=range(1000000000)", "more than"),
    ("seed=range(3,3)", "no values"),
    ("seed=range(0,3,0)", "must not be zero"),
    ("seed=1,1", "twice"),
    ("seed=1.5,2", "whole number"),
    ("env.diversity=0,2", "within [0, 1]"),
    ("env.mode=glob(*)", "among a group's files"),
    ("env.diversity=[0", "not a value or a sweep"),
    ("agent=ppo,nothing", "there is no agent=nothing"),
    ("env.divers=1,2", "did you mean 'env.diversity'"),
])  # fmt: skip
@pytest.mark.slow
def test_mistakes_are_one_line_before_anything_is_trained(argument, said, tmp_path, capsys):
    assert main(["run", "-m", "experiment=quickstart", argument, f"out={tmp_path / 'study'}"]) == 2
    err = capsys.readouterr().err
    assert said in err and err.count("\n") == 1
    assert not (tmp_path / "study").exists()


def test_a_sweep_that_optimises_goal_failure_trains_runs_that_are_evaluated():
    content = yaml.safe_load((config_folder() / "sweep" / "goal_failure.yaml").read_text())
    assert content["metric"] == {"name": "shift3/goal_failure", "goal": "minimize"} and content["method"] == "bayes"
    for end in ("min", "max"):
        chosen = {key: entry.get("value", entry.get(end, entry.get("values", [None])[0]))
                  for key, entry in content["parameters"].items()}
        config = load("train", [f"{key}={str(chosen[key]).lower()}" for key in chosen if not key.startswith("logger")])
        assert config.evaluated and config.env.diversity == chosen["env.diversity"]


@pytest.mark.slow
@pytest.mark.parametrize("path", [config_folder() / "sweep" / "diversity.yaml"], ids=lambda path: path.stem)
def test_a_wandb_sweep_trains_the_runs_of_the_multirun_that_it_names(path):
    content = yaml.safe_load(path.read_text())
    assert content["command"] == ["gmexp", "train", "${args_no_hyphens}"] and content["method"] == "grid"
    names = list(content["parameters"])
    values = [entry.get("values", [entry.get("value")]) for entry in content["parameters"].values()]
    agents = {describe(load("train", [f"{k}={v}" for k, v in zip(names, chosen, strict=True) if k != "logger"])).run_id
              for chosen in itertools.product(*values)}
    (command,) = [line.lstrip("# ").split() for line in path.read_text().splitlines()
                  if line.startswith("#   gmexp run")]
    assert agents == {describe(run).run_id for run in training_runs(sweep.load(command[3:]))}


def test_several_values_without_the_flag_are_refused_with_a_hint():
    with pytest.raises(UserError, match="gmexp run -m"):
        load("run", ["experiment=quickstart", "env.diversity=0,0.3"])
