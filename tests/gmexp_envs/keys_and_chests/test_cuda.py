"""The CUDA engine without a device: simulated beside the CPU engine, and compiled for a real one."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from gmexp_envs.compiled import cuda
from gmexp_envs.keys_and_chests import kernels

HOPPER = 9, 0
needs_compiler = pytest.mark.skipif(cuda.why_not_compile() is not None, reason=str(cuda.why_not_compile()))


@pytest.mark.slow
@pytest.mark.parametrize("what", ["semantic", "repeated", "pixels", "flat"])
def test_simulated_engine_equals_the_cpus(what):
    done = subprocess.run([sys.executable, str(Path(__file__).with_name("simulate_cuda.py")), what],
                          env=os.environ | {"NUMBA_ENABLE_CUDASIM": "1"}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@needs_compiler
@pytest.mark.slow
@pytest.mark.parametrize("kernel", kernels.KERNELS, ids=lambda kernel: kernel.__name__)
def test_kernels_compile_for_a_real_device(kernel):
    ptx = cuda.compile_kernel(kernel, HOPPER)
    operations = set(re.findall(r"^\s+([a-z]+(?:\.[a-z]+)*\.f(?:32|64))\b", ptx, re.MULTILINE))
    assert not [o for o in operations if o.startswith(("fma", "mad")) or ".ftz" in o or ".approx" in o], operations
    rounded = {o for o in operations if o.split(".")[0] in ("add", "sub", "mul", "div", "sqrt")}
    assert all(".rn." in o for o in rounded), rounded  # the assembler contracts nothing that says how it is rounded
    code, _ = cuda.assemble(ptx, HOPPER)
    assert code.startswith(b"\x7fELF")
