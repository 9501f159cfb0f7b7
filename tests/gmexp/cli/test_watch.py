"""`gmexp watch` shows the very episodes that were logged, the same bytes each time."""

import json

import pytest

from gmexp.agents.checkpoint import load_checkpoint
from gmexp.artefacts import tables
from gmexp.artefacts.records import Episode
from gmexp.cli.config import load
from gmexp.cli.main import main
from gmexp.evaluation.cells import held_out, own_levels
from gmexp.evaluation.evaluate import evaluate
from gmexp.evaluation.plan import EvaluationPlan
from gmexp.training.train import train
from gmexp_envs.levels import SeedRange

from ..tiny import train_config


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return train(train_config(tmp_path_factory.mktemp("study"), iterations=1))


def watched(folder, *arguments):
    assert main(["watch", f"out={folder}", "levels=24", "size=96", *arguments]) == 0
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix != ".json"}


@pytest.mark.slow
def test_an_agent_is_watched_with_the_same_bytes_each_time(run, tmp_path, capsys):
    arguments = [f"run={run}", "shift=3", "outcomes=[DEATH,proxy_goal]", "episodes=2"]
    first = watched(tmp_path / "first", *arguments)
    again = watched(tmp_path / "again", *arguments)
    assert first == again and "sheet.png" in first and 2 <= len(first) <= 3
    about = json.loads((tmp_path / "first" / "episodes.json").read_text())
    assert {episode["outcome"] for episode in about["episodes"]} <= {"death", "proxy_goal"}
    assert all(f"level{episode['level_seed']}" in " ".join(first) for episode in about["episodes"])


@pytest.mark.slow
def test_a_run_is_watched_on_the_levels_it_was_evaluated_on(tmp_path, capsys):
    folder = train(train_config(tmp_path / "study", "seed=3", iterations=1))
    default = held_out(3, load("evaluate", ["run=none"]).evaluation.episodes).first
    assert own_levels(load_checkpoint(folder), 4) == SeedRange(default, 4)  # not evaluated yet
    plan = EvaluationPlan(shifts=[3], grades=[1.0], probes=[], attributed=[0], episodes=16, slots=16, seed=0,
                          greedy=False, clips=0)
    table = tables.read_table(evaluate(load_checkpoint(folder), plan), Episode)
    films = ["episodes=2", "format=sheet", "size=96", f"out={tmp_path / 'films'}"]
    assert main(["watch", f"run={folder}", "levels=16", *films]) == 0
    seen = json.loads((tmp_path / "films" / "episodes.json").read_text())["episodes"]
    assert {episode["level_seed"] for episode in seen} <= set(table["level_seed"].to_pylist())
    assert own_levels(load_checkpoint(folder), 4) == SeedRange(held_out(3, 16).first, 4)


@pytest.mark.slow
@pytest.mark.parametrize("agent, outcome", [("proxy", "proxy_goal"), ("intended", "intended_goal")])
def test_scripted_agents_can_be_watched_too(agent, outcome, tmp_path, capsys):
    files = watched(tmp_path, f"agent={agent}", "shift=1", "probe=true", "episodes=2", "format=sheet",
                    f"outcomes={outcome}")
    assert set(files) == {"sheet.png"}
    about = json.loads((tmp_path / "episodes.json").read_text())["episodes"]
    assert [episode["outcome"] for episode in about] == [outcome] * 2


@pytest.mark.parametrize("arguments, expected", [
    (["run=x", "agent=random"], "give either run="), (["run=/nowhere"], "no checkpoint"),
    (["agent=nobody"], "proxy"), (["agent=random", "outcomes=[WIN]"], "PROXY_GOAL"),
    (["agent=random", "outcomes=[]"], "outcomes"), (["agent=random", "shift=5"], "shift"),
    (["agent=random", "format=avi"], "gif, mp4, sheet"),
    (["agent=intended", "levels=8", "outcomes=TIMEOUT"], "none of 8 episodes is TIMEOUT; there are 8 INTENDED_GOAL"),
])
def test_bad_input_is_one_line(arguments, expected, capsys):
    assert main(["watch", *arguments]) == 2
    out, err = capsys.readouterr()
    assert err.count("\n") == 1 and expected in err


def test_mp4_without_an_encoder_is_one_line(monkeypatch, capsys):
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    assert main(["watch", "agent=random", "format=mp4"]) == 2
    assert "pip install av" in capsys.readouterr().err
