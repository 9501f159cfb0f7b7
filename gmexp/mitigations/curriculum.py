"""A training run over chosen levels: new ones are scored, those worth it are trained on. The trainer is the usual one.

A batch is one level for every instance, played over `hold` rollouts. A batch of new levels only scores them; a batch of
replayed levels is trained on, rollout by rollout, and scored again. With editing (ACCEL), a replayed batch is then edited
and the edited levels are scored. All luck follows from the seed and the number of the batch: the state is small.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from gmexp.agents.trainer import Progress
from gmexp.mitigations.buffer import LevelBuffer, Levels, drawn
from gmexp.mitigations.chosen_levels import ChosenLevels
from gmexp.mitigations.regret import Returns, scripted_returns
from gmexp.support.errors import UserError
from gmexp_envs.chosen import BY_SEED

Edit = Callable[[Levels, np.random.Generator], tuple[np.ndarray, np.ndarray]]  # -> level seeds [n] and places [n, 2]


class Curriculum:
    """A run of a trainer that can `collect`, `learn` and `begin` (agent=ppo), on levels of its own choice.

    Arguments:
        trainer: its environment is `env`.
        options: of robust PLR (`robust_plr.RobustPLRConfig`).
        edit: what makes new levels of replayed ones; None: nothing does.
    """

    def __init__(self, trainer: Any, env: ChosenLevels, options: Any, edit: Edit | None = None) -> None:
        for needed in ("collect", "learn", "begin", "config"):
            if not hasattr(trainer, needed):
                raise UserError(f"mitigation={options.name} chooses the levels of agent=ppo, which this trainer is not")
        self._trainer, self._env, self._options, self._edit = trainer, env, options, edit
        self._buffer = LevelBuffer(options.buffer, options.temperature, options.staleness)
        self._returns = Returns(env.num_envs, trainer.config.gamma)
        self._total = trainer.total_steps
        if options.budget == "environment":  # the learning rate falls over the steps that are trained on
            trainer.total_steps = max(round(self._total * options.trained), 1)
        self._spare: Any = None  # where the scripted policy plays
        self.batch = 0  # batches that were begun
        self.explored = 0  # game steps that were only scored
        self._left = 0  # rollouts that the present batch of replayed levels still has
        self._rows = np.zeros(0, np.int64)  # its rows of the buffer
        self._learned = np.zeros((2, env.num_envs))  # sums over its steps of positive and of absolute advantages

    @property
    def network(self) -> Any:
        return self._trainer.network

    @property
    def steps(self) -> int:
        """Game steps that count: those trained on, or with `budget` environment all."""
        return self._trainer.steps + (self.explored if self._options.budget == "environment" else 0)

    @property
    def finished(self) -> bool:
        return self.steps >= self._total

    def iterate(self) -> Progress:
        """Score new levels as often as the lot says so, then train on one rollout of replayed ones."""
        while self._left == 0:
            rng = self._rng()
            enough = self._options.score == "uniform" or len(self._buffer) >= self._env.num_envs
            if enough and rng.random() < self._options.replay:
                self._begin_replay(rng)
            else:
                self._explore(*self._new(rng))
        progress = self._step(self._trainer.learn)
        self._left -= 1
        if self._left == 0:
            self._end_replay()
        return progress

    def _rng(self) -> np.random.Generator:
        """The luck of the next batch."""
        self.batch += 1
        return np.random.default_rng([self._env.seed, self.batch])

    def _new(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Levels as training draws them."""
        count = self._env.num_envs
        return drawn(self._env.distributions[0].levels, rng, count), np.full((count, 2), BY_SEED, np.int64)

    def _begin(self, seeds: np.ndarray, places: np.ndarray) -> None:
        self._trainer.begin(self._env.choose(seeds, places))
        self._returns = Returns(self._env.num_envs, self._trainer.config.gamma)
        self._learned[:] = 0

    def _begin_replay(self, rng: np.random.Generator) -> None:
        self._left = self._options.hold
        if self._options.score == "uniform":
            self._begin(*self._new(rng))
            return
        self._rows = self._buffer.draw(self._env.num_envs, self.batch, rng)
        chosen = self._buffer.levels.take(self._rows)
        self._begin(chosen.seed, chosen.place)

    def _step(self, after: Callable[[], Any]) -> Any:
        """One rollout, which counts towards the scores, and what follows it."""
        from gmexp.agents.ppo import advantages

        rollout, c = self._trainer.collect(), self._trainer.config
        self._returns.add(rollout.reward.numpy(force=True), rollout.done.numpy(force=True))
        gained = advantages(rollout.reward * c.reward_scale, rollout.value, rollout.done, c.gamma, c.gae_lambda)
        steps = len(gained) * self._options.hold
        self._learned += np.stack([part.sum(0).numpy(force=True) / steps for part in (gained.clamp_min(0), gained.abs())])
        return after()

    def _explore(self, seeds: np.ndarray, places: np.ndarray) -> None:
        """Score levels without training on them, and keep those worth it."""
        self._begin(seeds, places)
        for _ in range(self._options.hold):
            self._step(lambda: None)
        self.explored += self._options.hold * self._trainer.config.rollout * self._env.num_envs * self._env.action_repeat
        if self._options.score == "uniform":
            return
        seeds, places = self._env.seeds.copy(), self._env.places.copy()
        oracle = self._oracle(seeds, places)
        best, aligned = self._returns.best, self._aligned()
        self._buffer.add(Levels(seeds, places, aligned, self._score(oracle, best), best.copy(), oracle,
                                np.full(len(seeds), self.batch)))

    def _aligned(self) -> np.ndarray:
        """Whether each instance's level has its goal at the proxy; all play a level of their own by now."""
        return np.asarray(self._env.present.placement) == 1

    def _oracle(self, seeds: np.ndarray, places: np.ndarray) -> np.ndarray:
        if self._options.score != "oracle_latest":
            return np.full(len(seeds), np.nan)
        if self._spare is None:
            self._spare = self._env.spare()
        return scripted_returns(self._trainer.task, self._spare, seeds, places, self._trainer.config.gamma,
                                self._options.patience)

    def _score(self, oracle: np.ndarray, best: np.ndarray) -> np.ndarray:
        """The scores of the batch that was played, float [N]; `best` are the highest returns ever."""
        name, latest = self._options.score, self._returns.latest
        if name == "oracle_latest":
            return oracle - latest
        if name == "max_latest":
            return best - latest
        return self._learned[0 if name == "value_loss" else 1].copy()

    def _end_replay(self) -> None:
        if self._options.score == "uniform":
            return
        known = self._buffer.levels.take(self._rows)
        best = np.maximum(known.best, self._returns.best)
        self._buffer.update(self._rows, self._score(known.oracle, best), best)
        if self._edit is not None:
            self._explore(*self._edit(known, self._rng()))

    # --- resuming -----------------------------------------------------------------------------------------------------

    def state(self) -> dict[str, np.ndarray]:
        """Everything needed to go on exactly from here."""
        own = {"batch": np.array(self.batch), "explored": np.array(self.explored), "left": np.array(self._left),
               "rows": self._rows.copy(), "learned": self._learned.copy()}
        own |= {f"buffer.{name}": array for name, array in self._buffer.state().items()}
        own |= {f"returns.{name}": array for name, array in self._returns.state().items()}
        return self._trainer.state() | {f"curriculum.{name}": array for name, array in own.items()}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Take over what `state` returned, in a run built with the same arguments; ValueError where it does not fit."""
        if "curriculum.batch" not in state:
            raise ValueError("it holds no curriculum: the run was begun without this mitigation")
        own = {name.removeprefix("curriculum."): array for name, array in state.items() if name.startswith("curriculum.")}
        self._trainer.restore({name: array for name, array in state.items() if not name.startswith("curriculum.")})
        self.batch, self.explored, self._left = (int(own[name]) for name in ("batch", "explored", "left"))
        self._rows, self._learned = own["rows"].copy(), own["learned"].copy()
        self._buffer.restore({name.removeprefix("buffer."): array for name, array in own.items() if "buffer." in name})
        self._returns.restore({name.removeprefix("returns."): array for name, array in own.items() if "returns." in name})
