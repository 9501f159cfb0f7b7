"""The networks on frames and on the semantic view, and the options of PPO that the paper's agent uses."""

import dataclasses

import numpy as np
import pytest
import torch

import gmexp_envs
from gmexp.agents.checkpoint import load_checkpoint
from gmexp.agents.config import PPOConfig, SB3PPOConfig
from gmexp.agents.networks import Frames, Impala, Observation, Semantic, check_seen, seen
from gmexp.agents.ppo import PPO, RewardNormalizer
from gmexp.cli.config import load
from gmexp.evaluation.batch import make_env
from gmexp.evaluation.cells import cells
from gmexp.evaluation.evaluate import evaluate
from gmexp.measures.take import measure
from gmexp.support.errors import UserError
from gmexp.training.train import train
from gmexp_envs import FrameStyle
from gmexp_envs.coinrun import base as coinrun
from gmexp_envs.coinrun.task import TASK

from ..tiny import assert_equal_arrays, train_config

TINY = ("agent=impala_langosco", "agent.num_envs=4", "agent.rollout=8", "agent.minibatches=2", "agent.width=2",
        "agent.hidden=8", "agent.epochs=2")
CONFIG: PPOConfig = load("train", TINY).agent


def make(config: PPOConfig = CONFIG, iterations: int = 4) -> PPO:
    env = gmexp_envs.make_vec("coinrun", config.num_envs, mode="easy", seed=0, observation=config.observation)
    return PPO(config, TASK, env, iterations * config.num_envs * config.rollout, 0)


def test_the_papers_network_has_its_number_of_weights():
    config = load("train", ["agent=impala_langosco"]).agent
    network = config.build(TASK, torch.Generator().manual_seed(0))
    assert isinstance(network, Impala)
    blocks = (3, 16), (16, 32), (32, 32)
    convolutions = sum(9 * a * b + b + 4 * (9 * b * b + b) for a, b in blocks)
    heads = 2048 * 256 + 256 + 256 * (15 + 1) + 15 + 1
    assert sum(p.numel() for p in network.parameters()) == convolutions + heads


def test_frames_are_read_as_they_lie_and_rows_name_samples():
    network = CONFIG.build(TASK, torch.Generator().manual_seed(0))
    frames = np.random.default_rng(0).integers(256, size=(5, 64, 64, 3), dtype=np.uint8)
    observation = seen(frames, torch.device("cpu"))
    assert isinstance(observation, Frames) and observation.frames.data_ptr() == frames.ctypes.data
    rows = torch.tensor([3, 1])
    some = network(Frames(observation.frames[rows]))
    for ours, theirs in zip(network(observation, rows), some, strict=True):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.slow
def test_training_on_frames_goes_on_bit_for_bit_from_a_saved_state():
    whole, first = make(), make()
    for _ in range(2):
        whole.iterate(), first.iterate()
    state = {name: np.array(array) for name, array in first.state().items()}
    assert any(name.startswith("normalizer.") for name in state)
    second = make()
    second.restore(state)
    assert [whole.iterate() for _ in range(2)] == [second.iterate() for _ in range(2)]
    assert_equal_arrays(whole.state(), second.state())


def test_rewards_are_divided_by_the_spread_of_discounted_returns():
    rng, discount = np.random.default_rng(0), 0.9
    rewards, done = rng.exponential(size=(50, 3)).astype(np.float32), rng.random((50, 3)) < 0.1
    normalize = RewardNormalizer(discount, 3, torch.device("cpu"))
    returns, everything = np.zeros(3), []
    for reward, over in zip(rewards, done, strict=True):
        found = normalize(torch.from_numpy(reward), torch.from_numpy(over)).numpy()
        returns = discount * returns + reward
        everything.append(returns)
        np.testing.assert_allclose(found, np.clip(reward / (np.std(everything) + 1e-4), -10, 10), rtol=1e-4)
        returns = returns * ~over


def test_a_clipped_value_gains_nothing_from_moving_far():
    clipped, free = make(), make(dataclasses.replace(CONFIG, value_clip=False))
    value, before, target = torch.tensor([0.9, 0.1, -0.5]), torch.zeros(3), torch.ones(3)
    np.testing.assert_allclose(clipped._value_loss(value, before, target), (0.8**2 + 0.9**2 + 1.5**2) / 3, rtol=1e-6)
    np.testing.assert_allclose(free._value_loss(value, before, target), (0.1**2 + 0.9**2 + 1.5**2) / 3, rtol=1e-6)


