"""An engine's arrays on a CUDA device, as torch tensors there."""

from __future__ import annotations

import numpy as np
import torch

from gmexp_envs.compiled.cuda import Device


class CudaArrays:
    """An engine's arrays on a CUDA device; a step is a few launches on torch's current stream, and nothing waits for them.

    Launches can be captured in a CUDA graph, if the tensor of actions stays the same: int32 and on the device. Actions and
    rows may be tensors of any integer type, or numpy's. Tensors are not looked into, which would mean to wait for them:
    kernels must pass over rows beyond 0..N-1. A row must not be given twice.
    """

    def _settle(self, device: str) -> None:
        """Live on a device such as "cuda" or "cuda:1"; DeviceUnavailable where it cannot be used."""
        self._device = Device(device)
        self.device = device

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
