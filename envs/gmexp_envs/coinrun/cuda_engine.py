"""Many CoinRun worlds stepped together on a CUDA device; what is returned are torch tensors there.

A step is two or three launches on torch's current stream, and nothing waits for them. They can be captured in a CUDA
graph, if the tensor of actions stays the same: int32 and on the device.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, lru_cache

import numpy as np
import torch

from gmexp_envs.coinrun import kernels
from gmexp_envs.coinrun.base import Engine
from gmexp_envs.coinrun.distribution import LevelDistribution
from gmexp_envs.coinrun.draw.sprites import FIRST_BACKGROUND, Images, SKY_PIXEL, load_sprites
from gmexp_envs.coinrun.layout import BACKGROUNDS
from gmexp_envs.compiled.cuda import Device, SIMULATED
from gmexp_envs.vec import FrameStyle

THREADS = 4 if SIMULATED else 32  # that step a block's worlds: few, so that few worlds keep many multiprocessors busy
LANES = 2 if SIMULATED else 64  # threads that share a level's rows, or a frame's lines


class CudaCoinRun(Engine):
    """The engine on a CUDA device: `Engine` says what it does, float for float as on the CPU.

    Actions and rows may be tensors of any integer type, or numpy's. Tensors are not looked into, which would mean to
    wait for them: actions beyond 0..14 do what one of 0..8 does, or nothing, and rows beyond 0..N-1 are passed over. A
    row must not be given twice.
    """

    def __init__(self, num_envs: int, distributions: Sequence[LevelDistribution], seed: int | None = None,
                 observation: str = "semantic", action_repeat: int = 1, style: FrameStyle | None = None,
                 drawable: bool = False, device: str = "cuda") -> None:
        self._device = Device(device)
        self.device = device
        super().__init__(num_envs, distributions, seed, observation, action_repeat, style, drawable)
        if self._drawable:
            self._frames = self._zeros(self.style.shape(num_envs), np.uint8)
        for kernel in kernels.KERNELS:
            if self._drawable or kernel is not kernels.draw_frames:
                self._device.load(kernel)
        self._seed_streams(self.seed)

    def synchronize(self) -> None:
        """Wait until the device has done all that it was asked to."""
        self._device.synchronize()

    @property
    def hardware(self) -> str:
        """What the device is called."""
        return self._device.hardware

    def _zeros(self, shape: tuple[int, ...], dtype) -> torch.Tensor:
        return self._device.zeros(shape, dtype)

    def _placed(self, array: np.ndarray) -> torch.Tensor:
        return self._device.placed(array)

    def _fetched(self, array: torch.Tensor) -> np.ndarray:
        return array.cpu().numpy().copy()

    def _address(self, array: torch.Tensor) -> int:
        return array.data_ptr()

    def _checked(self, actions) -> torch.Tensor:
        if not torch.is_tensor(actions):
            actions = super()._checked(actions)
        actions = torch.as_tensor(actions, dtype=torch.int32, device=self._device.torch).contiguous()
        if actions.shape != (self.num_envs,):
            raise ValueError(f"actions have shape {tuple(actions.shape)}, expected ({self.num_envs},)")
        return actions

    def _checked_rows(self, rows) -> torch.Tensor:
        if not torch.is_tensor(rows):
            rows = super()._checked_rows(rows)
        return torch.as_tensor(rows, dtype=torch.int64, device=self._device.torch).contiguous()

    def _launch(self, kernel, blocks: int, threads: int, *arguments: int | torch.Tensor) -> None:
        """Run a kernel, handing over tensors by their addresses."""
        self._device.launch(kernel, blocks, threads, self._table.data_ptr(),
                           *(a.data_ptr() if torch.is_tensor(a) else int(a) for a in arguments))

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

    `one_background` leaves out all but the first, the only one in easy mode: 180 MB.
    """
    sprites = load_sprites(*options)
    last = 0 if one_background else BACKGROUNDS - 1
    sprites.require(np.arange(last + 1))
    images = sprites.images
    number = FIRST_BACKGROUND + last
    end = int(images.offset[number]) + SKY_PIXEL * int(images.width[number]) * int(images.height[number]) + 1
    images = images._replace(sky=images.sky[:end])  # and a byte more, which may be read
    tensors = Images(*(torch.from_numpy(array.copy()).to(device) for array in images))
    sizes = (len(array) for array in (images.pixels, images.tiles, images.sky))
    table = np.array([*(tensor.data_ptr() for tensor in tensors), *sizes], np.uint64)
    return torch.from_numpy(table).to(device), list(tensors)
