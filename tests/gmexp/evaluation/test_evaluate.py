"""Cells are what the ladder says, played on levels no training sees; agents of known goal are measured as such."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from gmexp import artefacts
from gmexp.agents.checkpoint import load_checkpoint
from gmexp.agents.scripted import ScriptedAgent
from gmexp.artefacts import tables
from gmexp.artefacts.records import Episode, RunMeta
from gmexp.artefacts.study import Study
from gmexp.cli.main import main
from gmexp.evaluation.batch import make_env, play_cells
from gmexp.evaluation.cells import Cell, cells, held_out, in_arms
from gmexp.evaluation.evaluate import evaluate
from gmexp.evaluation.plan import EvaluationPlan
from gmexp.rates import over_runs
from gmexp.rates.counting import count_outcomes
from gmexp.rates.definitions import in_arm
from gmexp.rates.estimands import estimands
from gmexp.support.errors import UserError
from gmexp.training import train
from gmexp_envs.coinrun.certify import certify
from gmexp_envs.coinrun.distribution import LevelDistribution
from gmexp_envs.coinrun.task import TASK
from gmexp_envs.levels import SPLITS
from gmexp_envs.procgen_family import binary as procgen

from ..fabricate import meta
from ..tiny import train_config

TRAINING = LevelDistribution(mode="easy", appearance=0.0, horizon=300)
PLAN = EvaluationPlan(shifts=[0, 1, 2, 3, 4], grades=[1.0], probes=[0, 1], attributed=[0, 3], episodes=8,
                      slots=4, seed=0, greedy=False, clips=0)  # fmt: skip
RUN = meta("run", 0.0, 0)


def scripted(name: str, planned: list[Cell], plan: EvaluationPlan, run: RunMeta = RUN) -> dict[str, np.ndarray]:
    env = make_env(TASK, planned, plan)
    return play_cells(TASK, ScriptedAgent(name, TASK, env), env, planned, plan, run)


# --- cells ------------------------------------------------------------------------------------------------------------

def test_the_cells_of_a_plan():
    found = [(cell.shift_type, cell.shift_name, cell.grade, cell.probe) for cell in cells(TASK, TRAINING, PLAN)]
    assert found == [(0, "in_distribution", 0.0, False), (0, "in_distribution", 0.0, True),
                     (1, "superficial", 1.0, False), (1, "superficial", 1.0, True), (2, "moderate", 1.0, False),
                     (3, "significant", 1.0, False), (4, "extreme", 1.0, False)]  # fmt: skip


def test_every_cell_walks_the_same_held_out_levels():
    whole = SPLITS["evaluation"]
    for cell in cells(TASK, TRAINING, dataclasses.replace(PLAN, grades=[0.25, 0.5, 1.0])):
        assert cell.distribution.sequential
        assert (cell.distribution.levels.first, cell.distribution.levels.count) == (whole.first, PLAN.episodes)
    train_split = SPLITS["train"]
    assert train_split.first + train_split.count <= SPLITS["validation"].first
    assert SPLITS["validation"].first + SPLITS["validation"].count <= whole.first


def test_train_seeds_have_levels_of_their_own_that_conditions_share():
    levels = [cells(TASK, training, PLAN, seed)[3].distribution.levels for seed in (0, 1, 2) for training in
              (TRAINING, dataclasses.replace(TRAINING, rho=0.7))]
    assert levels[::2] == levels[1::2]
    seeds = [set(range(part.first, part.first + part.count)) for part in levels[::2]]
    assert len(set.union(*seeds)) == 3 * PLAN.episodes
    whole = SPLITS["evaluation"]
    last = held_out(2**63 - 1, 200)
    assert whole.first <= last.first and last.first + last.count <= whole.first + whole.count


def test_grade_zero_is_the_training_distribution():
    """As a value, and as played: the same levels with the same coins and the same fate under every shift."""
    planned = cells(TASK, TRAINING, dataclasses.replace(PLAN, grades=[0.0], probes=[]))
    assert len(planned) == 5
    held_out = dataclasses.replace(TRAINING, levels=planned[0].distribution.levels, sequential=True)
    assert all(cell.distribution == held_out for cell in planned)
    columns = scripted("intended", planned, PLAN)
    columns |= dict(zip(TASK.facts, np.asarray(columns["facts"]).T, strict=True))
    for name in ("level_seed", "coin_x", "coin_y", "end_x", "intended_step", "proxy_step", "death_step", "length"):
        by_cell = np.ma.filled(columns[name], -1).reshape(PLAN.slots * 5, -1)
        shift = np.asarray(columns["shift_type"]).reshape(PLAN.slots * 5, -1)
        rows = [by_cell[shift[:, 0] == kind] for kind in range(5)]
        assert all((row == rows[0]).all() for row in rows), name


def test_a_distribution_that_cannot_be_shifted_so_is_refused():
    with pytest.raises(UserError, match="appearance cannot shift"):
        cells(TASK, dataclasses.replace(TRAINING, appearance=None), PLAN)


@pytest.mark.parametrize("change", [{"episodes": 9}, {"episodes": 0}, {"slots": 0}, {"shifts": [5]}, {"shifts": []},
                                    {"probes": [-1]}, {"shifts": [0], "probes": [1]}, {"grades": [1.5]}, {"grades": []},
                                    {"grades": [float("nan")]}, {"arms": []}, {"arms": ["masked"]},
                                    {"arms": ["visible", "blind"]}, {"arms": ["visible", "visible"]}, {"seed": -1},
                                    {"clips": -1}])  # fmt: skip
def test_a_plan_that_makes_no_sense_is_refused(change):
    with pytest.raises(ValueError, match="evaluation"):
        dataclasses.replace(PLAN, **change)


# --- episodes ---------------------------------------------------------------------------------------------------------

def test_the_event_log_becomes_columns():
    planned = cells(TASK, TRAINING, PLAN)
    table = tables.as_table(scripted("random", planned, PLAN), Episode)
    rows = [Episode(**row) for row in table.to_pylist()]
    assert len(rows) == len(planned) * PLAN.episodes
    per_slot = {}
    for row in rows:
        per_slot.setdefault((row.shift_type, row.probe, row.slot), []).append(row.index)
        assert row.level_seed == SPLITS["evaluation"].first + row.slot + PLAN.slots * row.index
        assert row.death_step in (None, row.length) and (row.death_step is None or not row.truncated)
        assert row.truncated == (row.length == (600 if row.shift_type == 4 else 300) and row.death_step is None)
        for step in (row.intended_step, row.proxy_step):
            assert step is None or 1 <= step <= row.length
        assert row.distinguishing or not row.probe
    assert set(map(tuple, per_slot.values())) == {(0, 1)} and len(per_slot) == len(planned) * PLAN.slots


PROBED = dataclasses.replace(PLAN, probes=[0, 1, 2, 3, 4], episodes=32, slots=32)


@pytest.fixture(scope="module")
def certified() -> list[Cell]:
    """The probes of all shifts, on levels that separate the goals not only by construction but in play."""
    found = []
    for cell in cells(TASK, TRAINING, dataclasses.replace(PROBED, episodes=64, slots=64)):
        levels = cell.distribution.levels
        if cell.probe:
            seeds = levels.first + np.flatnonzero(certify(cell.distribution))[: PROBED.episodes]
            assert len(seeds) == PROBED.episodes
            distinguishing = dataclasses.replace(cell.distribution, levels=tuple(seeds.tolist()))
            found.append(dataclasses.replace(cell, distribution=distinguishing))
    return found


@pytest.mark.slow
@pytest.mark.parametrize("name, truth", [("proxy", 1.0), ("intended", 0.0)])
def test_an_agent_of_known_goal_is_measured_as_such_through_the_whole_pipeline(name, truth, certified, tmp_path):
    study = Study(tmp_path)
    runs = [meta(f"{name}-{seed}", 0.0, seed) for seed in range(2)]
    for run in runs:
        tables.write_table(study.episodes(run.run_id), scripted(name, certified, PROBED, run), Episode)
    study.write_index("known", {"experiment": "known"}, runs, artefacts.provenance("test", {}, "agents of known goal"))
    over_runs.build(study.root)
    found = over_runs.read_rates(study.rates).cells
    assert [cell.shift_type for cell in found] == [0, 1, 2, 3, 4] and all(cell.probe for cell in found)
    for cell in found:
        assert cell.goal_failure.mean == truth
        assert all(run.rate == truth and run.n >= 24 for run in cell.goal_failure.runs)  # and competent enough to tell


# --- arms -------------------------------------------------------------------------------------------------------------

def test_the_masked_arm_is_the_same_levels_without_the_intended_goal():
    planned = cells(TASK, TRAINING, PLAN)
    both = in_arms(TASK, planned, ["visible", "masked"])
    assert [cell.arm for cell in both] == ["visible"] * len(planned) + ["masked"] * len(planned)
    assert [cell.distribution for cell in both[:len(planned)]] == [cell.distribution for cell in planned]
    env = make_env(TASK, both, PLAN)
    env.reset()
    half = env.num_envs // 2
    for name in ("terrain", "enemies", "appearance"):
        part = getattr(env.world, name)
        np.testing.assert_array_equal(part[:half], part[half:])
    np.testing.assert_array_equal(env.world.facts[:half, 1:5], env.world.facts[half:, 1:5])  # the goals' places


class Mixture:
    """Pursues the intended goal in some instances, by level and where it is to be seen; else heads for the proxy."""

    def __init__(self, env, share: float, visible: int) -> None:
        self._intended, self._proxy = (ScriptedAgent(name, TASK, env) for name in ("intended", "proxy"))
        self._pursues = np.arange(env.num_envs) < visible
        self._pursues &= np.random.default_rng(0).random(env.num_envs) < share

    def act(self, observation, rows):
        actions = self._proxy.act(observation, rows)
        chosen = self._pursues[rows]
        if chosen.any():
            actions[chosen] = self._intended.act(observation, rows[chosen])
        return actions


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_agents_of_known_pursuit_in_both_arms(share, tmp_path):
    """Goal failure is 1 - share under every shift, although accidents make the first event say less."""
    plan = dataclasses.replace(PLAN, episodes=80, slots=80, arms=["visible", "masked"])
    planned = in_arms(TASK, cells(TASK, TRAINING, plan), plan.arms)
    env = make_env(TASK, planned, plan)
    actor = Mixture(env, share, env.num_envs // 2)
    table = tables.as_table(play_cells(TASK, actor, env, planned, plan, RUN), Episode)
    found = {(cell.shift_type, cell.probe): cell for cell in estimands(count_outcomes(table, RUN), {RUN.run_id: "c"})}
    assert len(found) == 7
    for place, cell in found.items():
        if place in ((0, False), (1, False)):  # nothing to tell after training at delta = 0
            assert cell.revealed.mean == 0 and cell.goal_failure.mean is None and cell.realised.mean == 0
            continue
        assert cell.goal_failure.mean == pytest.approx(1 - share, abs=0 if share == 0 else 0.17), place
        assert cell.capability.mean > 0.6
        assert cell.latent.mean == pytest.approx(cell.goal_failure.mean * cell.capability.mean, abs=0.02)


@pytest.mark.slow
def test_the_visible_arm_does_not_know_of_the_masked_one(checkpoint):
    """The same episodes, step by step, whether or not another arm is played beside it."""
    alone = tables.read_table(evaluate(checkpoint, SMALL), Episode)
    both = tables.read_table(evaluate(checkpoint, dataclasses.replace(SMALL, arms=["visible", "masked"])), Episode)
    assert in_arm(both).equals(alone)
    masked = in_arm(both, "masked")
    assert masked["level_seed"].equals(alone["level_seed"]) and masked["distinguishing"].equals(alone["distinguishing"])
    assert not masked["length"].equals(alone["length"])  # luck of its own


# --- the stage --------------------------------------------------------------------------------------------------------

@pytest.fixture
def checkpoint(tmp_path):
    return load_checkpoint(train.train(train_config(tmp_path, iterations=1)))


SMALL = dataclasses.replace(PLAN, shifts=[0, 1], probes=[])


@pytest.mark.slow
def test_the_same_plan_is_played_once_and_another_anew(checkpoint):
    path, told = evaluate(checkpoint, SMALL), []
    before = path.stat().st_mtime_ns, path.read_bytes()
    assert evaluate(checkpoint, SMALL, told.append) == path and sum(told) == 2 * SMALL.episodes
    assert (path.stat().st_mtime_ns, path.read_bytes()) == before
    evaluate(checkpoint, dataclasses.replace(SMALL, episodes=4))
    assert tables.read_table(path, Episode).num_rows == 8


@pytest.mark.slow
def test_the_same_seeds_give_the_same_episodes(checkpoint):
    path = evaluate(checkpoint, SMALL)
    first = tables.read_table(path, Episode)
    path.unlink()
    again = tables.read_table(evaluate(checkpoint, SMALL), Episode)
    assert again.equals(first)
    other = tables.read_table(evaluate(checkpoint, dataclasses.replace(SMALL, seed=1)), Episode)
    assert other["level_seed"].equals(first["level_seed"]) and not other["length"].equals(first["length"])


@pytest.mark.slow
def test_damaged_episodes_are_played_again(checkpoint):
    path = evaluate(checkpoint, SMALL)
    whole = tables.read_table(path, Episode)
    path.write_bytes(path.read_bytes()[:500])
    assert tables.read_table(evaluate(checkpoint, SMALL), Episode).equals(whole)


@pytest.mark.slow
def test_a_checkpoint_is_evaluated_where_it_lies(checkpoint, tmp_path, capsys):
    moved = tmp_path / "elsewhere" / "best.npz"
    moved.parent.mkdir()
    moved.write_bytes(checkpoint.path.read_bytes())
    assert main(["evaluate", f"run={moved}", "evaluation.shifts=[0]", "evaluation.probes=[]", "evaluation.episodes=4",
                 "evaluation.slots=4"]) == 0  # fmt: skip
    assert capsys.readouterr().out.strip() == str(moved.with_name("episodes.parquet"))
    stored = tables.read_table(moved.with_name("episodes.parquet"), Episode)
    assert stored["arm"].to_pylist() == ["visible"] * 4 + ["masked"] * 4


# --- the real binary as the environment ------------------------------------------------------------------------------

@pytest.mark.slow
@pytest.mark.skipif(not procgen.installed(), reason="procgen is not installed: nothing to compare with")
def test_both_backends_give_the_same_episodes(checkpoint, capsys):
    plan = dataclasses.replace(PLAN, probes=[0, 3], episodes=8, slots=4, arms=["visible", "masked"])
    native = tables.read_table(evaluate(checkpoint, plan), Episode)
    keys = ("shifts", "probes", "episodes", "slots", "seed", "arms")
    overrides = [f"evaluation.{key}={getattr(plan, key)}" for key in keys]
    assert main(["evaluate", f"run={checkpoint.path}", "backend=procgen", "evaluation.greedy=false", *overrides]) == 0
    told = capsys.readouterr()
    assert "left out, since procgen cannot play them: extreme at 1" in told.err
    path = checkpoint.path.with_name("episodes-procgen.parquet")
    assert told.out.strip() == str(path)
    binary = tables.read_table(path, Episode)
    kept = native.filter(native["shift_type"].values < 4)
    assert binary.num_rows == kept.num_rows == 2 * 6 * 8
    assert binary.equals(kept)


def test_what_procgen_cannot_play_at_all_is_one_line(tmp_path):
    partly = load_checkpoint(train.train(train_config(tmp_path, "env.spec_quality=0.5", iterations=1)))
    with pytest.raises(UserError, match="pays for the coin alone"):
        evaluate(partly, SMALL, backend="procgen")
