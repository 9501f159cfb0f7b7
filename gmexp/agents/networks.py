"""What agents see, as tensors, and the networks that read it: features, then the policy's logits and a value."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from gmexp.agents.first_layer import CellLayer
from gmexp.agents.ways import Ways
from gmexp_envs.task import Semantics, Task
from gmexp_envs.vec import SemanticObservation

SIDE = 64  # pixels of a frame


class Observation(NamedTuple):
    """Tensors of a semantic observation, batch dimensions first."""

    window: Int[Tensor, "*batch cells"]  # uint8
    state: Float[Tensor, "*batch features"]
    appearance: Int[Tensor, "*batch looks"]  # uint8

    @staticmethod
    def of(observation: SemanticObservation, device: torch.device) -> Observation:
        """View the environment's arrays (copied only onto another device)."""
        window, state, appearance = (torch.as_tensor(part, device=device) for part in observation)
        return Observation(window.flatten(1), state, appearance)


class Frames(NamedTuple):
    """procgen's frames, batch dimensions first."""

    frames: Int[Tensor, "*batch height width colours"]  # uint8


def seen(observation: SemanticObservation | np.ndarray | Tensor, device: torch.device) -> Observation | Frames:
    """An environment's observation as a network takes it."""
    if isinstance(observation, SemanticObservation):
        return Observation.of(observation, device)
    return Frames(torch.as_tensor(observation, device=device))


class Semantic(nn.Module):
    """Two hidden layers on the semantic view, shared by policy and value."""

    def __init__(self, semantics: Semantics, width: int, hidden: int, num_actions: int, generator: torch.Generator) -> None:
        super().__init__()
        self.cells = CellLayer(semantics, width, generator)
        self.hidden = _linear(width, hidden, 2**0.5, generator)
        self.policy = _linear(hidden, num_actions, 0.01, generator)
        self.value = _linear(hidden, 1, 1.0, generator)

    def fixed(self) -> contextlib.AbstractContextManager[None]:
        """Within, the weights stay as they are, which saves work."""
        return self.cells.fixed()

    def features(self, observation: Observation, rows: Int[Tensor, " batch"] | None = None) -> Float[Tensor, "batch hidden"]:
        """What policy and value read, of all samples or of those that `rows` names."""
        first = self.cells(observation.window, observation.appearance, observation.state, rows)
        return torch.relu(self.hidden(first))

    def forward(self, observation: Observation, rows: Int[Tensor, " batch"] | None = None,
                ) -> tuple[Float[Tensor, "batch actions"], Float[Tensor, " batch"]]:
        features = self.features(observation, rows)
        return self.policy(features), self.value(features).squeeze(1)


class SemanticWays(Semantic):
    """The semantic network that also sees, beside its first layer, what lies each way (`ways.Ways`): for mazes."""

    def __init__(self, semantics: Semantics, width: int, hidden: int, num_actions: int, generator: torch.Generator) -> None:
        super().__init__(semantics, width, hidden, num_actions, generator)
        self.ways = Ways(semantics, generator)
        self.hidden = _linear(width + self.ways.size, hidden, 2**0.5, generator)

    def features(self, observation: Observation, rows: Int[Tensor, " batch"] | None = None) -> Float[Tensor, "batch hidden"]:
        first = self.cells(observation.window, observation.appearance, observation.state, rows)
        return torch.relu(self.hidden(torch.cat([first, self.ways(observation.window, rows)], 1)))


