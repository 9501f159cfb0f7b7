"""PPO's gradient by the weights of a semantic network, written out: what autograd computes, in a few passes on the CPU.

The network has a first layer of its own (`first_layer`), one hidden layer and two heads on it, so its derivative is a page.
Policy and value are one product, the loss is one pass over the samples that writes its derivative by their outputs, and
no graph is kept. Only the last digits differ from autograd's, which `PPO` falls back on for every other network.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from gmexp.agents.config import PPOConfig
from gmexp.agents.first_layer import CellLayer
from gmexp.agents.first_layer_kernels import Changes, backward, forward
from gmexp.agents.networks import Frames, Observation, Semantic, SemanticWays
from gmexp_envs.compiled.jit import jit

ADVANTAGE_FLOOR = 0.02  # added to the spread that advantages are divided by: without rewards they are noise, and stay small

f32 = np.float32


class Samples(NamedTuple):
    """What a rollout met, every step a sample, as the updates read it."""

    observation: Observation | Frames
    action: Int[Tensor, " samples"]
    logp: Float[Tensor, " samples"]  # of the action, before the updates; and so is the value
    advantage: Float[Tensor, " samples"]
    value: Float[Tensor, " samples"]
    target: Float[Tensor, " samples"]  # of the value
    changes: Changes | None = None  # of the observations (`FusedGradient.noted`); None where autograd looks at them


@jit
def loss(output, rows, action, logp, advantage, value, target, clip, value_clip, value_coefficient, entropy_coefficient,
         gradient):
    """PPO's loss on the samples `rows` -> (mean entropy, value loss); its derivative by `output` goes to `gradient`.

    Arguments:
        output: float32 [batch, actions + 1], the logits and the value of each sample. gradient: the same shape, written.
        rows: int64 [batch], which samples. action, logp, advantage, value, target: as in `Samples`.
        clip: how far a ratio of probabilities counts. value_clip: how far the value may move; infinite for no limit.
        value_coefficient, entropy_coefficient: weights of the parts of the loss. All four are float32.
    """
    batch, actions = output.shape[0], output.shape[1] - 1
    mean = 0.0
    for b in range(batch):
        mean += advantage[rows[b]]
    mean /= batch
    squares = 0.0
    for b in range(batch):
        squares += (advantage[rows[b]] - mean) ** 2
    centre, scale = f32(mean), f32(1 / (math.sqrt(squares / (batch - 1)) + ADVANTAGE_FLOOR))
    entropies, errors = 0.0, 0.0
    one, share, low, high = f32(1), f32(1 / batch), f32(1) - clip, f32(1) + clip
    for b in range(batch):
        r, out, by = rows[b], output[b], gradient[b]
        top = out[0]
        for a in range(1, actions):
            top = max(top, out[a])
        total = f32(0)
        for a in range(actions):
            by[a] = math.exp(out[a] - top)
            total += by[a]
        log_total = f32(math.log(total)) + top
        entropy = f32(0)
        for a in range(actions):
            by[a] /= total
            entropy -= by[a] * (out[a] - log_total)
        chosen = action[r]
        ratio = f32(math.exp(out[chosen] - log_total - logp[r]))
        gain = (advantage[r] - centre) * scale
        within = low <= ratio <= high
        by_logp = f32(0)
        if within or ratio * gain < min(max(ratio, low), high) * gain:
            by_logp = -gain * ratio * share
        for a in range(actions):
            p = by[a]
            by[a] = entropy_coefficient * share * p * (out[a] - log_total + entropy) - by_logp * p
        by[chosen] += by_logp
        moved = min(max(out[actions] - value[r], -value_clip), value_clip)
        error, clipped = out[actions] - target[r], value[r] + moved - target[r]
        through = one  # the derivative of the larger of two squares; of equal ones it is the mean of both
        if moved != out[actions] - value[r]:
            through = one if abs(error) > abs(clipped) else f32(0.5) if abs(error) == abs(clipped) else f32(0)
        by[actions] = through * f32(2) * value_coefficient * share * error
        errors += max(error * error, clipped * clipped) if value_clip < np.inf else error * error
        entropies += entropy
    return entropies / batch, errors / batch


@jit
def rectify(inputs):
    """inputs = relu(inputs), in place."""
    for i in range(inputs.shape[0]):
        for j in range(inputs.shape[1]):
            inputs[i, j] = inputs[i, j] if inputs[i, j] > 0 else f32(0)


@jit
def unrectify(gradient, out):
    """The gradient by relu's output `out` becomes that by its input, in place."""
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            gradient[i, j] = gradient[i, j] if out[i, j] > 0 else f32(0)


