"""Many instances of a small world stepped together on a CUDA device; what is returned are torch tensors there."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from gmexp_envs.compiled.cuda import SIMULATED
from gmexp_envs.compiled.cuda_arrays import CudaArrays
from gmexp_envs.vec import FrameStyle
from gmexp_envs.worlds import kernels
from gmexp_envs.worlds.distribution import WorldDistribution
from gmexp_envs.worlds.engine import compiler, WorldEngine
from gmexp_envs.worlds.world import World

THREADS = 4 if SIMULATED else 32  # that step a block's instances: few, so that few instances keep many multiprocessors busy
LANES = 2 if SIMULATED else 64  # threads that share a frame's lines


class CudaWorld(CudaArrays, WorldEngine):
    """The engine on a CUDA device, float for float as on the CPU. Actions beyond the world's own do nothing."""

    def __init__(self, world: World, num_envs: int, distributions: Sequence[WorldDistribution], seed: int | None = None,
                 observation: str = "semantic", action_repeat: int = 1, style: FrameStyle | None = None,
                 drawable: bool = False, device: str = "cuda") -> None:
        self._arguments = world, num_envs, distributions, seed, observation, action_repeat, style, drawable, device
        self._settle(device)
        super().__init__(world, num_envs, distributions, seed, observation, action_repeat, style, drawable)
        self._kernels = {kernel: compiler(world).kernel(kernel) for kernel in kernels.KERNELS}
        for kernel, own in self._kernels.items():
            if self._drawable or kernel is not kernels.draw_games:
                self._device.load(own)
        if self._drawable:
            self._places = self._placed(np.array([self._address(part) for part in self._tiles], np.uint64))
        self._seed_streams(self.seed)

    def _over(self, kernel, count: int, *arguments) -> None:
        """Run a kernel of a world, a thread for each of `count` instances."""
        self._launch(self._kernels[kernel], -(-count // THREADS), THREADS, *arguments)

    def _seed_streams(self, seed: int) -> None:
        self._over(kernels.seed_games, self.num_envs, self._placed(self._stream_seeds(seed)))

    def _begin(self, rows: torch.Tensor) -> None:
        self._over(kernels.begin_games, len(rows), rows, len(rows), self._semantic)

    def _move(self, actions: torch.Tensor, rows: torch.Tensor, autoreset: bool) -> None:
        self._over(kernels.step_games, len(rows), rows, len(rows), actions, self.action_repeat, autoreset, self._semantic)

    def _draw(self, rows: torch.Tensor) -> torch.Tensor:
        self._launch(self._kernels[kernels.draw_games], len(rows), LANES, rows, self._places, len(self._tiles.glyphs),
                     self._frames, self.style.channels_first)
        return self._shaped()