class Impala(nn.Module):
    """The residual network of Espeholt et al. (2018, figure 3, without the LSTM) that Langosco et al. train on frames.

    Three blocks of `width`, 2 `width` and 2 `width` channels halve the frame, then comes a layer of `hidden` units;
    16 and 256 in the papers. Convolutions begin as Glorot and Bengio's, the heads orthogonal.
    """

    def __init__(self, width: int, hidden: int, num_actions: int, generator: torch.Generator) -> None:
        super().__init__()
        channels = (3, width, 2 * width, 2 * width)
        self.blocks = nn.Sequential(*(_Block(*pair, generator) for pair in zip(channels, channels[1:], strict=False)))
        self.hidden = nn.Linear(channels[-1] * (SIDE // 8) ** 2, hidden)
        with torch.no_grad():
            nn.init.xavier_uniform_(self.hidden.weight, 1.0, generator)
            self.hidden.bias.zero_()
        self.policy = _linear(hidden, num_actions, 0.01, generator)
        self.value = _linear(hidden, 1, 1.0, generator)

    def fixed(self) -> contextlib.AbstractContextManager[None]:
        """As `Semantic.fixed`; there is nothing to save here."""
        return contextlib.nullcontext()

    def features(self, observation: Frames, rows: Int[Tensor, " batch"] | None = None) -> Float[Tensor, "batch hidden"]:
        """What policy and value read, of all samples or of those that `rows` names."""
        frames = observation.frames if rows is None else observation.frames[rows]
        blocks = self.blocks(frames.permute(0, 3, 1, 2).float() / 255)
        return torch.relu(self.hidden(torch.relu(blocks).flatten(1)))

    def forward(self, observation: Frames, rows: Int[Tensor, " batch"] | None = None,
                ) -> tuple[Float[Tensor, "batch actions"], Float[Tensor, " batch"]]:
        features = self.features(observation, rows)
        return self.policy(features), self.value(features).squeeze(1)


class _Block(nn.Module):
    """Convolution, max pooling by two, two residual units."""

    def __init__(self, inputs: int, channels: int, generator: torch.Generator) -> None:
        super().__init__()
        self.first = _convolution(inputs, channels, generator)
        self.units = nn.ModuleList(nn.ModuleList(_convolution(channels, channels, generator) for _ in range(2))
                                   for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        x = nn.functional.max_pool2d(self.first(x), 3, 2, 1)
        for first, second in self.units:
            x = x + second(torch.relu(first(torch.relu(x))))
        return x


Network = Semantic | Impala
SEMANTIC = {"semantic": Semantic, "ways": SemanticWays}


def build_network(name: str, task: Task, width: int, hidden: int, num_actions: int, generator: torch.Generator) -> Network:
    """The network of a name (`config.NETWORKS`) with fresh weights, for what a task shows."""
    if name in SEMANTIC:
        return SEMANTIC[name](task.semantics, width, hidden, num_actions, generator)
    return Impala(width, hidden, num_actions, generator)


def check_seen(observation: Observation | Frames, task: Task) -> None:
    """ValueError where what an environment shows is not what its task says: compiled code relies on it."""
    meant = task.semantics
    expected: tuple[tuple[int, ...], ...] = ((SIDE, SIDE, 3),)
    if isinstance(observation, Observation):
        expected = (meant.window[0] * meant.window[1],), (len(meant.state),), (meant.appearance,)
    for part, name, size in zip(observation, observation._fields, expected, strict=True):
        wanted = torch.float32 if name == "state" else torch.uint8
        if tuple(part.shape[1:]) != size or part.dtype != wanted:
            raise ValueError(f"the environment {task.name} shows {name} as {part.dtype} {tuple(part.shape[1:])}, where its "
                             f"task says {wanted} {size}")
    if isinstance(observation, Observation) and (most := int(observation.window.max())) >= len(meant.classes):
        raise ValueError(f"the environment {task.name} shows a cell of class {most}, where its task has "
                         f"{len(meant.classes)} classes")


def _convolution(inputs: int, channels: int, generator: torch.Generator) -> nn.Conv2d:
    layer = nn.Conv2d(inputs, channels, 3, padding=1)
    with torch.no_grad():
        nn.init.xavier_uniform_(layer.weight, 1.0, generator)
        layer.bias.zero_()
    return layer


def _linear(inputs: int, outputs: int, gain: float, generator: torch.Generator) -> nn.Linear:
    layer = nn.Linear(inputs, outputs)
    with torch.no_grad():
        nn.init.orthogonal_(layer.weight, gain, generator)
        layer.bias.zero_()
    return layer


def network_weights(arrays: Mapping[str, np.ndarray], network: nn.Module) -> dict[str, Tensor]:
    """The network's part of saved arrays; ValueError where they belong to another architecture."""
    saved = {k.removeprefix("network."): v for k, v in arrays.items() if k.startswith("network.")}
    expected = {k: tuple(v.shape) for k, v in network.state_dict().items()}
    found = {k: v.shape for k, v in saved.items()}
    if found != expected:
        differing = sorted(k for k in expected.keys() | found.keys() if expected.get(k) != found.get(k))
        raise ValueError(f"the weights are of another architecture: {differing[0]} is {found.get(differing[0])}, this "
                         f"network has {expected.get(differing[0])}")
    return {k: torch.from_numpy(v.copy()) for k, v in saved.items()}
