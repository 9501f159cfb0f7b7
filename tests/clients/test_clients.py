"""Other people's libraries train on our environments for a moment: `make clients` installs and runs them."""

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers import vector as wrappers

import gmexp_envs

ID = "gmexp/CoinRun-v0"
FLAT = gmexp_envs.FrameStyle(use_backgrounds=False, use_monochrome_assets=True)
SHORT = {"mode": "easy", "horizon": 60, "style": FLAT}


def flat(**options) -> gymnasium.Env:
    return gymnasium.wrappers.FlattenObservation(gymnasium.make(ID, **SHORT | options))


@pytest.mark.slow
def test_stable_baselines3():
    """PPO over its own vectors, with the multi-input policy and with frames, and its environment checker."""
    sb3 = pytest.importorskip("stable_baselines3")
    from stable_baselines3.common.env_checker import check_env
    from stable_baselines3.common.vec_env import DummyVecEnv

    check_env(flat())
    for policy, options in (("MultiInputPolicy", {}), ("CnnPolicy", {"observation": "pixels"})):
        env = DummyVecEnv([lambda options=options: gymnasium.make(ID, **SHORT | options) for _ in range(2)])
        model = sb3.PPO(policy, env, n_steps=32, batch_size=16, n_epochs=1, seed=0, device="cpu")
        assert model.learn(128).num_timesteps >= 128


@pytest.mark.slow
@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
def test_cleanrl(mode):
    """The loop of CleanRL's scripts: gymnasium's statistics around a vector, a torch agent, final infos."""
    torch = pytest.importorskip("torch")
    envs = gymnasium.make_vec(ID, 4, "vector_entry_point", autoreset_mode=mode, **SHORT)
    envs = wrappers.RecordEpisodeStatistics(envs)
    size = sum(int(np.prod(space.shape)) for space in envs.single_observation_space.values())
    agent = torch.nn.Linear(size, envs.single_action_space.n)
    optimizer, returns = torch.optim.Adam(agent.parameters(), 1e-3), []
    observation, _ = envs.reset(seed=1)
    for _ in range(200):
        parts = [torch.as_tensor(part, dtype=torch.float32).flatten(1) for part in observation.values()]
        logits = agent(torch.cat(parts, 1))
        actions = torch.distributions.Categorical(logits=logits).sample()
        observation, reward, terminated, truncated, infos = envs.step(actions.numpy())
        optimizer.zero_grad()
        (-torch.distributions.Categorical(logits=logits).log_prob(actions) * torch.as_tensor(reward)).mean().backward()
        optimizer.step()
        if "episode" in infos:
            returns += infos["episode"]["l"][terminated | truncated].tolist()
    assert returns and max(returns) <= 60


def test_torchrl():
    pytest.importorskip("torchrl")
    from torchrl.envs.libs.gym import GymWrapper

    rollout = GymWrapper(gymnasium.make(ID, **SHORT)).rollout(20)
    assert rollout["next", "reward"].shape[0] <= 20


def test_supersuit():
    supersuit = pytest.importorskip("supersuit")
    env = supersuit.frame_stack_v1(gymnasium.make(ID, observation="pixels", **SHORT), 2)
    observation, _ = env.reset(seed=0)
    assert observation.shape[:2] == (64, 64) and env.step(7)[0].shape == observation.shape


def test_tianshou():
    tianshou = pytest.importorskip("tianshou")
    env = tianshou.env.DummyVectorEnv([flat for _ in range(3)])
    observation, _ = env.reset(seed=0)
    for _ in range(70):
        observation, reward, terminated, truncated, info = env.step(np.full(3, 7))
        if (done := np.flatnonzero(terminated | truncated)).size:
            env.reset(done)
    assert len(observation) == 3
