"""What lies each way: of all that can be reached by leaving the agent's cell up, down, left or right, what pulls most.

In a maze, what an agent wants may be many steps away, and which way leads there depends on every wall between. So each
channel learns how strongly a cell pulls, by the words of its class and its place in the window, and what a step costs. It
then says of each of the four ways how strongly the best cell pulls that can be reached over it without coming back. That is
the fixed point of value iteration for shortest ways, with rewards and costs that are learned (compare Tamar et al. 2016,
section 3, who iterate a convolution). Which cells are rewarding, nothing here says. As classes pull by their words, what
training never showed has something in common with what it did, as in an image: a yellow gem with a yellow line.

Which cell is best, and how far it is, is found without derivatives; how strongly it pulls is then written as a function of
the parameters, whose derivative that is (where two cells pull alike, one of the two). On the CPU Numba finds it, reading
the samples of a minibatch where they lie; elsewhere it is relaxation over all cells at once (`Ways.dense_search`).
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

from gmexp_envs.compiled.jit import jit
from gmexp_envs.task import Semantics

WAYS = 4  # up, down, left, right
CHANNELS = 8  # that each learn what pulls
STEP_COST = 0.1  # of a step at first; pulls are of about 1
PLACE = 0.5  # scale of the pull of a cell's place at first
CLOSED = -1  # steps where a way is a wall, or leads out of the window

f32 = np.float32


@jit
def agents_cell(window, is_agent):
    """The first cell that shows the agent; the middle of the window where none does."""
    for cell in range(window.shape[0]):
        if is_agent[window[cell]]:
            return cell
    return window.shape[0] // 2


@jit
def beside(cell, way, columns, cells):
    """The next cell that way, -1 where the window ends."""
    if way == 0:
        return cell - columns if cell >= columns else -1
    if way == 1:
        return cell + columns if cell + columns < cells else -1
    if way == 2:
        return cell - 1 if cell % columns > 0 else -1
    return cell + 1 if cell % columns < columns - 1 else -1


@jit(allocates=True)
def search(window, rows, columns, is_wall, is_agent, pull, place, cost, x, y, best, steps):
    """Of sample rows[b], for each way and channel: the cell that pulls most, and how many steps lead there.

    Arguments:
        window: uint8 [samples, cells] of classes. columns: cells across it. is_wall, is_agent: bool [classes].
        pull: float32 [classes, channels]. place: float32 [2, channels], by `x` and `y`, float32 [cells]. cost: [channels].
        best, steps: int32 [batch, WAYS, channels], written; `steps` is CLOSED where the way is.
    """
    cells, channels = window.shape[1], pull.shape[1]
    queue, far, most = np.empty(cells, np.int32), np.empty(cells, np.int32), np.empty(channels, np.float32)
    for b in range(rows.shape[0]):
        shown = window[rows[b]]
        start = agents_cell(shown, is_agent)
        for way in range(WAYS):
            for c in range(channels):
                best[b, way, c], steps[b, way, c], most[c] = start, CLOSED, f32(-np.inf)
            first = beside(start, way, columns, cells)
            if first < 0 or is_wall[shown[first]]:
                continue
            for cell in range(cells):
                far[cell] = 0
            queue[0], far[first], far[start] = first, 1, CLOSED
            taken, known = 0, 1
            while taken < known:
                cell = queue[taken]
                taken += 1
                row, distance = pull[shown[cell]], f32(far[cell])
                for c in range(channels):
                    strength = row[c] + x[cell] * place[0, c] + y[cell] * place[1, c] - distance * cost[c]
                    if strength > most[c]:
                        best[b, way, c], steps[b, way, c], most[c] = cell, far[cell], strength
                for other in range(WAYS):
                    following = beside(cell, other, columns, cells)
                    if following >= 0 and far[following] == 0 and not is_wall[shown[following]]:
                        queue[known], far[following] = following, far[cell] + 1
                        known += 1


class Ways(nn.Module):
    """How strongly the best cell pulls, each way, for every channel; and which ways are open.

    forward: window uint8 [samples, cells] and, for a part of the samples, their int64 numbers `rows` [batch] -> float32
    [batch, size]: WAYS x channels, 0 where a way is closed, then 1 for every way that is open. `semantics` says which
    classes show the agent and which are walls.
    """

    x: Tensor
    y: Tensor
    spelling: Tensor
    is_wall: Tensor
    is_agent: Tensor

    def __init__(self, semantics: Semantics, generator: torch.Generator, channels: int = CHANNELS) -> None:
        super().__init__()
        down, self.columns = semantics.window
        self.size = WAYS * (channels + 1)
        words = dict.fromkeys(word for name in semantics.classes for word in name.split())
        self.pull = nn.Parameter(torch.randn(len(words), channels, generator=generator))  # of words
        self.place = nn.Parameter(PLACE * torch.randn(2, channels, generator=generator))
        self.log_cost = nn.Parameter(torch.full((channels,), math.log(STEP_COST)))
        fixed = {"x": torch.linspace(-1, 1, self.columns).repeat(down),
                 "y": torch.linspace(1, -1, down).repeat_interleave(self.columns)}
        spelling = torch.tensor([[float(word in name.split()) for word in words] for name in semantics.classes])
        fixed["spelling"] = spelling / spelling.sum(1, keepdim=True).clamp_min(1).sqrt()
        fixed |= {f"is_{what}": torch.tensor([name in names for name in semantics.classes])
                  for what, names in (("wall", semantics.walls), ("agent", semantics.agent))}
        for name, tensor in fixed.items():  # made anew, not saved
            self.register_buffer(name, tensor, persistent=False)

    @property
    def class_pull(self) -> Tensor:
        """How strongly a cell pulls by its class: float32 [classes, channels]."""
        return self.spelling @ self.pull

    def forward(self, window: Tensor, rows: Tensor | None = None) -> Tensor:
        with torch.no_grad():
            best, steps = (self._search if window.device.type == "cpu" else self.dense_search)(window, rows)
        shown = (window if rows is None else window[rows]).gather(1, best.flatten(1)).view_as(best).long()
        channels = torch.arange(self.pull.shape[1], device=window.device)
        pulls = (self.class_pull.flatten()[shown * len(channels) + channels] + self.x[best] * self.place[0]
                 + self.y[best] * self.place[1] - steps * self.log_cost.exp())
        is_open = (steps != CLOSED).float()
        return torch.cat([(pulls * is_open).flatten(1), is_open[..., 0]], 1)

    def _search(self, window: Tensor, rows: Tensor | None) -> tuple[Tensor, Tensor]:
        """`search` -> int64 [batch, WAYS, channels]: the best cells, steps to them."""
        rows = torch.arange(len(window)) if rows is None else rows
        best, steps = (torch.empty(len(rows), WAYS, self.pull.shape[1], dtype=torch.int32) for _ in range(2))
        search(window.numpy(), rows.numpy(), self.columns, *(part.detach().numpy() for part in (
            self.is_wall, self.is_agent, self.class_pull, self.place, self.log_cost.exp(), self.x, self.y, best, steps)))
        return best.long(), steps.long()

    def dense_search(self, window: Tensor, rows: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The same over all cells at once, on any device."""
        shown = (window if rows is None else window[rows]).long()
        agent = self.is_agent[shown]
        start = torch.where(agent.any(1), agent.int().argmax(1), shown.shape[1] // 2)
        at = nn.functional.one_hot(start, shown.shape[1]).bool().view(len(shown), -1, self.columns)
        enterable = (~self.is_wall[shown].view_as(at) & ~at)[:, None]
        fresh = torch.stack(_moved(at), 1) & enterable
        far = fresh.int()
        for step in range(2, shown.shape[1] + 1):
            fresh = torch.stack(_moved(fresh)).any(0) & enterable & (far == 0)
            if not fresh.any():
                break
            far += step * fresh
        far = far.flatten(2)[..., None]
        strength = self.class_pull[shown] + self.x[:, None] * self.place[0] + self.y[:, None] * self.place[1]
        strength = torch.where(far > 0, strength[:, None] - far * self.log_cost.exp(), -torch.inf)
        best = strength.argmax(2)
        steps = far.squeeze(3).gather(2, best).long()
        return torch.where(steps > 0, best, start[:, None, None]), torch.where(steps > 0, steps, CLOSED)


def _moved(cells: Tensor) -> tuple[Tensor, ...]:
    """Marked cells (bool [..., down, across]), all moved by one each way."""
    wide = nn.functional.pad(cells, (1, 1, 1, 1))
    return wide[..., 2:, 1:-1], wide[..., :-2, 1:-1], wide[..., 1:-1, 2:], wide[..., 1:-1, :-2]
