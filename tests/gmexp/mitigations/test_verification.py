"""Goal verification: agents of known goal pass or fail as they should, on validation levels alone."""

import dataclasses

import numpy as np
import pytest

from gmexp.agents.checkpoint import load_checkpoint
from gmexp.agents.scripted import ScriptedAgent
from gmexp.artefacts import tables
from gmexp.artefacts.study import Study
from gmexp.artefacts.study import TRAINED
from gmexp.cli.config import load
from gmexp.cli.main import main
from gmexp.evaluation import batch
from gmexp.evaluation.cells import held_out
from gmexp.measures.attribution import ArmEpisode
from gmexp.mitigations import mitigation_of, verification
from gmexp.mitigations.verification import VerificationPlan
from gmexp.pipeline import training_runs
from gmexp.support.errors import UserError
from gmexp.training.run import VERIFIED, describe
from gmexp.training.train import train

from ..tiny import AGENT, ITERATION, train_config

PLAN = load("evaluate", ["run=none"]).evaluation


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    folder = train(train_config(tmp_path_factory.mktemp("study"), "verified=true", "seed=3", "env.horizon=300",
                                "agent.actions=moves", iterations=1))
    return load_checkpoint(folder)


@pytest.mark.parametrize("goal, passed", [("intended", True), ("proxy", False)])
def test_who_wants_the_intended_goal_passes(checkpoint, goal, passed, monkeypatch):
    real = batch.play_cells
    monkeypatch.setattr(batch, "play_cells",
                        lambda task, actor, env, *rest: real(task, ScriptedAgent(goal, task, env), env, *rest))
    wanted = VerificationPlan(levels=30 + passed, at_least=0.5)  # of different plans, so nothing is taken from the other
    verdict = mitigation_of(wanted).accept(checkpoint, PLAN)
    assert verdict.passed is passed and (verdict.pursuit > 0.9 if passed else verdict.pursuit < 0.1)
    assert f"of the intended goals on {verdict.n_levels} validation levels; wanted is 0.5" in verdict.reason
    assert verification.read(checkpoint.path.parent) == verdict
    stored = tables.read_table(checkpoint.path.with_name(verification.EPISODES), ArmEpisode)
    seeds, levels = stored["level_seed"].values, held_out(3, wanted.levels, "validation")
    assert 1_000_000_000 <= seeds.min() and seeds.max() < 1_500_000_000
    assert len(np.unique(seeds)) == levels.count and np.isin(seeds, range(levels.first, levels.first + levels.count)).any()


def test_a_verdict_is_not_asked_for_twice(checkpoint):
    wanted = VerificationPlan(levels=10, at_least=0.0)
    first = verification.verify(checkpoint, wanted, PLAN)
    path = checkpoint.path.with_name(verification.FILE)
    stamp = path.stat().st_mtime_ns
    assert verification.verify(checkpoint, wanted, PLAN) == first and path.stat().st_mtime_ns == stamp
    stricter = verification.verify(checkpoint, dataclasses.replace(wanted, at_least=1.0), PLAN)
    assert stricter.at_least == 1.0 and path.stat().st_mtime_ns != stamp


STUDY = ["run", "experiment=quickstart", *AGENT, f"steps={ITERATION}", "evaluation.episodes=8", "evaluation.slots=8",
         "evaluation.shifts=[0]", "evaluation.probes=[0]", "evaluation.clips=0", "env.horizon=100", "measures=[]",
         "seeds=[0,1]"]


@pytest.mark.slow
def test_rejected_candidates_are_listed_and_finished_runs_taken_over(tmp_path, capsys):
    first, second = tmp_path / "first", tmp_path / "second"
    assert main([*STUDY, "conditions=[{env.diversity: 0.3}]", f"out={first}"]) == 0
    conditions = "conditions=[{env.diversity: 0.3},{env.diversity: 0.3, verified: true, seeds: [7, 8]}]"
    capsys.readouterr()
    assert main([*STUDY, conditions, "verification.levels=10", "verification.at_least=1", f"out={second}",
                 f"reuse=[{first},{tmp_path / 'nowhere'}]"]) == 0
    err = capsys.readouterr().err
    assert "2 of 4 runs are taken over" in err and "nothing to reuse in" in err
    index = Study(second).read_index()
    rejected = [entry["run_id"] for entry in index["rejected"]]
    passed = [run.run_id for run in Study(second).runs() if run.align_method == VERIFIED]  # an untrained agent may, by luck
    assert rejected and len(rejected) + len(passed) == 2 and not set(rejected) & set(passed)
    assert all("wanted is 1" in e["reason"] for e in index["rejected"])
    assert err.count("not verified, so not counted: ") == len(rejected)
    assert {run.run_id for run in Study(second).runs()} == {run.run_id for run in Study(first).runs()} | {*passed}
    for run in Study(first).runs():  # bit for bit, and told apart from those trained here
        for name in TRAINED:
            assert (Study(first).run(run.run_id) / name).read_bytes() == (Study(second).run(run.run_id) / name).read_bytes()
    assert not [run_id for run_id in rejected if Study(second).episodes(run_id).exists()]


@pytest.mark.slow
def test_candidates_are_runs_of_their_own():
    def planned(*conditions: str):
        return training_runs(load("run", ["experiment=quickstart", f"conditions=[{','.join(conditions)}]", "seeds=[0,1]"]))

    runs = planned("{}", "{verified: true, seeds: [5, 6, 7]}")
    assert [run.seed for run in runs] == [0, 1, 5, 6, 7]
    assert {describe(run).align_method for run in runs[2:]} == {"interpretability_verified"}
    for bad, expected in (("{verified: true}", "same runs"), ("{seeds: [1, 1]}", "twice"), ("{seeds: 3}", "list of train"),
                          ("{seeds: []}", "list of train")):
        with pytest.raises(UserError, match=expected):
            planned("{}", bad)
