"""Many instances of Keys and Chests stepped together on a CUDA device; what is returned are torch tensors there."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch

from gmexp_envs.compiled.cuda import SIMULATED
from gmexp_envs.compiled.cuda_arrays import CudaArrays
from gmexp_envs.keys_and_chests import kernels
from gmexp_envs.keys_and_chests.base import KeysEngine
from gmexp_envs.keys_and_chests.distribution import LevelDistribution
from gmexp_envs.keys_and_chests.draw.sprites import load_sprites
from gmexp_envs.vec import FrameStyle

THREADS = 4 if SIMULATED else 32  # that step a block's instances: few, so that few instances keep much of a device busy
LANES = 2 if SIMULATED else 64  # threads that share a frame's lines


class CudaKeysAndChests(CudaArrays, KeysEngine):
    """The engine on a CUDA device: `Engine` says what it does, float for float as on the CPU.

    Actions beyond 0..14 do what one of 0..8 does, or nothing.
    """

    def __init__(self, num_envs: int, distributions: Sequence[LevelDistribution], seed: int | None = None,
                 observation: str = "semantic", action_repeat: int = 1, style: FrameStyle | None = None,
                 drawable: bool = False, device: str = "cuda") -> None:
        self._arguments = num_envs, distributions, seed, observation, action_repeat, style, drawable, device
        self._settle(device)
        super().__init__(num_envs, distributions, seed, observation, action_repeat, style, drawable)
        if self._drawable:
            self._frames = self._zeros(self.style.shape(num_envs), np.uint8)
            self._sprite_table, self._kept = _upload(self.style.options, self._device.torch)
        for kernel in kernels.KERNELS:
            if self._drawable or kernel is not kernels.draw_frames:
                self._device.load(kernel)
        self._seed_streams(self.seed)

    def _seed_streams(self, seed: int) -> None:
        seeds = self._placed(self._stream_seeds(seed))
        self._launch(kernels.seed_instances, -(-self.num_envs // THREADS), THREADS, seeds)

    def _begin(self, rows: torch.Tensor) -> None:
        self._launch(kernels.begin_episodes, -(-len(rows) // THREADS), THREADS, rows, len(rows), False, self._semantic)

    def _move(self, actions: torch.Tensor, rows: torch.Tensor, autoreset: bool) -> None:
        blocks = -(-len(rows) // THREADS)
        self._launch(kernels.step_instances, blocks, THREADS, rows, len(rows), actions, self.action_repeat, autoreset,
                     self._semantic)
        if autoreset:
            self._launch(kernels.begin_episodes, blocks, THREADS, rows, len(rows), True, self._semantic)

    def _draw(self, rows: torch.Tensor) -> torch.Tensor:
        self._launch(kernels.draw_frames, len(rows), LANES, self._sprite_table, rows, self._frames,
                     self.style.channels_first)
        return self._frames


@lru_cache(maxsize=8)
def _upload(options: tuple[bool, bool, bool], device: torch.device) -> tuple[torch.Tensor, list[Any]]:
    """The images of a look on a device: the table that kernels take, and what it points to."""
    sprites = load_sprites(*options)
    images = [torch.from_numpy(array.copy()).to(device) for array in sprites.images]
    kept, numbers = [*images], [*(tensor.data_ptr() for tensor in images), len(sprites.images.pixels),
                                *sprites.images.place_x.shape]
    for board in (sprites.easy, sprites.hard):
        arrays = [torch.from_numpy(array.copy()).to(device) for array in (*board.walls, *board.chests, board.backgrounds)]
        kept += arrays
        numbers += [*(tensor.data_ptr() for tensor in arrays), board.walls.words.shape[-1], board.chests.words.shape[-1]]
    return torch.from_numpy(np.array(numbers, np.uint64)).to(device), kept
