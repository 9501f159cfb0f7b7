"""stable-baselines3 as a second trainer: our environments, its code, the same checkpoints."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import gmexp_envs
from gmexp.agents.checkpoint import load_checkpoint
from gmexp.agents.networks import Observation
from gmexp.cli.main import main
from gmexp.training import train

from ..tiny import AGENT, ITERATION, assert_equal_arrays, assert_equal_runs, train_config

pytest.importorskip("stable_baselines3")
from gmexp.agents.sb3 import SB3PPO, SB3VecEnv
from gmexp_envs.coinrun.task import TASK

SB3 = ("agent=sb3_ppo",)


def make(num_envs: int = 16, **options):
    return gmexp_envs.make_vec("coinrun", num_envs, mode="easy", seed=0, **options)


def trainer(callback=None) -> SB3PPO:
    config = train_config("out", *SB3)
    torch.set_num_threads(1)
    return SB3PPO(config.agent, TASK, make(action_repeat=2), 10 * ITERATION, 0, callback=callback)


# --- the adapter ------------------------------------------------------------------------------------------------------

def test_the_adapter_shows_what_the_environment_shows():
    theirs, ours = SB3VecEnv(make(horizon=60), "coinrun", reward_scale=0.5), make(horizon=60)
    rng = np.random.default_rng(0)
    seen, expected = theirs.reset(), ours.reset()
    episodes = 0
    for _ in range(200):
        for name, part in zip(("window", "state", "appearance"), expected, strict=True):
            np.testing.assert_array_equal(seen[name], part.reshape(16, -1))
        before = {name: part.copy() for name, part in seen.items()}
        kept = seen
        actions = rng.integers(15, size=16)
        seen, reward, done, infos = theirs.step(actions)
        step = ours.step(actions)
        expected = step.observation
        assert_equal_arrays(kept, before)  # SB3 keeps the observation before
        np.testing.assert_array_equal(reward, 0.5 * step.reward)
        np.testing.assert_array_equal(done, step.terminated | step.truncated)
        for e in np.flatnonzero(done):
            episodes += 1
            assert infos[e]["episode"]["l"] == ours.log.length[e]
            assert ("terminal_observation" in infos[e]) == bool(step.truncated[e])
    assert episodes > 20


def test_the_last_observation_of_a_cut_off_episode_is_its_own():
    env, native = SB3VecEnv(make(4, horizon=20), TASK), make(4, horizon=20)
    env.reset()
    last = native.reset()
    for _ in range(20):
        _, _, done, infos = env.step(np.full(4, 7))
        last = native.step(np.full(4, 7, np.int32), autoreset=False).observation if not done.any() else last
    assert done.all()
    final = native.step(np.full(4, 7, np.int32), autoreset=False).observation
    for e in range(4):
        np.testing.assert_array_equal(infos[e]["terminal_observation"]["window"], final.window[e].ravel())


def test_pixels_too():
    env = SB3VecEnv(make(2, observation="pixels"), TASK)
    assert env.observation_space.shape == (64, 64, 3) and env.reset().shape == (2, 64, 64, 3)


# --- the trainer ------------------------------------------------------------------------------------------------------

def test_the_extracted_network_is_the_policy_that_sb3_trains():
    agent = trainer()
    agent.iterate()
    observation = agent.model._last_obs
    parts = (torch.from_numpy(observation[name]) for name in Observation._fields)
    logits, value = agent.network(Observation(*parts))
    theirs = agent.model.policy.get_distribution({k: torch.from_numpy(v) for k, v in observation.items()})
    torch.testing.assert_close(torch.log_softmax(logits, 1), theirs.distribution.logits)
    torch.testing.assert_close(value, agent.model.policy.predict_values(
        {k: torch.from_numpy(v) for k, v in observation.items()}).squeeze(1))


def test_both_trainers_start_from_the_same_weights():
    from gmexp.agents.ppo import PPO
    config = train_config("out")
    ours = PPO(config.agent, TASK, make(action_repeat=2), 10 * ITERATION, 0).network.state_dict()
    assert_equal_arrays({k: v.numpy() for k, v in ours.items()},
                        {k: v.numpy() for k, v in trainer().network.state_dict().items()})


@pytest.mark.slow
def test_a_restored_run_goes_on_bit_for_bit_whatever_else_draws_random_numbers():
    whole, first = trainer(), trainer()
    for _ in range(2):
        whole.iterate(), first.iterate()
    saved = {k: v.copy() for k, v in first.state().items()}
    torch.rand(7), np.random.rand(7)
    second = trainer()
    second.restore(saved)
    assert second.iterate() == whole.iterate() and second.iterate() == whole.iterate()
    assert_equal_arrays(second.state(), whole.state())


def test_global_random_numbers_are_left_alone():
    torch.manual_seed(0), np.random.seed(0)
    expected = torch.rand(1).item(), np.random.rand()
    torch.manual_seed(0), np.random.seed(0)
    agent = trainer()
    agent.iterate()
    assert (torch.rand(1).item(), np.random.rand()) == expected


def test_sb3s_own_callbacks_are_called():
    from stable_baselines3.common.callbacks import BaseCallback

    class Count(BaseCallback):
        rollouts = 0

        def _on_step(self) -> bool:
            return True

        def _on_rollout_end(self) -> None:
            self.rollouts += 1

    count = Count()
    agent = trainer(count)
    agent.iterate(), agent.iterate()
    assert count.rollouts == 2


# --- the stages -------------------------------------------------------------------------------------------------------

@pytest.mark.slow
def test_its_checkpoints_go_through_the_same_stages(tmp_path, capsys):
    folder = train.train(train_config(tmp_path, *SB3))
    checkpoint = load_checkpoint(folder)
    assert checkpoint.meta.algo == "sb3_ppo" and "sb3_ppo" in folder.name
    few = ("evaluation.episodes=4", "evaluation.slots=4", "evaluation.shifts=[0]", "evaluation.probes=[]")
    assert main(["evaluate", f"run={folder}", *few]) == 0
    assert (folder / "episodes.parquet").is_file()


@pytest.mark.slow
def test_the_backend_changes_nothing_that_is_learnt(tmp_path):
    pytest.importorskip("procgen")
    runs = [train.train(train_config(tmp_path / backend, f"backend={backend}", "env.horizon=1000", iterations=2))
            for backend in ("native", "procgen")]
    assert runs[0].name == runs[1].name
    assert_equal_runs(*runs)


def test_a_backend_that_does_not_exist_is_refused(capsys):
    assert main(["train", *AGENT, "backend=procgenn"]) == 2
    assert "choose one of native, procgen" in capsys.readouterr().err
