"""Maze's CUDA engine without a device: simulated beside the CPU engine, and compiled for a real one."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import gmexp_envs
from gmexp_envs.compiled import cuda
from gmexp_envs.maze import kernels

ROOT = Path(__file__).parents[3]
HOPPER = 9, 0


@pytest.mark.slow
@pytest.mark.parametrize("what", ["semantic", "pixels", "flat"])
def test_simulated_engine_equals_the_cpus(what):
    environment = os.environ | {"NUMBA_ENABLE_CUDASIM": "1", "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'envs'}"}
    done = subprocess.run([sys.executable, str(Path(__file__).with_name("simulate_cuda.py")), what], env=environment,
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.skipif(cuda.why_not_compile() is not None, reason=str(cuda.why_not_compile()))
@pytest.mark.parametrize("kernel", kernels.KERNELS, ids=lambda kernel: kernel.__name__)
def test_kernels_compile_for_a_real_device(kernel):
    ptx = cuda.compile_kernel(kernel, HOPPER)
    operations = set(re.findall(r"^\s+([a-z]+(?:\.[a-z]+)*\.f(?:32|64))\b", ptx, re.MULTILINE))
    assert not [o for o in operations if o.startswith(("fma", "mad")) or ".ftz" in o or ".approx" in o], operations
    code, words = cuda.assemble(ptx, HOPPER)
    assert code.startswith(b"\x7fELF")
    assert "0 bytes spill stores, 0 bytes spill loads" in words, words


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_without_a_device_one_line_says_so():
    with pytest.raises(gmexp_envs.DeviceUnavailable, match="device 'cuda' cannot be used here: .*CUDA") as error:
        gmexp_envs.make_vec("maze", 4, device="cuda")
    assert "\n" not in str(error.value)
