"""Kernels on a CUDA device: compiled by numba from the functions that the CPU runs, launched on torch's current stream.

Multiplications and additions are not contracted, and numbers not flushed to zero, so that floats have the CPU's bits.
Compiling needs no device (`compile_kernel`, `assemble`): NVVM and nvJitLink come with the extra `cuda`. All arguments of
a kernel are int64: numbers, and addresses of arrays. Where numba simulates CUDA (NUMBA_ENABLE_CUDASIM=1), kernels run on
the CPU, a thread for every CUDA thread, and their tensors are the CPU's.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import importlib.metadata
import inspect
import os
import re
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numba
import numpy as np
import torch
from numba import cuda, types

from gmexp_envs.compiled.jit import CACHE_FOLDER
from gmexp_envs.vec import DeviceUnavailable

SIMULATED = bool(numba.config.ENABLE_CUDASIM)
INSTALL = "pip install 'numba-cuda[cu13]'"
Kernel = Callable[..., None]


def why_not(device: str) -> str | None:
    """Why kernels cannot run on a torch device such as "cuda" or "cuda:1"; None where they can."""
    if SIMULATED:
        return None
    if not torch.cuda.is_available():
        return "torch finds no CUDA device" if torch.version.cuda else "this torch is built without CUDA"
    index = torch.device(device).index or 0
    if index >= torch.cuda.device_count():
        return f"there are only {torch.cuda.device_count()} CUDA devices"
    return why_not_compile()


def why_not_compile() -> str | None:
    """Why kernels cannot be compiled here; None where they can."""
    if SIMULATED or getattr(cuda, "implementation", None) != "NVIDIA":
        return f"numba-cuda is not installed: {INSTALL}"
    from cuda.pathfinder import DynamicLibNotFoundError, load_nvidia_dynamic_lib

    try:
        importlib.import_module("numba.cuda.np.arrayobj")
    except AttributeError as error:
        return f"this numba-cuda does not work with numpy {np.__version__} ({error}): pip install 'numpy<2.5'"
    for name in ("nvvm", "nvJitLink"):
        try:
            load_nvidia_dynamic_lib(name)
        except DynamicLibNotFoundError:
            return f"{name} is not installed: {INSTALL}"
    return None


# --- compiling --------------------------------------------------------------------------------------------------------

@contextlib.contextmanager
def numba_set_up(capability: tuple[int, int]) -> Iterator[None]:
    """numba asks the device for its architecture, and lets NVVM contract to fused multiply-adds: it does neither here."""
    from numba.cuda import dispatcher
    from numba.cuda.cudadrv import nvvm

    asked, compile_ir = dispatcher.get_current_device, nvvm.compile_ir
    dispatcher.get_current_device = lambda: SimpleNamespace(compute_capability=capability)
    nvvm.compile_ir = lambda ir, **options: compile_ir(ir, **options, fma=False)
    try:
        yield
    finally:
        dispatcher.get_current_device, nvvm.compile_ir = asked, compile_ir


def compile_kernel(kernel: Kernel, capability: tuple[int, int]) -> str:
    """PTX of a kernel, whose entry has the kernel's name, for devices of a compute capability."""
    signature = types.void(*[types.int64] * len(inspect.signature(kernel).parameters))
    with numba_set_up(capability):
        ptx, _ = cuda.compile(kernel, signature, device=False, abi="numba", cc=capability, output="ptx", opt=True)
    return ptx.replace(re.search(r"\.entry (\w+)", ptx)[1], kernel.__name__)


def assemble(ptx: str, capability: tuple[int, int]) -> tuple[bytes, str]:
    """A cubin from PTX, and what the assembler says of it: registers, stack, spills."""
    from cuda.core import Linker, LinkerOptions, ObjectCode

    options = LinkerOptions(arch=f"sm_{capability[0]}{capability[1]}", ptxas_options=["-v"])
    linker = Linker(ObjectCode.from_ptx(ptx.encode()), options=options)
    code = bytes(linker.link("cubin").code)
    return code, linker.get_info_log()


def _cubin(kernel: Kernel, capability: tuple[int, int]) -> bytes:
    """The assembled kernel, from the disk cache where it is there."""
    version = importlib.metadata.version("numba-cuda")
    path = CACHE_FOLDER and Path(CACHE_FOLDER) / f"{kernel.__module__}.{kernel.__name__}-{capability}-{version}.cubin"
    if path and path.is_file():
        return path.read_bytes()
    code, _ = assemble(compile_kernel(kernel, capability), capability)
    if path:
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            file.write(code)
        os.replace(file.name, path)
    return code


