"""The gradient that is written out is autograd's, and runs by it learn, repeat and go on like others."""

import copy
import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import gmexp_envs
from gmexp import artefacts
from gmexp.agents.cloning import Cloning
from gmexp.agents.config import UPDATES, PPOConfig
from gmexp.agents.fused import FusedGradient, Samples, fusible, loss
from gmexp.agents.networks import SEMANTIC
from gmexp.agents.ppo import PPO
from gmexp.artefacts.decode import decode
from gmexp.artefacts.origin import provenance
from gmexp.artefacts.study import Study
from gmexp.checks.reproduce import study_config
from gmexp.cli.config import load
from gmexp.training.run import describe

from ..tiny import AGENT, ITERATION, assert_equal_arrays, train_config

CONFIG: PPOConfig = load("train", AGENT).agent
AUTOGRAD = dataclasses.replace(CONFIG, update="autograd")
ENVS = ("coinrun", "maze", "boat_race")


def make(config: PPOConfig = CONFIG, iterations: int = 4, name: str = "coinrun", kind: type[PPO] = PPO) -> PPO:
    task = gmexp_envs.find_task(name)
    env = gmexp_envs.make_vec(task, config.num_envs, seed=0, action_repeat=config.action_repeat)
    return kind(config, task, env, iterations * ITERATION, 0)


def trained(agent: PPO) -> list:
    reports = []
    while not agent.finished:
        reports.append(agent.iterate())
    return reports


# --- against autograd -------------------------------------------------------------------------------------------------

def met(agent: PPO, random: np.random.Generator, moved: float) -> Samples:
    """A rollout whose policy was another: log-probabilities and values are `moved` so far from the present ones.

    Advantages and targets are anything; some advantages are zero.
    """
    agent.collect()
    count = agent._reward.numel()

    def drawn(scale: float) -> torch.Tensor:
        return torch.from_numpy(random.normal(0, scale, count).astype(np.float32))

    advantage = drawn(1) * torch.from_numpy(random.random(count) > 0.1)
    value = agent._value[:-1].flatten()
    return Samples(agent._stored._make(part.flatten(0, 1) for part in agent._stored), agent._action.flatten(),
                   agent._logp.flatten() + drawn(moved), advantage, value + drawn(moved), value + drawn(1))


def gradients(agent: PPO) -> dict[str, torch.Tensor]:
    return {name: weight.grad.clone() for name, weight in agent.network.named_parameters()}


def exact(agent: PPO, samples: Samples, rows: torch.Tensor) -> dict[str, torch.Tensor]:
    """Autograd's gradients with all that follows the first layer in double precision."""
    single = agent.network
    agent.network = agent._called = double = copy.deepcopy(single)
    for part in (double.hidden, double.policy, double.value):
        part.double().register_forward_pre_hook(lambda part, inputs: (inputs[0].double(),))
    agent._autograd(samples, rows)
    found = gradients(agent)
    agent.network = agent._called = single
    return found


CHANGES = {
    "width": st.integers(1, 80), "hidden": st.integers(1, 40), "num_envs": st.integers(2, 9),
    "network": st.sampled_from(sorted(SEMANTIC)), "value_clip": st.booleans(), "clip": st.sampled_from([0.05, 0.2, 1.0]),
    "entropy": st.sampled_from([0.0, 0.01, 1.0]), "value_coefficient": st.sampled_from([0.0, 0.5, 2.0]),
}  # fmt: skip


@pytest.mark.slow
@settings(deadline=None, max_examples=25)
@given(st.sampled_from(ENVS), st.fixed_dictionaries(CHANGES), st.integers(0, 2**32 - 1),
       st.sampled_from([0.0, 0.1, 0.5]), st.floats(0.1, 5))
