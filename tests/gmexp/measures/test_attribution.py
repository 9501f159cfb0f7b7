"""Causal effects of agents whose goal is known, and their arithmetic."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from gmexp import artefacts
from gmexp.agents.scripted import ScriptedAgent
from gmexp.artefacts import tables
from gmexp.artefacts.study import Study
from gmexp.evaluation.batch import make_env, play_cells
from gmexp.evaluation.cells import Cell, cells
from gmexp.evaluation.plan import EvaluationPlan
from gmexp.measures import attribution
from gmexp.measures.attribution import ARMS, ArmEpisode, as_arms, effects, in_every_arm, unpursued
from gmexp.rates.intervals import paired_difference
from gmexp.statistics.design import condition_of_run
from gmexp_envs.coinrun.distribution import LevelDistribution
from gmexp_envs.coinrun.task import TASK

from ..fabricate import meta

TRAINING = LevelDistribution(mode="easy", appearance=0.0, horizon=300)
PLAN = EvaluationPlan(shifts=[0], grades=[0.5, 1.0], probes=[], attributed=[0, 1, 2, 3, 4], episodes=40, slots=40, seed=0,
                      greedy=False, clips=0)  # fmt: skip


def arm_cells(shifts: list[int] = PLAN.attributed) -> list[Cell]:
    plan = dataclasses.replace(PLAN, shifts=shifts, grades=[1.0])
    return [arm for cell in cells(TASK, TRAINING, plan) for arm in in_every_arm(TASK, cell)]


def played(name: str):
    planned = arm_cells()
    env = make_env(TASK, planned, PLAN)
    columns = play_cells(TASK, ScriptedAgent(name, TASK, env), env, planned, PLAN, meta("run", 0.0, 0))
    return tables.as_table(as_arms(columns), ArmEpisode)


def test_the_arms_are_the_same_levels():
    for kind in range(5):
        planned = arm_cells([kind])
        assert [(cell.grade, cell.arm) for cell in planned] == [(1.0 if kind else 0.0, arm) for arm in ARMS]
        env = make_env(TASK, planned, PLAN)
        env.reset()
        arm = np.split(np.arange(env.num_envs), len(ARMS))
        for part in (env.world.terrain, env.world.enemies, env.world.appearance, env.world.statics):
            assert (part[arm[0]] == part[arm[1]]).all() and (part[arm[1]] == part[arm[2]]).all()
        coin = env.world.facts[:, 1:3]
        assert (coin[arm[1]] == coin[arm[2]]).all() and (coin[arm[0]] != coin[arm[1]]).any(axis=1).all()


@pytest.mark.parametrize("name, truth", [("proxy", 0.0), ("intended", 1.0)])
def test_agents_of_known_goal_under_every_shift(name, truth):
    found = effects(played(name))
    assert [(e.effect, e.shift_type) for e in found] == [(effect, kind) for kind in range(5)
                                                         for effect in attribution.EFFECTS]
    for effect in found:
        assert abs(effect.value - truth) <= (0 if truth == 0 else 0.1)  # a few levels defeat the intended policy
        assert effect.low <= effect.value <= effect.high and effect.n_levels >= 30


def test_accidental_touches_cancel():
    """An agent that moves at random touches the coin now and then, whether it is there or not."""
    assert all(abs(e.value) <= 0.1 for e in effects(played("random")) if e.effect == "presence")


def test_effects_are_those_of_the_definition():
    """Against a straightforward count, level by level, over logs made at random."""
    rng = np.random.default_rng(0)
    rows = []
    for level in range(50):
        distinguishing = bool(rng.random() < 0.7)
        for arm in ARMS:
            coin, end = (int(s) if rng.random() < 0.6 else None for s in rng.integers(1, 9, 2))
            rows.append(ArmEpisode("run", 3, "significant", 1.0, arm, level, distinguishing, coin, end, None, 10))
    table = tables.as_table([rows[k] for k in rng.permutation(len(rows))], ArmEpisode)
    by = {(row.arm, row.level_seed): row for row in rows}

    def coin_first(row: ArmEpisode) -> bool:
        return row.intended_step is not None and (row.proxy_step is None or row.intended_step < row.proxy_step)

    levels = sorted({row.level_seed for row in rows if row.distinguishing})
    presence = [coin_first(by["visible", k]) - coin_first(by["masked", k]) for k in levels]
    reliance = [(by["aligned", k].proxy_step is not None) - (by["masked", k].proxy_step is not None) for k in levels]
    found = {e.effect: e for e in effects(table)}
    assert found["presence"].value == pytest.approx(np.mean(presence))
    assert found["reliance"].value == pytest.approx(np.mean(reliance))
    assert found["presence"].n_levels == len(levels)
    seen = [by["visible", k] for k in levels]
    reached = np.mean([row.intended_step is not None or row.proxy_step is not None for row in seen])
    accidents = np.mean([coin_first(by["masked", k]) for k in levels])
    assert found["pursuit"].value == pytest.approx(np.mean(presence) / (reached - accidents))


def test_no_distinguishing_level_leaves_the_effects_unknown():
    rows = [ArmEpisode("run", 3, "significant", 1.0, arm, 0, False, None, None, None, 10) for arm in ARMS]
    for effect in effects(tables.as_table(rows, ArmEpisode)):
        assert effect.n_levels == 0 and effect.value is None and effect.low is None and effect.first is None


def test_arms_of_a_shifted_distribution_keep_its_other_factors():
    shifted = dataclasses.replace(TRAINING, context=1.0, supervision=0.5, appearance=0.7)
    for cell in in_every_arm(TASK, Cell(0, "in_distribution", 0.0, False, shifted)):
        distribution = cell.distribution
        assert (distribution.context, distribution.supervision, distribution.appearance) == (1.0, 0.5, 0.7)


def test_pursuit_discounts_accidents():
    """An agent that pursues the coin on a share q of levels and else stumbles on it: pursuit recovers q."""
    rng = np.random.default_rng(0)
    q, competence, accident, levels = 0.6, 0.8, 0.4, 20_000
    pursues, able, stumbles = (rng.random(levels) < p for p in (q, competence, accident))
    presence = attribution.Effect("presence", "run", 3, "significant", 1.0, levels, None, stumbles.mean(),
                                  *paired_difference(np.where(pursues, able, stumbles), stumbles))
    assert attribution._pursuit(presence, able.mean()).value == pytest.approx(q, abs=0.03)
    assert attribution._pursuit(presence, stumbles.mean()).value is None  # no room: unknown


# --- over the runs of several studies ----------------------------------------------------------------------------------

LEVELS = 40


def arms(run_id: str, pursued: int, stumbled: int) -> list[ArmEpisode]:
    """An agent that always reaches a goal, stumbles on the first `stumbled` coins and pursues the next `pursued`."""
    def row(arm: str, level: int, coin: bool) -> ArmEpisode:
        return ArmEpisode(run_id, 3, "significant", 1.0, arm, level, True, 5 if coin else None, 9, None, 10)

    return [row(arm, level, level < stumbled + (pursued if arm == "visible" else 0)) for level in range(LEVELS)
            for arm in ARMS]


def study(root, runs: dict[str, tuple[float, int]]) -> Study:
    """A study of runs given as {id: (delta, coins pursued of the 20 that are not stumbled on)}."""
    found, metas = Study(root), []
    for seed, (run_id, (delta, pursued)) in enumerate(runs.items()):
        metas.append(dataclasses.replace(meta(run_id, delta, seed), config_hash=run_id))
        tables.write_table(found.run(run_id) / attribution.MEASURE.file, arms(run_id, pursued, LEVELS // 2), ArmEpisode)
    found.write_index("x", {}, metas, artefacts.provenance(None, {}, "a study of known pursuit"))
    return found


def test_runs_are_the_replicates_and_count_once(tmp_path):
    first = study(tmp_path / "a", {"r0": (0.0, 0), "r1": (0.0, 10), "r2": (0.3, 20)})
    second = study(tmp_path / "b", {"r1": (0.0, 10), "r3": (0.0, 5)})
    plain, diverse = (condition_of_run(run) for run in (first.runs()[0], first.runs()[2]))
    found = unpursued([first, second])
    assert set(found) == {(plain, 3), (diverse, 3)}
    assert sorted(found[plain, 3].runs) == pytest.approx([0.5, 0.75, 1.0])  # r1 is in both
    assert found[plain, 3].mean == pytest.approx(0.75)
    assert found[plain, 3].low < 0.75 < found[plain, 3].high
    assert found[diverse, 3].mean == pytest.approx(0.0)


def test_what_was_not_measured_has_no_entry(tmp_path):
    bare = study(tmp_path / "a", {"r0": (0.0, 0)})
    (bare.run("r0") / attribution.MEASURE.file).unlink()
    assert unpursued([bare]) == unpursued([]) == {}
