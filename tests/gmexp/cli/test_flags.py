"""What Hydra users type: flags, signs, files and folders of their own, completion, a dry run."""

from __future__ import annotations

import subprocess
import sys

import pytest
import yaml

from gmexp.cli import config, flags
from gmexp.cli.main import main

MINE = """# @package _global_
experiment: mine
steps: 4096
conditions: [{env.diversity: 0.5}]
seeds: [7]
"""


def shown(capsys, *arguments: str) -> str:
    assert main([*arguments]) == 0
    return capsys.readouterr().out


def test_cfg_shows_the_configuration(capsys):
    job = yaml.safe_load(shown(capsys, "train", "--cfg", "job", "env.diversity=0.25", "steps=1e6"))
    assert job["env"]["diversity"] == 0.25 and job["steps"] == 1_000_000 and job["out"] == "outputs/train"
    part = yaml.safe_load(shown(capsys, "train", "-c", "job", "-p", "env"))
    assert list(part) == ["env"]
    assert "hydra" in yaml.safe_load(shown(capsys, "train", "--cfg", "all"))


def test_info_is_hydras():
    def told(*arguments: str) -> str:  # in a process of its own: Hydra tells it to the process's own log
        return subprocess.run([sys.executable, "-m", "gmexp", *arguments], capture_output=True, text=True, check=True).stdout

    assert "Defaults List" in told("run", "experiment=quickstart", "--info", "defaults")
    assert "search path" in told("train", "--info", "searchpath").lower()


def test_signs():
    assert config.load("train", ["+env.physics.gravity=0.3"]).env.physics["gravity"] == 0.3
    assert config.load("train", ["++steps=5"]).steps == 5
    assert "gravity" not in config.load("train", ["~env.physics.gravity"]).env.physics
    assert config.load("train", ["hydra.run.dir=elsewhere"]).out == "elsewhere"


@pytest.mark.parametrize("folder", ["plain", "ä b (c),'d'"])
def test_experiments_of_ones_own(tmp_path, folder):
    """By their path, and by a folder of config files."""
    path = tmp_path / folder / "experiment" / "mine.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(MINE)
    by_path = config.load("run", [f"experiment={path}"])
    by_folder = config.load("run", ["experiment=mine"], [str(tmp_path / folder)])
    assert by_path == by_folder and (by_path.experiment, by_path.steps, by_path.seeds) == ("mine", 4096, [7])


def test_an_env_file_of_ones_own(tmp_path):
    path = tmp_path / "hard.yaml"
    path.write_text("defaults: [coinrun, _self_]\nmode: hard\n")
    assert config.load("train", [f"env={path}"]).env.mode == "hard"


def test_a_dry_run_writes_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    text = shown(capsys, "run", "experiment=quickstart", "--dry-run")
    assert text.count("3,000,000 steps") == 10 and "10 runs" in text and "30,000,000 steps to train" in text
    assert not list(tmp_path.iterdir())


def test_completion(monkeypatch, capsys):
    assert "complete -F" in shown(capsys, "-sc", "install=bash")

    def completed(line: str) -> list[str]:
        monkeypatch.setenv("COMP_LINE", line)
        monkeypatch.setenv("COMP_POINT", str(len(line)))
        return shown(capsys, "-sc", "query=bash").split()

    assert completed("gmexp tr") == ["train"]
    assert "env.diversity=" in completed("gmexp train env.di")
    assert completed("gmexp run experiment=quick") == ["experiment=quickstart"]


def test_version(capsys):
    assert shown(capsys, "--version").startswith("gmexp 0")


def test_flags_stand_anywhere():
    asked = flags.split(["-m", "a=1", "--config-dir", "x", "--config-dir=y", "b=--c", "-c", "job", "--resolve"])
    assert asked.several and asked.overrides == ["a=1", "b=--c"] and asked.directories == ["x", "y"]
    assert asked.cfg == "job" and asked.resolve
