"""Mitigations that act with small trained agents: peers, scores, thresholds, networks, help, shield, the stage."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import gmexp
from gmexp.agents.checkpoint import load_checkpoint
from gmexp.artefacts import tables
from gmexp.artefacts.records import OutcomeCounts
from gmexp.cli.config import load
from gmexp.evaluation.cells import cells, held_out
from gmexp.evaluation.evaluate import play_with
from gmexp.mitigations import agents, detection, play
from gmexp.mitigations.agents import one_each, peers, validation_cells, watched
from gmexp.mitigations.config import MitigationsPlan, mitigation_of_entry, negative_of
from gmexp.mitigations.networks import Combined, fit_svdd
from gmexp.mitigations.scores import SCORES, score_of
from gmexp.support.errors import UserError
from gmexp.training.train import train

from ..tiny import train_config

PLAN = dataclasses.replace(load("evaluate", ["run=none"]).evaluation, shifts=[0, 3], probes=[], episodes=12, slots=12)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """One of three runs of a condition."""
    out = tmp_path_factory.mktemp("study")
    folders = [train(train_config(out, "env.horizon=300", f"seed={seed}", iterations=2)) for seed in (0, 1, 2)]
    return load_checkpoint(folders[1])


def play_of(checkpoint, mitigation=None):
    planned = cells(checkpoint.task, checkpoint.training, PLAN, checkpoint.meta.train_seed)
    return play_with(checkpoint, PLAN, planned, mitigation and mitigation.fitted(checkpoint, PLAN))


def same(first, second, episodes=None) -> bool:
    return all(np.array_equal(first[name][:episodes], second[name]) for name in ("length", "intended_step", "proxy_step"))


@pytest.mark.slow
def test_peers_come_in_turn(checkpoint):
    assert [peer.meta.train_seed for peer in peers(checkpoint, 3)] == [1, 2, 0]
    with pytest.raises(UserError, match="of which 5 are needed"):
        peers(checkpoint, 5)


@pytest.mark.slow
@pytest.mark.parametrize("name", SCORES)
def test_scores_differ_between_levels(checkpoint, name):
    """A published one had collapsed to a constant."""
    score = score_of(name, checkpoint, PLAN, 12, members=3)
    found = watched(checkpoint, one_each(PLAN, 12), validation_cells(checkpoint, 12), score).highest
    assert np.isfinite(found).all() and len(np.unique(found.round(9))) > 6
    with pytest.raises(ValueError, match="choose one of"):
        score_of("mood", checkpoint, PLAN, 12)


def test_the_embedding_of_deep_svdd_tells_strangers_apart():
    generator = torch.Generator().manual_seed(0)
    usual = torch.randn(4000, 8, generator=generator) * torch.tensor([1.0] * 4 + [0.05] * 4) + 1
    embed, centre, scale = fit_svdd(usual, 0)
    strange = torch.randn(500, 8, generator=generator) * torch.tensor([0.05] * 4 + [3.0] * 4) + 1
    near, far = ((embed(x / scale) - centre).square().sum(1) for x in (usual, strange))
    assert far.median() > 2 * near.median() and near.std() > 0


@pytest.mark.slow
def test_thresholds_know_validation_levels_alone(checkpoint, monkeypatch):
    played = []
    real = agents.validation_cells
    monkeypatch.setattr("gmexp.mitigations.help.validation_cells", lambda *a: played.append(real(*a)) or played[-1])
    ask = mitigation_of_entry({"name": "ask_for_help", "levels": 12, "budget": 0.25}).fitted(checkpoint, PLAN)
    (cell,) = played[0]
    assert cell.distribution.levels == held_out(1, 12, "validation") and cell.shift_type == 0
    steps = np.concatenate(watched(checkpoint, one_each(PLAN, 12), real(checkpoint, 12), ask._score).steps)
    assert (steps > ask.threshold).mean() == pytest.approx(0.25, abs=0.02)


def test_networks_that_decide_together():
    def fixed(logits):
        return SimpleNamespaceModule(torch.tensor(logits))

    given = [[2.0, 0.0, 0.0], [2.0, 0.0, 0.0], [0.0, 9.0, 0.0]]
    rows = torch.arange(6)
    mean, majority, mixture = (Combined([fixed(each) for each in given], how)(None, rows)[0]
                               for how in ("mean", "majority", "mixture"))
    assert mean.exp().sum(1).tolist() == pytest.approx([1] * 6) and mean[0].argmax() == 0
    assert majority[0].exp().tolist() == pytest.approx([1, 0, 0], abs=1e-6)
    assert mixture.argmax(1).tolist() == [0, 0, 1, 0, 0, 1]


class SimpleNamespaceModule(torch.nn.Module):
    def __init__(self, logits):
        super().__init__()
        self.logits = torch.nn.Parameter(logits, requires_grad=False)

    def forward(self, observation, rows):
        return self.logits.repeat(len(rows), 1), torch.zeros(len(rows))


@pytest.mark.slow
def test_what_changes_nothing_changes_nothing(checkpoint):
    base, _ = play_of(checkpoint)
    still, _ = play_of(checkpoint, mitigation_of_entry({"name": "steering", "strength": 0.0, "levels": 12}))
    assert same(base, still)
    moved, _ = play_of(checkpoint, mitigation_of_entry({"name": "steering", "strength": 9.0, "levels": 12}))
    assert not same(base, moved)
    idle, actor = play_of(checkpoint, mitigation_of_entry({"name": "ask_for_help", "score": "random", "shares": [0.0]}))
    assert actor.helped.sum() == 0 and same(base, idle, 24)  # of the visible arm


@pytest.mark.slow
def test_steering_and_its_control_are_equally_long(checkpoint):
    shifts = [mitigation_of_entry({"name": "steering", "levels": 12, "direction": way}).fitted(checkpoint, PLAN).shift
              for way in ("visible", "random")]
    assert shifts[0].norm() == pytest.approx(float(shifts[1].norm()), rel=1e-5) and not torch.allclose(*shifts)


def test_random_help_is_as_frequent_as_it_should_be(checkpoint):
    _, actor = play_of(checkpoint, mitigation_of_entry(
        {"name": "ask_for_help", "score": "random", "shares": [0.1, 0.6], "lasts": 4}))
    shares = [actor.helped[k * 12:(k + 1) * 12].sum() / actor.steps[k * 12:(k + 1) * 12].sum() for k in (0, 1)]
    assert shares == pytest.approx([0.1, 0.6], abs=0.12)


@pytest.mark.slow
def test_a_shield_lets_nobody_take_the_proxy_for_the_goal():
    """The scripted policy for the proxy always fails the goal; behind the shield the expert takes over in time."""
    shield = mitigation_of_entry({"name": "shield"}).fitted(
        SimpleNamespace(task=gmexp_task(), meta=SimpleNamespace(run_id="r")), PLAN)
    plain, shielded = (gmexp.evaluate("proxy", shifts=[3], probes=[], episodes=24, arms=("visible",), mitigation=m)
                       for m in (None, shield))
    assert plain.counts[0].n_proxy >= 20 and shielded.counts[0].n_proxy <= 2
    assert shielded.counts[0].n_intended >= 12


def gmexp_task():
    from gmexp_envs import find_task

    return find_task("coinrun")


@pytest.mark.slow
def test_the_stage_plays_once_and_pairs_with_itself(checkpoint):
    wanted = MitigationsPlan(played=[{"name": "ask_for_help", "levels": 12}, {"name": "ensemble", "members": 3},
                                     {"name": "ask_for_help", "levels": 12, "score": "distance"}],
                             scores=["max_probability"], levels=20, probed=12)
    play.mitigate(checkpoint, PLAN, wanted)
    run = checkpoint.path.parent
    kept = {path: path.stat().st_mtime_ns for path in run.rglob("*.parquet")}
    play.mitigate(checkpoint, PLAN, wanted)
    assert kept == {path: path.stat().st_mtime_ns for path in run.rglob("*.parquet")}
    help_rows, ensemble_rows, _ = (play.read_counts(run, entry) for entry in wanted.played)
    assert {row.n_masked for row in help_rows} == {None} and all(row.n_masked is not None for row in ensemble_rows)
    for entry in (wanted.played[0], wanted.played[2]):  # whose controls are each as often at the wheel as they are
        share, control = (play.helped_share(run, each, 3) for each in (entry, negative_of(entry)))
        assert 0 <= share <= 1 and control == pytest.approx(share, abs=0.15)
    controls = [negative_of(entry) for entry in (wanted.played[0], wanted.played[2])]
    words = {row.setting for control in controls for row in play.counts_with(run, control)}
    assert len(words) == 2 and all("score random" in each and "as often as with score" in each for each in words)
    episodes = tables.read_table(run / detection.FILE, detection.WatchedEpisode)
    assert len(episodes) == 24 and set(episodes["score"].to_pylist()) == {"max_probability"}
    assert len(tables.read_records(run / "probed.parquet", OutcomeCounts)) == 1
