"""`-m` for every verb: each combination is a job, all composed before the first one starts."""

from __future__ import annotations

import pytest

from gmexp.cli import flags, multirun
from gmexp.cli.main import main
from gmexp.support.errors import UserError
from gmexp.training import train


def jobs(verb: str, *arguments: str) -> list[multirun.Job]:
    return multirun.load(verb, flags.split(["-m", *arguments]))


@pytest.mark.slow
def test_every_combination_is_a_job():
    found = jobs("train", "env.diversity=0,0.5", "seed=range(2)", "steps=9")
    assert [(job.config.env.diversity, job.config.seed, job.config.steps) for job in found] == [
        (0, 0, 9), (0, 1, 9), (0.5, 0, 9), (0.5, 1, 9)]
    assert found[-1].swept == ("env.diversity=0.5", "seed=1")


@pytest.mark.slow
def test_groups_lists_and_paths_are_swept():
    assert [job.config.env.name for job in jobs("train", "env=coinrun,maze")] == ["coinrun", "maze"]
    assert [job.config.env.name for job in jobs("train", "env=glob(m*)")] == ["maze", "maze_line_and_gem", "monsters"]
    assert [job.config.evaluation.shifts for job in jobs("evaluate", "run=x", "shift=1,extreme")] == [[0, 1], [0, 4]]
    assert [job.config.run for job in jobs("evaluate", "run=a,'b c'")] == ["a", "b c"]
    assert [job.config.evaluation.grades for job in jobs("measure", "run=x", "evaluation.grades=[0.5],[0.5,1]")] == [
        [0.5], [0.5, 1]]


def test_a_path_that_is_no_sweep_is_taken_as_it_is():
    (job,) = jobs("train", "out=ä b (c)")
    assert job.config.out == "ä b (c)" and job.swept == ()


def test_a_study_is_one_job():
    (job,) = jobs("run", "experiment=quickstart", "seed=1,2", "out=ä b (c)")
    assert job.config.seeds == [1, 2] and job.config.out == "ä b (c)"


def test_jobs_go_one_after_the_other_and_are_announced(monkeypatch, capsys):
    trained = []
    monkeypatch.setattr(train, "train", lambda planned, on_progress: trained.append(planned.config.seed) or planned.folder)
    assert main(["train", "-m", "seed=3,4", "steps=5"]) == 0
    assert trained == [3, 4]
    assert [line for line in capsys.readouterr().err.splitlines() if line.startswith("#")] == ["#0 : seed=3", "#1 : seed=4"]


@pytest.mark.slow
def test_nothing_starts_where_one_does_not_fit():
    with pytest.raises(UserError, match="finite|whole|within"):
        jobs("train", "env.diversity=0,0.5,7")
