"""Networks of mitigations: several that decide together, one that is steered, the embedding of deep SVDD. Needs torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from gmexp.agents.adam import Adam

EMBEDDING, WIDTH = 16, 32  # of deep SVDD
EPOCHS, BATCH, RATE, DECAY = 20, 1024, 1e-3, 1e-4
MOST = 50_000  # steps that it is trained on


class Combined(nn.Module):
    """Networks that decide together; called as one of them is."""

    def __init__(self, networks: Sequence[nn.Module], combine: str) -> None:
        super().__init__()
        self.members, self._combine = nn.ModuleList(networks), combine

    def forward(self, observation: Any, rows: Tensor) -> tuple[Tensor, Tensor]:
        """(logits [rows, actions], values [rows])."""
        given = [member(observation, rows) for member in self.members]
        logits, values = (torch.stack([pair[k].float() for pair in given]) for k in (0, 1))
        if self._combine == "mixture":
            member = torch.as_tensor(rows) % len(given)
            each = torch.arange(logits.shape[1], device=logits.device)
            return logits[member, each], values[member, each]
        chances = torch.softmax(logits, 2)
        mean = chances.mean(0)
        if self._combine == "majority":
            votes = nn.functional.one_hot(chances.argmax(2), chances.shape[2]).sum(0).to(mean.dtype)
            best = (votes + mean).argmax(1)  # the mean is below 1, so that it decides between equals alone
            mean = nn.functional.one_hot(best, mean.shape[1]).to(mean.dtype)
        return torch.log(mean.clamp_min(1e-12)), values.mean(0)


class Steered(nn.Module):
    """A network whose hidden layer is moved; called as it is."""

    def __init__(self, network: nn.Module, shift: Tensor) -> None:
        super().__init__()
        self.inner, self.shift = network, nn.Parameter(shift, requires_grad=False)

    def forward(self, observation: Any, rows: Tensor) -> tuple[Tensor, Tensor]:
        """(logits [rows, actions], values [rows])."""
        features = self.inner.features(observation, rows) + self.shift
        return self.inner.policy(features), self.inner.value(features).squeeze(1)


def fit_svdd(features: Tensor, seed: int) -> tuple[nn.Module, Tensor, Tensor]:
    """One-class deep SVDD on features [steps, width] -> (embedding without biases, centre, what features are divided by)."""
    generator = torch.Generator().manual_seed(seed)
    chosen = features[torch.randperm(len(features), generator=generator)[:MOST]].cpu()
    scale = chosen.square().mean().sqrt().clamp_min(1e-6)
    embed = nn.Sequential(nn.Linear(chosen.shape[1], WIDTH, bias=False), nn.LeakyReLU(0.1),
                          nn.Linear(WIDTH, EMBEDDING, bias=False))
    with torch.no_grad():
        for layer in (embed[0], embed[2]):
            nn.init.orthogonal_(layer.weight, generator=generator)
        centre = embed(chosen / scale).mean(0)
        centre = torch.where(centre.abs() < 0.1, 0.1 * torch.where(centre < 0, -1.0, 1.0), centre)
    optimizer = Adam(embed.parameters(), RATE, weight_decay=DECAY, fused=False)
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(chosen), generator=generator).split(BATCH):
            loss = (embed(chosen[rows] / scale) - centre).square().sum(1).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    device = features.device
    return embed.to(device).requires_grad_(False), centre.to(device), scale.to(device)
