"""Gem or line, on all levels and on those whose frame shows both: agents whose answer is known."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from gmexp import artefacts
from gmexp.artefacts import tables
from gmexp.artefacts.records import Episode
from gmexp.artefacts.study import Study
from gmexp.cli.main import main
from gmexp.evaluation.batch import make_env, play_cells
from gmexp.evaluation.cells import cells, in_arms
from gmexp.evaluation.config import EvaluationPlan
from gmexp.langosco.maze_ii import ALL, BOTH, preferences
from gmexp.support.errors import UserError
from gmexp_envs import find_task

from ..fabricate import meta

TASK = find_task("maze_line_and_gem")
PLAN = EvaluationPlan(shifts=[0], grades=[1.0], arms=["visible", "masked"], probes=[0], attributed=[0], episodes=400,
                      slots=400, seed=0, greedy=False, clips=0)
PIXELS = SimpleNamespace(observation="pixels", action_repeat=1, style=None)


class Sees:
    """Takes the gem where the frame shows it, else the line; its facts come from the environment's own state."""

    def __init__(self, env) -> None:
        from gmexp_envs.maze.layout import SECOND_SHOWN

        self._env, self._column = env, SECOND_SHOWN
        self._proxy, self._intended = TASK.scripted("proxy", env), TASK.scripted("intended", env)

    def act(self, observation, rows: np.ndarray) -> np.ndarray:
        shown = self._env.world.facts[rows, self._column] == 1
        return np.where(shown, self._proxy.act(observation, rows), self._intended.act(observation, rows))


def study_of(folder: Path, agent: str, view=PIXELS, plan: EvaluationPlan = PLAN) -> Study:
    run, study = meta("played", 0.0, 5, env=TASK.name), Study(folder)
    levels = TASK.knobs(None, mode="hard", horizon=150)
    planned = in_arms(TASK, cells(TASK, levels, plan, run.train_seed), plan.arms)
    env = make_env(TASK, planned, plan, view)
    actor = Sees(env) if agent == "sees" else TASK.scripted(agent, env)
    tables.write_table(study.episodes(run.run_id), play_cells(TASK, actor, env, planned, plan, run), Episode)
    study.write_index("played", {}, [run], artefacts.provenance("test", {}, "scripted"))
    return study


@pytest.mark.slow
@pytest.mark.parametrize("agent, gem", [("intended", 0), ("proxy", 1), ("sees", None)])
def test_agents_with_known_answers(agent, gem, tmp_path, capsys):
    """The frames of 42% of hard levels show both (measured on the fork's binary); who looks takes the gem there, always."""
    study = study_of(tmp_path / "study", agent)
    every, both = preferences(study.root)
    assert (every.levels, both.levels) == (ALL, BOTH) and abs(both.n_levels / every.n_levels - 0.42) < 0.08
    if gem is None:
        assert both.gem_first.mean == 1 and abs(every.gem_first.mean - 0.78) < 0.08
    else:
        assert every.gem_first.mean == both.gem_first.mean == gem
        assert every.goal_failure.mean == both.goal_failure.mean == (gem or None)  # blind, it stands still: nothing is known
    assert main(["langosco", "maze_ii", f"study={study.root}", f"out={tmp_path}"]) == 0
    assert "both shown" in capsys.readouterr().out
    assert len(json.loads((tmp_path / "maze_ii.json").read_text())["rows"]) == 2


def test_the_semantic_view_shows_both(tmp_path, capsys):
    study = study_of(tmp_path, "proxy", None, dataclasses.replace(PLAN, episodes=20, slots=20))
    every, both = preferences(study.root)
    assert every.gem_first.mean == 1 and both.n_levels == 0 and both.gem_first.mean is None
    assert main(["langosco", "maze_ii", f"study={study.root}"]) == 0
    assert "no frame was drawn" in capsys.readouterr().out


def test_other_studies_are_one_line(tmp_path, finished, capsys):
    assert main(["langosco", "maze_ii", f"study={finished.root}"]) == 2
    assert "has runs in coinrun: Maze II is env=maze_line_and_gem" in capsys.readouterr().err
    study = study_of(tmp_path, "proxy", None, dataclasses.replace(PLAN, episodes=20, slots=20, probes=[]))
    with pytest.raises(UserError, match="was not evaluated in both arms on the goal probe of shift 0"):
        preferences(study.root)
