"""The paper's experiments in mazes: what they train and test on, what they would cost, and how far chance gets."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import gmexp_envs
from gmexp.cli.config import load
from gmexp.cli.main import main
from gmexp.evaluation.cells import cells
from gmexp.pipeline import training_runs
from gmexp_envs import split_levels

SEMANTIC = {"langosco_maze": "maze", "langosco_maze_ii": "maze_line_and_gem", "langosco_keys": "keys_and_chests"}
PAPER = {f"{name}_paper": env for name, env in SEMANTIC.items()}
TRAINED = {"maze": dict(placement="uniform", sizes=None, horizon=500),
           "maze_line_and_gem": dict(placement="uniform", sizes=None, horizon=500),
           "keys_and_chests": dict(placement="many_keys", key_penalty=0, step_penalty=0, horizon=1000)}
CHANCE = 0.2  # of reaching the intended goal in training's levels, at most


@pytest.mark.slow
@pytest.mark.parametrize("name", [*SEMANTIC, *PAPER])
def test_a_dry_run_lists_six_runs_of_each_condition_and_their_cost(name, tmp_path, capsys):
    config = load("run", [f"experiment={name}"])
    assert main(["run", "--dry-run", f"experiment={name}", f"out={tmp_path / 'study'}"]) == 0
    text = capsys.readouterr().out
    runs = 6 * len(config.conditions)
    assert f"{runs} runs in" in text and f"{runs * config.steps:,} steps to train" in text
    assert not (tmp_path / "study").exists()


@pytest.mark.slow
@pytest.mark.parametrize("name, env", PAPER.items())
def test_the_papers_levels_and_agent(name, env):
    """Training as the fork draws it, with frames and 200M steps; the test holds no correlation, on other levels."""
    config = load("run", [f"experiment={name}"])
    run, *others = training_runs(config)
    assert {each.seed for each in (run, *others)} == set(range(6)) and run.steps == 200_000_000
    task, training = run.task, run.training
    assert task.name == env and (run.agent.network, run.agent.width, run.agent.observation) == ("impala", 16, "pixels")
    assert training == task.knobs(split_levels("train", 100_000), mode="hard", rho=1.0, by_content=True, **TRAINED[env])
    plain, probe = cells(task, training, config.evaluation, run.seed)
    assert (plain.distribution.rho, probe.distribution.rho) == (1.0, 0.0) and probe.probe
    assert plain.distribution.mode == "hard" and plain.distribution.appearance is None


@pytest.mark.slow
@pytest.mark.parametrize("name", SEMANTIC)
def test_a_random_walker_seldom_gets_there(name):
    """So that capability is not chance: what the agent's own actions reach, drawn uniformly."""
    run = next(iter(training_runs(load("run", [f"experiment={name}"]))))
    count, rng, actions = 1000, np.random.default_rng(0), np.array(run.agent.action_set(run.task), np.int32)
    levels = dataclasses.replace(run.training, levels=split_levels("evaluation", count), sequential=True)
    env = gmexp_envs.make_vec(run.task, count, distribution=levels, seed=0, action_repeat=run.agent.action_repeat)
    env.reset()
    going, reached = np.ones(count, bool), np.zeros(count, bool)
    while going.any():
        step = env.step(rng.choice(actions, count))
        ended = going & (step.terminated | step.truncated)
        reached |= ended & (env.log.intended_step <= env.log.length)
        going &= ~ended
    assert reached.mean() < CHANCE
