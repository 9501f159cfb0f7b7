"""Any policy as an actor: a callable, a torch module, a stable-baselines3 model, or something that acts already."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gmexp.support.errors import UserError
from gmexp_envs.task import Actor, Task
from gmexp_envs.vec import SemanticObservation, VecEnv


def as_actor(policy: Any, task: Task, env: VecEnv, actions: Sequence[int] | None = None, seed: int = 0,
             greedy: bool = False) -> Actor:
    """Something that acts in `env`.

    Arguments:
        policy: one of
            an actor: `act(observation, rows)` gives actions of the instances `rows`;
            a stable-baselines3 model: `predict(observation, deterministic=...)`, shown what its observation space holds;
            a torch module: called with the observation as tensors, it gives logits [N, choices], or a tuple of which they
            are the first;
            "intended" or "proxy": the task's scripted policy for that goal;
            a callable: `policy(observation)` gives an action per instance, int [N].
        actions: the environment's actions that the policy chooses from; None for all of them, or for a torch module or
            model with as many choices, the one of the task's action sets that has so many.
        seed: of sampled actions.
        greedy: the most probable action instead of a sample.

    UserError where it is none of these.
    """
    if isinstance(policy, str):
        if policy not in ("intended", "proxy"):
            raise UserError(f"there is no scripted policy {policy!r}: choose 'intended' or 'proxy'")
        return task.scripted(policy, env)
    if callable(getattr(policy, "act", None)):
        return policy
    choices = _choices(task, actions)
    if callable(getattr(policy, "predict", None)) and hasattr(policy, "observation_space"):
        return _Model(policy, choices, seed, greedy)
    if _is_module(policy):
        return _Module(policy, choices, seed, greedy)
    if callable(policy):
        return _Function(policy, choices(None))
    raise UserError(f"a {type(policy).__name__} is no policy: give a callable, a torch module, a stable-baselines3 model or "
                    "something with act(observation, rows)")


Choices = Callable[[int | None], np.ndarray]  # number of choices (None: unknown) -> the environment's actions


def _choices(task: Task, actions: Sequence[int] | None) -> Choices:
    def table(number: int | None) -> np.ndarray:
        every = np.arange(task.num_actions, dtype=np.int32)
        if actions is not None:
            chosen = np.array(actions, np.int32)
        elif number in (None, task.num_actions):
            chosen = every
        else:
            chosen = next((np.array(each, np.int32) for each in task.action_sets.values() if len(each) == number), every)
        if number is not None and len(chosen) != number:
            raise UserError(f"the policy has {number} choices and {task.name} {task.num_actions} actions: say by "
                            "actions=[...] which they are")
        return chosen

    return table


def _is_module(policy: Any) -> bool:
    import sys

    torch = sys.modules.get("torch")  # who has a module has imported it
    return torch is not None and isinstance(policy, torch.nn.Module)


class _Function:
    """A callable: observation of all instances -> a choice for each."""

    def __init__(self, function: Callable[[Any], Any], actions: np.ndarray) -> None:
        self._function, self._actions = function, actions

    def act(self, observation: Any, rows: np.ndarray) -> np.ndarray:
        chosen = np.asarray(self._function(observation))
        if chosen.ndim != 1 or len(chosen) <= rows.max() or chosen.dtype.kind not in "iu":
            raise UserError(f"the policy gave {chosen.dtype} {list(chosen.shape)}, and should give an action, a whole "
                            "number, for each instance")
        if chosen.min() < 0 or chosen.max() >= len(self._actions):
            raise UserError(f"the policy gave actions {chosen.min()}..{chosen.max()}: they should be within "
                            f"0..{len(self._actions) - 1}")
        return self._actions[chosen[rows]]


class _Module:
    """A torch module that gives logits."""

    def __init__(self, module: Any, choices: Choices, seed: int, greedy: bool) -> None:
        import torch

        self._module, self._choices, self._greedy = module.eval(), choices, greedy
        parameters = list(module.parameters())
        self._device = parameters[0].device if parameters else torch.device("cpu")
        self._generator = torch.Generator(self._device).manual_seed(seed)

    def act(self, observation: Any, rows: np.ndarray) -> np.ndarray:
        import torch

        with torch.no_grad():
            given = self._module(_tensors(observation, self._device))
        logits = given[0] if isinstance(given, tuple) else given
        if logits.ndim != 2:
            raise UserError(f"the module gave {list(logits.shape)}, and should give logits [instances, choices]")
        if not self._greedy:
            noise = torch.rand(logits.shape, generator=self._generator, device=self._device)
            logits = logits - torch.log(-torch.log(noise.clamp(1e-20, 1 - 1e-7)))
        chosen = logits.argmax(1).numpy(force=True)
        return self._choices(logits.shape[1])[chosen[rows]]


def _tensors(observation: Any, device: Any) -> Any:
    import torch

    if isinstance(observation, SemanticObservation):
        return SemanticObservation(*(torch.as_tensor(part, device=device) for part in observation))
    return torch.as_tensor(observation, device=device)


class _Model:
    """A stable-baselines3 model. Its sampled actions draw from torch's global generator, which is put back each time."""

    def __init__(self, model: Any, choices: Choices, seed: int, greedy: bool) -> None:
        import torch

        self._model, self._greedy = model, greedy
        self._actions = choices(int(model.action_space.n))
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self._luck = torch.get_rng_state()

    def act(self, observation: Any, rows: np.ndarray) -> np.ndarray:
        import torch

        with torch.random.fork_rng():
            torch.set_rng_state(self._luck)
            shown = _as_space(observation, self._model.observation_space)
            chosen, _ = self._model.predict(shown, deterministic=self._greedy)
            self._luck = torch.get_rng_state()
        return self._actions[np.asarray(chosen)[rows]]


def _as_space(observation: Any, space: Any) -> Any:
    """An observation in the shapes of a Gymnasium space: a dict of its parts, or frames."""
    if isinstance(observation, SemanticObservation):
        if not hasattr(space, "spaces"):
            raise UserError(f"the model sees {space}, and the semantic observation is a dict of "
                            f"{', '.join(SemanticObservation._fields)}: give observation='pixels'")
        parts = observation._asdict()
        if missing := [name for name in space.spaces if name not in parts]:
            raise UserError(f"the model wants to see {missing[0]!r}: there are {', '.join(parts)}")
        return {name: parts[name].reshape(-1, *space[name].shape) for name in space.spaces}
    if space.shape == observation.shape[1:]:
        return observation
    return np.moveaxis(observation, -1, 1)  # channels first, as SB3 keeps images
