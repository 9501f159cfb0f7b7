"""What Hydra users type: every flag of Hydra's, signs, files and folders of their own; printing never writes."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hydra._internal.utils import get_args_parser

from gmexp.cli import config, flags
from gmexp.cli.main import VERBS, main
from gmexp.support.errors import UserError

MINE = """# @package _global_
experiment: mine
steps: 4096
conditions: [{env.diversity: 0.5}]
seeds: [7]
"""
STANDARD = """# @package _global_
defaults:
  - override /env: maze
  - override /agent: impala
experiment: standard
evaluation: {shifts: [0, 2], probes: [0]}
"""
# What gmexp is asked, and a line or word of the answer: faults.md F as typed, in an empty folder.
TYPED = [
    ("train --cfg job", "out: outputs/${experiment}"),
    ("train --cfg job --resolve", "out: outputs/train"),
    ("evaluate --cfg job", "run: shipped"),
    ("rates --cfg all study=x", "hydra:"),
    ("run --cfg hydra experiment=quickstart --resolve -p hydra.run.dir", "outputs/quickstart"),
    ("measure --cfg job -p evaluation.arms run=x", "- masked"),
    ("calibrate --info searchpath", "Config search path"),
    ("report --info defaults-tree", "<root>"),
    ("run --info config experiment=quickstart seeds=[1]", "Config"),
    ("train --hydra-help", "https://hydra.cc"),
    ("--hydra-help", "https://hydra.cc"),
    ("-sc install=bash", "complete -o default -F _gmexp gmexp"),
    ("run -sc install=bash", "complete -o default -F _gmexp gmexp"),
    ("train hydra.run.dir=elsewhere --cfg job -p out", "elsewhere"),
    ("train +env.physics.gravity=0.3 ++steps=5 ~mitigation --cfg job -p env.physics", "gravity: 0.3"),
    ("run -m experiment=quickstart seed=range(3) --cfg job", "experiment: quickstart"),
    ("train -m seed=0,1 --dry-run", "2 runs"),
    ("run --dry-run experiment=quickstart", "10 runs"),
    ("evaluate shift=extreme --cfg job -p evaluation.shifts", "- 4"),
    ("train --version", "gmexp 0"),
    ("estimate --version", "gmexp 0"),
    ("--version", "gmexp 0"),
]


def shown(capsys, *arguments: str) -> str:
    capsys.readouterr()
    assert main([*arguments]) == 0
    return capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize("line, answer", TYPED, ids=[line for line, _ in TYPED])
def test_what_hydra_users_type_is_answered_and_writes_nothing(line, answer, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    assert main(line.split()) == 0
    out, err = capfd.readouterr()
    assert answer in out and not err
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_in_a_process_of_its_own_too(tmp_path):
    for line, answer in TYPED[::6]:
        done = subprocess.run([sys.executable, "-m", "gmexp", *line.split()], capture_output=True, text=True, cwd=tmp_path)
        assert done.returncode == 0 and answer in done.stdout and not done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("verb", [name for name, verb in VERBS.items() if verb.configured])
@pytest.mark.parametrize("flag", ["--cfg=job", "--info=defaults", "--hydra-help", "--version", "--help"])
def test_every_configured_verb_knows_them(verb, flag, capfd):
    assert main([verb, *(["experiment=quickstart"] if verb == "run" else []), flag]) == 0
    assert capfd.readouterr().out


def test_every_flag_of_hydras_is_known():
    """Done, shown, or refused with what stands in its place: none is unknown."""
    for option in (name for action in get_args_parser()._actions for name in action.option_strings):
        value = {"--cfg": "job", "-c": "job"}.get(option, "x")
        if option in flags.INSTEAD:
            with pytest.raises(UserError, match="is not for gmexp"):
                flags.split([option, value])
        else:
            flags.split([option, value] if option in flags.VALUED else [option])


@pytest.mark.slow
def test_signs():
    assert config.load("train", ["+env.physics.gravity=0.3"]).env.physics["gravity"] == 0.3
    assert config.load("train", ["++steps=5"]).steps == 5
    assert "gravity" not in config.load("train", ["~env.physics.gravity"]).env.physics
    assert config.load("train", ["hydra.run.dir=elsewhere"]).out == "elsewhere"
    assert config.load("train", ["+logger=wandb", "~logger"]).logger.name == "none"
    assert config.load("calibrate", ["hydra.run.dir=d", "counts=c.csv"]).out == "d/calibration.json"
    deep = config.load("run", ["experiment=quickstart", "+launcher.options.slurm_more.gres=gpu"])
    assert deep.launcher.options == {"slurm_more": {"gres": "gpu"}}


@pytest.mark.slow
@pytest.mark.parametrize("folder", ["plain", "ä b (c),'d'"])
def test_experiments_of_ones_own(tmp_path, folder):
    """By their path, and by a folder of config files."""
    path = tmp_path / folder / "experiment" / "mine.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(MINE)
    by_path = config.load("run", [f"experiment={path}"])
    by_folder = config.load("run", ["experiment=mine"], [str(tmp_path / folder)])
    assert by_path == by_folder and (by_path.experiment, by_path.steps, by_path.seeds) == ("mine", 4096, [7])


@pytest.mark.slow
def test_an_experiment_that_overrides_groups_as_hydras_do(tmp_path):
    path = tmp_path / "standard.yaml"
    path.write_text(STANDARD)
    loaded = config.load("run", [f"experiment={path}"])
    assert (loaded.env.name, loaded.agent.network, loaded.evaluation.shifts) == ("maze", "impala", [0, 2])
    assert config.load("run", [f"experiment={path}", "shift=extreme"]).evaluation.shifts == [0, 4]


def test_an_env_file_of_ones_own(tmp_path):
    path = tmp_path / "hard.yaml"
    path.write_text("defaults: [coinrun, _self_]\nmode: hard\n")
    assert config.load("train", [f"env={path}"]).env.mode == "hard"


@pytest.mark.slow
@pytest.mark.parametrize("typed, shifts", [("superficial", [0, 1]), ("2", [0, 2]), ("significant", [0, 3]), ("4", [0, 4]),
                                           ("none", [0]), ("0", [0]), ("all", [0, 1, 2, 3, 4])])
def test_shift_is_a_group(typed, shifts):
    for verb, needed in (("evaluate", "run=x"), ("measure", "run=x"), ("run", "experiment=quickstart")):
        plan = config.load(verb, [needed, f"shift={typed}"]).evaluation
        assert plan.shifts == shifts and set(plan.probes) <= set(shifts)


def test_flags_stand_anywhere():
    asked = flags.split("-m a=1 --config-dir x --config-dir=y b=--c -c job --resolve --info c=2".split())
    assert asked.several and asked.overrides == ["a=1", "b=--c", "c=2"] and asked.directories == ["x", "y"]
    assert asked.cfg == "job" and asked.resolve and asked.info == "all"