@pytest.mark.slow
def test_bfloat16_computes_nearly_the_same():
    rough, fine = make(dataclasses.replace(CONFIG, precision="bfloat16")), make()
    observation = seen(rough.env.reset(), torch.device("cpu"))
    for ours, theirs in zip(rough._predict(observation), fine._predict(observation), strict=True):
        assert ours.dtype is torch.float32
        torch.testing.assert_close(ours, theirs, rtol=0.05, atol=0.02)
    assert rough.iterate().policy_entropy > 0


@pytest.mark.parametrize("change", [{"network": "transformer"}, {"precision": "float8"}, {"reward_normalization": 2.0}])
def test_settings_that_make_no_sense_are_refused(change):
    with pytest.raises(ValueError, match="agent."):
        dataclasses.replace(CONFIG, **change)


@pytest.mark.slow
def test_an_agent_that_sees_frames_goes_through_the_stages(tmp_path):
    config = dataclasses.replace(train_config(tmp_path, "env.horizon=60", iterations=1), agent=CONFIG, steps=2 * 4 * 8)
    checkpoint = load_checkpoint(train(config))
    plan = load("evaluate", ["run=none", "evaluation.episodes=2", "evaluation.slots=2", "evaluation.shifts=[0,3]",
                             "evaluation.attributed=[0]", "evaluation.probes=[0]"]).evaluation
    assert isinstance(checkpoint.network, Impala)
    assert evaluate(checkpoint, plan).is_file() and measure(checkpoint, ["attribution"], plan)[0].is_file()
    with pytest.raises(UserError, match="critic reads the semantic view"):
        measure(checkpoint, ["critic"], plan)


@pytest.mark.slow
def test_an_agent_is_shown_the_frames_it_was_trained_on(tmp_path, monkeypatch, capsys):
    """Trained where procgen's images are not, played where they are."""
    flat, default = FrameStyle(use_backgrounds=False, use_monochrome_assets=True), coinrun.default_style()
    config = dataclasses.replace(train_config(tmp_path, "env.horizon=60", iterations=1), agent=CONFIG, steps=2 * 4 * 8)
    for style, seed in ((flat, 1), (default, 2)):
        monkeypatch.setattr(coinrun, "default_style", lambda style=style: style)
        checkpoint = load_checkpoint(train(dataclasses.replace(config, seed=seed)))
        assert ("frames are flat colours on black" in capsys.readouterr().err) == (style == flat)
        monkeypatch.setattr(coinrun, "default_style", lambda: default)
        plan = load("evaluate", ["run=none", "evaluation.episodes=2", "evaluation.slots=2", "evaluation.shifts=[0]",
                                 "evaluation.probes=[0]"]).evaluation
        env = make_env(TASK, cells(checkpoint.task, checkpoint.training, plan, 0)[:1], plan, checkpoint)
        assert checkpoint.style == env.style == style
    assert load_checkpoint("shipped").style is None


def test_the_semantic_network_is_the_default():
    assert isinstance(load("train", []).agent.build(TASK, torch.Generator()), Semantic)


@pytest.mark.parametrize("change", [{"network": "impala"}, {"value_clip": True}, {"precision": "bfloat16"},
                                    {"compile": True}, {"reward_normalization": 0.9}])
def test_what_stable_baselines3_does_not_know_is_refused(change):
    known = dataclasses.asdict(load("train", ["agent=sb3_ppo"]).agent)
    with pytest.raises(ValueError, match=f"agent.{next(iter(change))} = .*agent=sb3_ppo trains with"):
        SB3PPOConfig(**{**known, **change})


# --- what an environment shows ----------------------------------------------------------------------------------------

def test_an_environment_that_shows_something_else_than_its_task_says_is_refused():
    window, state, appearance = (torch.zeros(2, 169, dtype=torch.uint8), torch.zeros(2, 7),
                                 torch.zeros(2, 86, dtype=torch.uint8))
    check_seen(Observation(window, state, appearance), TASK)
    for wrong, expected in ((Observation(window[:, :-1], state, appearance), "shows window as torch.uint8 .168,., where"),
                            (Observation(window, state.double(), appearance), "shows state as torch.float64"),
                            (Observation(window, state, appearance[:, :0]), "shows appearance as torch.uint8 .0,."),
                            (Observation(window + 9, state, appearance), "a cell of class 9, where its task has 9 classes"),
                            (Frames(torch.zeros(2, 3, 64, 64, dtype=torch.uint8)), "shows frames")):
        with pytest.raises(ValueError, match=expected):
            check_seen(wrong, TASK)