# --- running ----------------------------------------------------------------------------------------------------------

@lru_cache
def _driver() -> Any:
    """The CUDA driver's library, which torch has loaded and started."""
    return ctypes.CDLL("nvcuda.dll" if os.name == "nt" else "libcuda.so.1")


def _check(result: int, driver: Any) -> None:
    """RuntimeError with the driver's words where a call of it failed."""
    if result:
        words = ctypes.c_char_p()
        driver.cuGetErrorString(result, ctypes.byref(words))
        raise RuntimeError(f"CUDA: {(words.value or b'unknown error').decode()} (error {result})")


def launch_function(driver: Any, function: ctypes.c_void_p, blocks: int, threads: int, stream: int,
                    arguments: Sequence[int]) -> None:
    """`cuLaunchKernel` for a kernel whose arguments are all int64."""
    values = (ctypes.c_int64 * len(arguments))(*arguments)
    start, size = ctypes.addressof(values), ctypes.sizeof(ctypes.c_int64)
    pointers = (ctypes.c_void_p * len(arguments))(*range(start, start + size * len(arguments), size))
    _check(driver.cuLaunchKernel(function, blocks, 1, 1, threads, 1, 1, 0, ctypes.c_void_p(stream), pointers, None), driver)


class Device:
    """Where tensors live and kernels run: a torch device such as "cuda", or the CPU where CUDA is simulated.

    Raises DeviceUnavailable where it cannot be used.
    """

    def __init__(self, name: str) -> None:
        if (reason := why_not(name)) is not None:
            raise DeviceUnavailable(f"device {name!r} cannot be used here: {reason}")
        self.torch = torch.device("cpu" if SIMULATED else name)
        self._functions: dict[Kernel, ctypes.c_void_p] = {}
        self._thread = threading.local()

    def zeros(self, shape: tuple[int, ...], dtype: Any) -> torch.Tensor:
        """A zeroed tensor; `dtype` is numpy's."""
        dtype = np.dtype(dtype)
        signed = f"int{8 * dtype.itemsize}" if dtype.kind == "u" and dtype.itemsize > 1 else dtype.name
        return torch.zeros(shape, dtype=getattr(torch, signed), device=self.torch).view(getattr(torch, dtype.name))

    def placed(self, array: np.ndarray) -> torch.Tensor:
        """A copy of a numpy array."""
        return torch.from_numpy(np.array(array)).to(self.torch)

    def load(self, kernel: Kernel) -> None:
        """Compile a kernel and bring it to the device, so that launching it later does no more than that."""
        if SIMULATED or kernel in self._functions:
            return
        with torch.cuda.device(self.torch):
            self._enter()
            code = _cubin(kernel, torch.cuda.get_device_capability())
            module, function, driver = ctypes.c_void_p(), ctypes.c_void_p(), _driver()
            _check(driver.cuModuleLoadData(ctypes.byref(module), code), driver)
            _check(driver.cuModuleGetFunction(ctypes.byref(function), module, kernel.__name__.encode()), driver)
        self._functions[kernel] = function

    def _enter(self) -> None:
        """Make the device's context the calling thread's, as anything that torch does there makes it."""
        if not getattr(self._thread, "entered", False):
            torch.zeros(1, device=self.torch)
            self._thread.entered = True

    def synchronize(self) -> None:
        """Wait until everything launched is done."""
        if not SIMULATED:
            torch.cuda.synchronize(self.torch)

    @property
    def hardware(self) -> str:
        """What it is called."""
        return "a simulated device" if SIMULATED else torch.cuda.get_device_name(self.torch)

    def launch(self, kernel: Kernel, blocks: int, threads: int, *arguments: int) -> None:
        """Run a kernel on torch's current stream; nothing waits for it."""
        if blocks == 0:
            return
        if SIMULATED:
            cuda.jit(kernel)[blocks, threads](*arguments)
            return
        self.load(kernel)
        with torch.cuda.device(self.torch):
            self._enter()
            launch_function(_driver(), self._functions[kernel], blocks, threads,
                            torch.cuda.current_stream().cuda_stream, arguments)
