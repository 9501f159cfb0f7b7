"""Adam (Kingma & Ba 2015, algorithm 1) by torch's own kernels, without torch's class of that name: the class imports
torch's compiler, which takes every process that trains two seconds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import torch
from torch import Tensor
from torch.optim.adam import adam

MOMENTS = 0.9, 0.999  # decay of the gradient's two running moments
PREFIX = "optimizer."


class Adam:
    """Weights and the running moments of their gradients; `step` moves those that have a gradient.

    fused: one kernel for all weights, whose last digits differ from those of one operation after the other.
    """

    def __init__(self, weights: Iterable[Tensor], learning_rate: float, eps: float = 1e-8, weight_decay: float = 0.0,
                 fused: bool = True) -> None:
        self.weights = list(weights)
        self.learning_rate = learning_rate
        self._settings = {"eps": eps, "weight_decay": weight_decay, "fused": fused}
        self._moments: dict[int, dict[str, Tensor]] = {}  # by the weight's position, from its first gradient on

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for weight in self.weights:
            weight.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """One update by the gradients as they are."""
        moved = [(weight, self._moments_of(i)) for i, weight in enumerate(self.weights) if weight.grad is not None]
        adam([weight for weight, _ in moved], [weight.grad for weight, _ in moved],
             [moments["exp_avg"] for _, moments in moved], [moments["exp_avg_sq"] for _, moments in moved], [],
             [moments["step"] for _, moments in moved], amsgrad=False, maximize=False, lr=self.learning_rate,
             beta1=MOMENTS[0], beta2=MOMENTS[1], **self._settings)

    def state(self) -> dict[str, np.ndarray]:
        """The moments as named arrays."""
        return {f"{PREFIX}{index}.{name}": tensor.numpy(force=True)
                for index, moments in self._moments.items() for name, tensor in moments.items()}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Take over what `state` returned; other names are passed over. ValueError where it is of other weights."""
        self._moments = {}
        for key, array in state.items():
            if key.startswith(PREFIX):
                index, name = key.removeprefix(PREFIX).split(".")
                moments = self._moments_of(int(index)) if int(index) < len(self.weights) else {}
                if name not in moments or moments[name].shape != array.shape:
                    raise ValueError(f"{key} {array.shape} is not of these weights")
                moments[name].copy_(torch.from_numpy(array.copy()))

    def _moments_of(self, index: int) -> dict[str, Tensor]:
        weight = self.weights[index]
        if index not in self._moments:
            device = weight.device if self._settings["fused"] else "cpu"  # as torch's kernels want the count of steps
            self._moments[index] = {"step": torch.zeros((), device=device), "exp_avg": torch.zeros_like(weight),
                                    "exp_avg_sq": torch.zeros_like(weight)}
        return self._moments[index]