def test_gradients_and_losses_are_autograds(name, change, seed, moved, gain):
    agent = make(dataclasses.replace(CONFIG, rollout=4, minibatches=1, **change), name=name)
    random = np.random.default_rng(seed)
    with torch.no_grad():
        agent.network.policy.weight.mul_(100 * gain)  # as sharp a policy as a trained one's
        for weight in agent.network.parameters():
            weight.add_(torch.from_numpy(random.normal(0, 0.01, weight.shape).astype(np.float32)))
    samples = met(agent, random, moved)
    rows = torch.from_numpy(np.sort(random.permutation(len(samples.action))[:max(2, len(samples.action) // 2)]))
    expected = exact(agent, samples, rows)
    expected_losses = agent._autograd(samples, rows)
    autograd = gradients(agent)
    gradient = FusedGradient(agent.network, agent.config, len(rows))
    losses = gradient(gradient.noted(samples), rows)
    torch.testing.assert_close(losses, expected_losses, rtol=1e-5, atol=1e-6, check_dtype=False)
    written = gradients(agent)
    near = 1e-6 * max(1.0, *(float(each.abs().max()) for each in expected.values()))
    for part, gradient in expected.items():
        error, autograds = (float((each[part].double() - gradient).abs().max()) for each in (written, autograd))
        assert error <= near + 4 * autograds, part  # a sharp policy's logits have large rounding errors, either way


def test_of_equal_squares_both_are_the_larger_one():
    """A value that moved too far, to where it errs as much as where it may be: autograd takes half of the slope."""
    z, nothing = torch.tensor([[0.0, 0.0, 0.75], [0.0, 0.0, 0.0]]), np.zeros(2, np.float32)
    value, target = torch.tensor([0.0, 0.0]), torch.tensor([0.5, 0.0])  # may move to 0.25: both err by 0.25
    clip, by_output = np.float32(0.25), np.empty((2, 3), np.float32)
    _, value_loss = loss(z.numpy(), np.arange(2), np.zeros(2, np.int64), nothing, nothing, value.numpy(), target.numpy(),
                         clip, clip, np.float32(1), np.float32(0), by_output)
    assert value_loss == 0.25**2 / 2 and by_output[0, 2] == 0.5 * 2 * 0.25 / 2
    z.requires_grad_()
    moved = value + (z[:, 2] - value).clamp(-0.25, 0.25)
    torch.max((z[:, 2] - target).square(), (moved - target).square()).mean().backward()
    np.testing.assert_array_equal(z.grad[:, 2], by_output[:, 2])


# --- runs -------------------------------------------------------------------------------------------------------------

@pytest.mark.slow
@pytest.mark.parametrize(("name", "network"), [("coinrun", "semantic"), ("maze", "ways")])
def test_a_run_stays_beside_the_same_by_autograd(name, network):
    runs = [make(dataclasses.replace(CONFIG, network=network, update=update), name=name) for update in UPDATES]
    assert [isinstance(agent._gradient, FusedGradient) for agent in runs] == [True, False]
    for pair in zip(*map(trained, runs), strict=True):
        np.testing.assert_allclose(*(report[4:] for report in pair), rtol=1e-3, atol=1e-5)
    fused, autograd = (agent.network.state_dict() for agent in runs)
    for part, weight in autograd.items():
        torch.testing.assert_close(fused[part], weight, rtol=1e-3, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("network", sorted(SEMANTIC))
def test_a_run_repeats_and_goes_on_bit_for_bit(tmp_path, network):
    config = dataclasses.replace(CONFIG, network=network, value_clip=True)
    whole, again = make(config), make(config)
    reports = trained(whole)
    assert trained(again) == reports
    agent, resumed = make(config), []
    while not agent.finished:
        resumed.append(agent.iterate())
        saved = artefacts.read_npz(artefacts.write_npz(tmp_path / "state.npz", agent.state()))
        agent = make(config)
        agent.restore(saved)
    assert resumed == reports
    assert_equal_arrays(agent.state(), whole.state())


class OtherLoss(PPO):
    """Of a package that knows nothing of fused updates."""

    def _value_loss(self, value, before, target):
        return (value - target).abs().mean()


def test_what_is_not_written_out_goes_by_autograd():
    assert isinstance(make()._gradient, FusedGradient)
    assert not dataclasses.replace(CONFIG, compile=True).fused
    for change in ({"update": "autograd"}, {"precision": "bfloat16"}):
        assert not isinstance(make(dataclasses.replace(CONFIG, **change))._gradient, FusedGradient)
    assert not isinstance(make(kind=OtherLoss)._gradient, FusedGradient)
    imitating = load("train", ["agent=cloning_intended", "agent.actions=moves", *AGENT]).agent
    assert imitating.update == "fused" and not isinstance(make(imitating, kind=Cloning)._gradient, FusedGradient)
    network = make().network
    assert fusible(network) and not fusible(network.double()) and not fusible(torch.nn.Linear(1, 1))
    network.float().cells.__class__ = type("Dense", (type(network.cells),), {})
    assert not fusible(network)


# --- what a run is ----------------------------------------------------------------------------------------------------

def test_the_update_is_part_of_a_runs_identity_and_not_of_its_learner(tmp_path):
    fused, autograd = (describe(train_config(tmp_path, f"agent.update={update}")) for update in UPDATES)
    assert fused.run_id != autograd.run_id and fused.config_hash != autograd.config_hash
    assert (fused.condition_hash, fused.learner_hash, fused.settings) == (
        autograd.condition_hash, autograd.learner_hash, autograd.settings)
    assert "agent.update" not in fused.settings


@pytest.mark.slow
def test_a_run_by_autograd_is_that_of_the_time_before(tmp_path):
    """Whatever the key says where nothing is fused, identities are as they were."""
    task = gmexp_envs.find_task("coinrun")
    assert "update" not in AUTOGRAD.identity(task) and CONFIG.identity(task)["update"] == "fused"
    for name in ("impala", "sb3_ppo", "cloning_proxy"):
        agent = load("train", [f"agent={name}", "agent.num_envs=16"]).agent
        assert agent.update == "fused" and "update" not in agent.identity(task)
    before = {key: value for key, value in dataclasses.asdict(AUTOGRAD).items() if key != "update"}
    assert decode(PPOConfig, before, "run.json") == AUTOGRAD


@pytest.mark.slow
def test_conditions_of_earlier_studies_that_name_an_agent_keep_theirs(tmp_path):
    config = load("run", ["experiment=quickstart"])
    conditions = [{"agent": "ppo"}, {"agent": "impala"}, {"agent.width": 9}]
    plain = dataclasses.asdict(dataclasses.replace(config, conditions=conditions))
    study = Study(tmp_path)
    for before in (True, False):
        if before:
            del plain["agent"]["update"]
        else:
            plain["agent"]["update"] = "fused"
        index = {"experiment": "quickstart", "runs": [], "config": plain}
        artefacts.write_json(study.index, index, provenance(None, {}, "a test"))
        again = study_config(study)
        assert again.agent.update == ("autograd" if before else "fused")
        assert again.conditions == [{"agent": "ppo"} | ({"agent.update": "autograd"} if before else {}), *conditions[1:]]


def test_an_update_that_is_none_is_refused():
    with pytest.raises(ValueError, match="agent.update = 'jax': choose one of fused, autograd"):
        dataclasses.replace(CONFIG, update="jax")
