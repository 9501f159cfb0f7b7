"""`gmexp.evaluate` and `gmexp.rates`: any policy in, records out, nothing printed."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import gmexp.rates
from gmexp.agents.mitigation import Mitigation
from gmexp.artefacts.records import Episode, OutcomeCounts
from gmexp.evaluation.function import Evaluation, evaluate
from gmexp.rates.function import rates
from gmexp.rates.over_runs import Rates, read_rates
from gmexp.support.errors import UserError
from gmexp_envs import find_task, task_names
from gmexp_envs.coinrun.distribution import LevelDistribution

FEW = {"shifts": [0, 3], "probes": [], "episodes": 16}
TRAINING = LevelDistribution(mode="easy", appearance=0.0, horizon=200)


@pytest.fixture(scope="module")
def proxy() -> Evaluation:
    return evaluate("proxy", "coinrun", training=TRAINING, **FEW)


def test_a_scripted_policy_is_measured(proxy, capsys):
    assert capsys.readouterr() == ("", "")
    assert len(proxy.episodes) == 2 * 2 * 16 and all(isinstance(row, Episode) for row in proxy.episodes)
    assert all(isinstance(row, OutcomeCounts) for row in proxy.counts)
    shifted = next(cell for cell in proxy.estimands if cell.shift_type == 3)
    assert shifted.goal_failure.mean == 1 and shifted.accidents.mean == 0
    assert proxy.meta.train_steps is None and proxy.meta.train_diversity == 0


class Known:
    """Pursues the intended goal where it is to be seen, and heads for the proxy where it is masked."""

    def __init__(self, task, env) -> None:
        self._policies = [task.scripted(goal, env) for goal in ("intended", "proxy")]
        self._masked = np.arange(env.num_envs) >= env.num_envs // 2  # the second arm

    def act(self, observation, rows):
        actions = np.zeros(len(rows), np.int32)
        for policy, chosen in zip(self._policies, (~self._masked[rows], self._masked[rows]), strict=True):
            if chosen.any():
                actions[chosen] = policy.act(observation, rows[chosen])
        return actions


@pytest.mark.slow
@pytest.mark.parametrize("name", task_names())
def test_known_goals_are_measured_as_such_in_every_environment(name):
    """Under every shift that tells the goals apart: failure of the proxy's policy 1, of the intended goal's 0."""
    task, few = find_task(name), {"shifts": [0, 3], "probes": [0], "episodes": 16, "training": {"diversity": 0.0}}

    class Pursuing(Mitigation):
        """Replaces whoever would act."""

        def wrap(self, actor, env):
            return Known(task, env)

    for mitigation, least, most in ((None, 1, 1), (Pursuing(None), 0, 0.15)):  # some levels defeat a policy
        found = evaluate("proxy", name, mitigation=mitigation, **few).estimands
        failures = [cell.goal_failure.mean for cell in found if cell.n_levels]
        assert len(failures) >= 2 and all(least <= failure <= most for failure in failures), failures


def test_a_callable_acts():
    """Staying where it is reaches nothing; actions out of range, or too few, are one line."""
    still = evaluate(lambda observation: np.full(len(observation.window), 4), training=TRAINING, **FEW)
    assert all(row.n_intended == row.n_proxy == row.n_ambiguous == 0 for row in still.counts)
    for bad, message in ((lambda observation: np.full(len(observation.window), 99), "within 0..14"),
                         (lambda observation: np.zeros(3, int), "for each instance"),
                         (lambda observation: np.zeros(len(observation.window)), "a whole number")):
        with pytest.raises(UserError, match=message):
            evaluate(bad, training=TRAINING, **FEW)
    with pytest.raises(UserError, match="no policy"):
        evaluate(5, training=TRAINING, **FEW)


def test_a_torch_module_acts():
    import torch

    class Right(torch.nn.Module):
        """Prefers the last but one of so many choices."""

        def __init__(self, choices: int) -> None:
            super().__init__()
            self.preference = torch.nn.Parameter(torch.eye(choices)[-2] * 50)

        def forward(self, observation):
            return self.preference.expand(len(observation.window), -1), None

    found = evaluate(Right(15), training=TRAINING, greedy=True, **FEW)
    again = evaluate(Right(15), training=TRAINING, **FEW)  # sampled, and as good as certain
    assert found.table.equals(again.table)
    six = evaluate(Right(6), training=TRAINING, seed=1, **FEW)  # the usual jumps of the environment
    assert six.table.num_rows == found.table.num_rows
    with pytest.raises(UserError, match="7 choices"):
        evaluate(Right(7), training=TRAINING, **FEW)


@pytest.mark.slow
def test_a_stable_baselines3_model_acts():
    gymnasium = pytest.importorskip("gymnasium")
    sb3 = pytest.importorskip("stable_baselines3")
    env = gymnasium.make("gmexp/CoinRun-v0", distribution=TRAINING)
    model = sb3.PPO("MultiInputPolicy", env, n_steps=8, batch_size=8, seed=0)
    found = [evaluate(model, training=TRAINING, **FEW) for _ in range(2)]
    assert found[0].table.equals(found[1].table)  # whatever else draws random numbers
    assert not evaluate(model, training=TRAINING, seed=1, **FEW).table.equals(found[0].table)


def test_training_is_told_by_the_keys_of_its_configuration(proxy):
    diverse = evaluate("proxy", training={"diversity": 0.3, "horizon": 200}, **FEW)
    assert diverse.meta.train_diversity == pytest.approx(0.3) and diverse.meta.horizon == 200
    assert sum(row.n_distinguishing for row in diverse.counts if row.shift_type == 0) > 0
    with pytest.raises(ValueError, match="diversty"):
        evaluate("proxy", training={"diversty": 0.3}, **FEW)


@pytest.mark.slow
def test_rates_is_a_function_and_a_room(proxy, finished):
    assert callable(gmexp.rates) and gmexp.evaluate is evaluate
    found = gmexp.rates(finished.root)
    assert isinstance(found, Rates) and found == read_rates(finished.rates) == rates(finished)
    of_counts = rates(proxy)
    assert [cell.shift_type for cell in of_counts.cells] == [0, 3] and of_counts.definitions == ()
    assert of_counts.estimands == tuple(dataclasses.replace(cell, condition=of_counts.cells[0].condition)
                                        for cell in proxy.estimands)
    with pytest.raises(UserError, match="no counts"):
        rates([])
    with pytest.raises(UserError, match=r"within \[0, 1\]"):
        rates(proxy, threshold=80)
