"""Many CoinRun worlds stepped together on a CUDA device; what is returned are torch tensors there."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, lru_cache

import numpy as np
import torch

from gmexp_envs.coinrun import kernels
from gmexp_envs.coinrun.base import CoinRunEngine
from gmexp_envs.coinrun.distribution import LevelDistribution
from gmexp_envs.coinrun.draw.sprites import FIRST_BACKGROUND, Images, load_sprites, sky_bytes
from gmexp_envs.coinrun.layout import BACKGROUNDS
from gmexp_envs.compiled.cuda import SIMULATED
from gmexp_envs.compiled.cuda_arrays import CudaArrays
from gmexp_envs.vec import FrameStyle

THREADS = 4 if SIMULATED else 32  # that step a block's worlds: few, so that few worlds keep many multiprocessors busy
LANES = 2 if SIMULATED else 64  # threads that share a level's rows, or a frame's lines


class CudaCoinRun(CudaArrays, CoinRunEngine):
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
        table, _ = self._images
        self._launch(kernels.draw_frames, len(rows), LANES, table, rows, self._frames, self.style.channels_first)
        return self._frames

    @cached_property
    def _images(self) -> tuple[torch.Tensor, list[torch.Tensor]]:
        one_background = all(d.mode == "easy" and d.appearance is None for d in self.distributions)
        return _upload(self.style.options, self._device.torch, one_background)


@lru_cache(maxsize=8)
def _upload(options: tuple[bool, bool, bool], device: torch.device,
            one_background: bool) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """The images of a look on a device: the table that kernels take, and what it points to.

    `one_background` leaves out all but the first, the only one in easy mode: 303 MB.
    """
    sprites = load_sprites(*options)
    last = 0 if one_background else BACKGROUNDS - 1
    sprites.require(np.arange(last + 1))
    images = sprites.images
    number = FIRST_BACKGROUND + last
    end = images.offset[number] + sky_bytes(*(int(of[number]) for of in (images.height, images.span, images.planes)))
    images = images._replace(sky=images.sky[:end])
    tensors = Images(*(torch.from_numpy(array.copy()).to(device) for array in images))
    sizes = (len(array) for array in (images.pixels, images.tiles, images.sky))
    table = np.array([*(tensor.data_ptr() for tensor in tensors), *sizes], np.uint64)
    return torch.from_numpy(table).to(device), list(tensors)
