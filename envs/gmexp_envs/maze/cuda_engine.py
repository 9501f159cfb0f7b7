"""Many Maze worlds stepped together on a CUDA device; what is returned are torch tensors there."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch

from gmexp_envs.compiled.cuda import SIMULATED
from gmexp_envs.compiled.cuda_arrays import CudaArrays
from gmexp_envs.maze import kernels
from gmexp_envs.maze.base import MazeEngine
from gmexp_envs.maze.distribution import MazeDistribution
from gmexp_envs.maze.draw.boards import Board, load_boards, tabulate
from gmexp_envs.procgen_family.blit import FRAME
from gmexp_envs.procgen_family.board import Blocks
from gmexp_envs.vec import FrameStyle

THREADS = 4 if SIMULATED else 32  # that step a block's worlds
LANES = 2 if SIMULATED else 32  # threads that share a level's rows, or a frame's lines


class CudaMaze(CudaArrays, MazeEngine):
    """The engine on a CUDA device: `Engine` says what it does, bit for bit as on the CPU. Actions beyond 0..14 do
    nothing."""

    def __init__(self, num_envs: int, distributions: Sequence[MazeDistribution], seed: int | None = None,
                 observation: str = "semantic", action_repeat: int = 1, style: FrameStyle | None = None,
                 drawable: bool = False, device: str = "cuda") -> None:
        self._arguments = num_envs, distributions, seed, observation, action_repeat, style, drawable, device
        self._settle(device)
        super().__init__(num_envs, distributions, seed, observation, action_repeat, style, drawable)
        if self._drawable:
            self._table_of_boards, self._kept_boards = _upload(self.style.options, self._device.torch)
            self._canvas = self._zeros((FRAME * num_envs + 1,), np.uint8)
            self._agents = self._zeros((num_envs, 2), np.int32)
            self._frames = self._zeros((FRAME * num_envs + 1,), np.uint8)
        for kernel in kernels.KERNELS:
            if self._drawable or kernel is not kernels.draw_frames:
                self._device.load(kernel)
        self._seed_streams(self.seed)

    def _seed_streams(self, seed: int) -> None:
        seeds = self._placed(self._stream_seeds(seed))
        self._launch(kernels.seed_worlds, -(-self.num_envs // THREADS), THREADS, seeds)

    def _begin(self, rows: torch.Tensor) -> None:
        self._launch(kernels.begin_episodes, len(rows), LANES, rows, False, self._semantic)

    def _move(self, actions: torch.Tensor, rows: torch.Tensor, autoreset: bool) -> None:
        self._launch(kernels.step_worlds, -(-len(rows) // THREADS), THREADS, rows, len(rows), actions,
                     self.action_repeat, autoreset, self._semantic)
        if autoreset:
            self._launch(kernels.begin_episodes, len(rows), LANES, rows, True, self._semantic)

    def _draw(self, rows: torch.Tensor) -> torch.Tensor:
        self._launch(kernels.draw_frames, len(rows), LANES, self._table_of_boards, self._canvas, self._agents, rows,
                     self._frames, self.style.channels_first)
        return self._frames[:-1].view(self.style.shape(self.num_envs))


@lru_cache(maxsize=8)
def _upload(options: tuple[bool, bool, bool], device: torch.device) -> tuple[torch.Tensor, list[Any]]:
    """The boards of a style on a device: the table that kernels take, and what it points to."""
    boards = load_boards(*options)

    def there(array: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(array.copy()).to(device)

    placed = []
    for board in (boards.easy, boards.hard):
        cells, figures = (Blocks(*map(there, blocks)) for blocks in (board.cells, board.figures))
        placed.append(Board(cells, figures, there(board.grounds)))
    return there(tabulate(placed, lambda tensor: tensor.data_ptr())), placed