def fusible(network: torch.nn.Module) -> bool:
    """Whether a network is one whose derivative is written out here, where it is and as it computes."""
    return (type(network) in (Semantic, SemanticWays) and type(network.cells) is CellLayer
            and all(weight.device.type == "cpu" and weight.dtype is torch.float32 for weight in network.parameters()))


class FusedGradient:
    """The gradient of PPO's objective on minibatches of `batch` samples. `network` must be `fusible`."""

    def __init__(self, network: Semantic, config: PPOConfig, batch: int) -> None:
        self.network = network
        width, hidden, outputs = network.cells.weight.shape[1], network.hidden.out_features, network.policy.out_features + 1
        self._coefficients = tuple(f32(number) for number in (
            config.clip, config.clip if config.value_clip else math.inf, config.value_coefficient, config.entropy))
        self._first, self._by_first = torch.empty(batch, width), torch.empty(batch, width)
        self._features, self._by_features = torch.empty(batch, hidden), torch.empty(batch, hidden)
        self._output, self._by_output = torch.empty(batch, outputs), torch.empty(batch, outputs)
        self._summed = torch.empty_like(network.cells.weight)
        self._heads, self._by_heads = torch.empty(outputs, hidden), torch.empty(outputs, hidden)
        self._head_biases, self._by_head_biases = torch.empty(outputs), torch.empty(outputs)
        self._heads_own = network.policy.weight, network.value.weight, network.policy.bias, network.value.bias
        parts = *self._by_heads.split(outputs - 1), *self._by_head_biases.split(outputs - 1)
        self._gradients = list(zip(self._heads_own, parts, strict=True))
        self._gradients += [(weight, torch.empty_like(weight)) for layer in (network.cells, network.hidden)
                            for weight in layer.parameters()]

    def noted(self, samples: Samples) -> Samples:
        """The samples with what the first layer adds up of them, which all minibatches and passes read."""
        window, _, appearance = samples.observation
        return samples._replace(changes=self.network.cells.changes(window, appearance))

    @torch.no_grad()
    def __call__(self, samples: Samples, rows: Int[Tensor, " batch"]) -> tuple[Tensor, Tensor]:
        """The loss's gradient on some of the `noted` samples goes to `.grad` of every weight, in place of what was there ->
        (entropy, value loss)."""
        network, cells, hidden = self.network, self.network.cells, self.network.hidden
        for weight, gradient in self._gradients:
            weight.grad = gradient
        policy, value, policy_bias, value_bias = self._heads_own
        torch.cat([policy, value], out=self._heads)
        torch.cat([policy_bias, value_bias], out=self._head_biases)
        window, state, _ = samples.observation
        seen = *samples.changes, state.numpy(), rows.numpy()
        first, features, output = self._first.numpy(), self._features.numpy(), self._output.numpy()
        forward(*seen, cells.column_sums(self._summed).numpy(), cells.motion.numpy(), cells.bias.numpy(), first)
        width = self._first.shape[1]
        torch.addmm(hidden.bias, self._first, hidden.weight[:, :width].t(), out=self._features)
        if isinstance(network, SemanticWays):
            with torch.enable_grad():
                ways = network.ways(window, rows)
            self._features.addmm_(ways.detach(), hidden.weight[:, width:].t())
        rectify(features)
        torch.addmm(self._head_biases, self._features, self._heads.t(), out=self._output)
        entropy, value_loss = loss(output, rows.numpy(), *(part.numpy() for part in samples[1:6]), *self._coefficients,
                                   self._by_output.numpy())
        torch.mm(self._by_output.t(), self._features, out=self._by_heads)
        torch.sum(self._by_output, 0, out=self._by_head_biases)
        torch.mm(self._by_output, self._heads, out=self._by_features)
        unrectify(self._by_features.numpy(), features)
        torch.mm(self._by_features.t(), self._first, out=hidden.weight.grad[:, :width])
        torch.sum(self._by_features, 0, out=hidden.bias.grad)
        torch.mm(self._by_features, hidden.weight[:, :width], out=self._by_first)
        by_cells = [weight.grad.zero_().numpy() for weight in (cells.weight, cells.motion, cells.bias)]
        backward(*seen, cells.span, cells.tiles, first, self._by_first.numpy(), *by_cells)
        if isinstance(network, SemanticWays):
            torch.mm(self._by_features.t(), ways, out=hidden.weight.grad[:, width:])
            network.ways.zero_grad()
            ways.backward(self._by_features @ hidden.weight[:, width:])
        return torch.tensor(entropy), torch.tensor(value_loss)
