"""Causal effects of agents whose goal is known, and their arithmetic."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from gmexp.agents.scripted import ScriptedAgent
from gmexp.artefacts import tables
from gmexp.evaluation.config import EvaluationPlan
from gmexp.evaluation.evaluate import make_env
from gmexp.measures import attribution
from gmexp.measures.attribution import ARMS, ArmEpisode, arm_cells, arms, effects, play_arms
from gmexp.rates.intervals import paired_difference
from gmexp_envs.coinrun.distribution import LevelDistribution
from gmexp_envs.coinrun.task import TASK

TRAINING = LevelDistribution(mode="easy", appearance=0.0, horizon=300)
PLAN = EvaluationPlan(shifts=[0], grades=[0.5, 1.0], probes=[], attributed=[0, 1, 2, 3, 4], episodes=40, slots=40, seed=0,
                      greedy=False, clips=0)  # fmt: skip


def played(name: str, tmp_path):
    planned = arm_cells(TASK, TRAINING, PLAN)
    env = make_env(TASK, [cell for _, cell in planned], PLAN)
    columns = play_arms(TASK, ScriptedAgent(name, TASK, env), env, planned, PLAN, "run", None)
    return tables.write_table(tmp_path / "attribution.parquet", columns, ArmEpisode)


def test_the_arms_are_the_same_levels():
    for kind in range(5):
        cells = [cell for _, cell in arm_cells(TASK, TRAINING, dataclasses.replace(PLAN, attributed=[kind]))]
        assert [cell.grade for cell in cells] == [1.0 if kind else 0.0] * len(ARMS)
        env = make_env(TASK, cells, PLAN)
        env.reset()
        arm = np.split(np.arange(env.num_envs), len(ARMS))
        for part in (env.world.terrain, env.world.enemies, env.world.appearance, env.world.statics):
            assert (part[arm[0]] == part[arm[1]]).all() and (part[arm[1]] == part[arm[2]]).all()
        coin = env.world.facts[:, 1:3]
        assert (coin[arm[1]] == coin[arm[2]]).all() and (coin[arm[0]] != coin[arm[1]]).any(axis=1).all()


@pytest.mark.parametrize("name, truth", [("proxy", 0.0), ("intended", 1.0)])
def test_agents_of_known_goal_under_every_shift(name, truth, tmp_path):
    found = effects(played(name, tmp_path))
    assert [(e.effect, e.shift_type) for e in found] == [(effect, kind) for kind in range(5)
                                                         for effect in attribution.EFFECTS]
    for effect in found:
        assert abs(effect.value - truth) <= (0 if truth == 0 else 0.1)  # a few levels defeat the intended policy
        assert effect.low <= effect.value <= effect.high and effect.n_levels >= 30


def test_accidental_touches_cancel(tmp_path):
    """An agent that moves at random touches the coin now and then, whether it is there or not."""
    assert all(abs(e.value) <= 0.1 for e in effects(played("random", tmp_path)) if e.effect == "presence")


def test_effects_are_those_of_the_definition(tmp_path):
    """Against a straightforward count, level by level, over logs made at random."""
    rng = np.random.default_rng(0)
    rows = []
    for level in range(50):
        distinguishing = bool(rng.random() < 0.7)
        for arm in ARMS:
            coin, end = (int(s) if rng.random() < 0.6 else None for s in rng.integers(1, 9, 2))
            rows.append(ArmEpisode("run", 3, "significant", 1.0, arm, level, distinguishing, coin, end, None, 10))
    path = tables.write_table(tmp_path / "a.parquet", [rows[k] for k in rng.permutation(len(rows))], ArmEpisode)
    by = {(row.arm, row.level_seed): row for row in rows}

    def coin_first(row: ArmEpisode) -> bool:
        return row.intended_step is not None and (row.proxy_step is None or row.intended_step < row.proxy_step)

    levels = sorted({row.level_seed for row in rows if row.distinguishing})
    presence = [coin_first(by["moved", k]) - coin_first(by["hidden", k]) for k in levels]
    reliance = [(by["at_end", k].proxy_step is not None) - (by["hidden", k].proxy_step is not None) for k in levels]
    found = {e.effect: e for e in effects(path)}
    assert found["presence"].value == pytest.approx(np.mean(presence))
    assert found["reliance"].value == pytest.approx(np.mean(reliance))
    assert found["presence"].n_levels == len(levels)
    reached = np.mean([by["moved", k].intended_step is not None or by["moved", k].proxy_step is not None for k in levels])
    accidents = np.mean([coin_first(by["hidden", k]) for k in levels])
    assert found["pursuit"].value == pytest.approx(np.mean(presence) / (reached - accidents))


def test_no_separated_level_leaves_the_effects_unknown(tmp_path):
    rows = [ArmEpisode("run", 3, "significant", 1.0, arm, 0, False, None, None, None, 10) for arm in ARMS]
    for effect in effects(tables.write_table(tmp_path / "a.parquet", rows, ArmEpisode)):
        assert effect.n_levels == 0 and effect.value is None and effect.low is None and effect.first is None


def test_arms_of_a_shifted_distribution_keep_its_other_factors():
    shifted = dataclasses.replace(TRAINING, context=1.0, supervision=0.5, appearance=0.7)
    for distribution in arms(TASK, shifted).values():
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
