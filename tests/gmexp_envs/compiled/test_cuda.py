"""The CUDA engine without a device: simulated beside the CPU engine, and compiled for a real one."""

import ctypes
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import gmexp_envs
from gmexp_envs.coinrun import kernels
from gmexp_envs.compiled import cuda

ROOT = Path(__file__).parents[3]
HOPPER = 9, 0
needs_compiler = pytest.mark.skipif(cuda.why_not_compile() is not None, reason=str(cuda.why_not_compile()))


@pytest.mark.slow
@pytest.mark.parametrize("what", ["semantic", "repeated", "pixels", "flat", "evaluation", "training", "refusals",
                                  "benchmark", "launches", "copies"])
def test_simulated_engine_equals_the_cpus(what):
    environment = os.environ | {"NUMBA_ENABLE_CUDASIM": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, str(ROOT / "tests/gmexp_envs/compiled/simulate_cuda.py"), what], env=environment,
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@needs_compiler
@pytest.mark.slow
@pytest.mark.parametrize("kernel", kernels.KERNELS, ids=lambda kernel: kernel.__name__)
def test_kernels_compile_for_a_real_device(kernel):
    ptx = cuda.compile_kernel(kernel, HOPPER)
    parameters = re.search(rf"\.visible \.entry {kernel.__name__}\(([^)]*)\)", ptx)[1]
    parameters = re.findall(r"\.param (\.\w+)", parameters)
    assert parameters == [".u64"] * kernel.__code__.co_argcount  # as `launch_function` hands them over
    operations = set(re.findall(r"^\s+([a-z]+(?:\.[a-z]+)*\.f(?:32|64))\b", ptx, re.MULTILINE))
    assert not [o for o in operations if o.startswith(("fma", "mad")) or ".ftz" in o or ".approx" in o], operations
    rounded = {o for o in operations if o.split(".")[0] in ("add", "sub", "mul", "div", "sqrt")}
    assert all(".rn." in o for o in rounded), rounded  # the assembler contracts nothing that says how it is rounded
    code, said = cuda.assemble(ptx, HOPPER)
    assert code.startswith(b"\x7fELF")
    assert "0 bytes spill stores, 0 bytes spill loads" in said, said


@needs_compiler
def test_contraction_is_what_the_compiler_would_do():
    """Without the setting, NVVM contracts: the test above could otherwise not fail."""
    from numba import types

    def axpy(out, x, y):
        out[0] = out[0] * x + y

    signature = types.void(types.Array(types.float32, 1, "C"), types.float32, types.float32)
    found = {}
    for name, options in (("ours", cuda.numba_set_up(HOPPER)), ("numba's", None)):
        if options is None:
            found[name], _ = cuda.cuda.compile(axpy, signature, device=False, abi="numba", cc=HOPPER, output="ptx")
        else:
            with options:
                found[name], _ = cuda.cuda.compile(axpy, signature, device=False, abi="numba", cc=HOPPER, output="ptx")
    assert "fma.rn.f32" in found["numba's"] and "fma" not in found["ours"]


class _Driver:
    """Stands for the CUDA driver: keeps what it is asked to launch, read as the driver reads it."""

    def __init__(self, result=0):
        self.launched, self.result = None, result

    def cuLaunchKernel(self, function, *rest):
        *sizes, stream, pointers, extra = rest
        values = [ctypes.cast(p, ctypes.POINTER(ctypes.c_int64))[0] for p in pointers]
        self.launched = function.value, sizes, stream.value, values, extra
        return self.result

    def cuGetErrorString(self, result, words):
        words._obj.value = b"invalid argument"


def test_a_launch_hands_over_its_arguments():
    driver = _Driver()
    cuda.launch_function(driver, ctypes.c_void_p(77), 5, 32, 2**45, [2**46 + 8, 0, -1])
    assert driver.launched == (77, [5, 1, 1, 32, 1, 1, 0], 2**45, [2**46 + 8, 0, -1], None)
    with pytest.raises(RuntimeError, match="CUDA: invalid argument .error 1."):
        cuda.launch_function(_Driver(1), ctypes.c_void_p(77), 1, 1, 0, [1])


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_without_a_device_one_line_says_so():
    with pytest.raises(gmexp_envs.DeviceUnavailable, match="device 'cuda' cannot be used here: .*CUDA") as error:
        gmexp_envs.make_vec("coinrun", 4, device="cuda")
    assert "\n" not in str(error.value)


def test_procgen_stays_on_the_cpu():
    with pytest.raises(ValueError, match="procgen runs on the CPU"):
        gmexp_envs.make_vec("coinrun", 4, device="cuda", backend="procgen")


@pytest.mark.slow
def test_the_cpu_path_needs_no_torch():
    program = "import sys, gmexp_envs; gmexp_envs.make_vec('coinrun', 1, seed=0).reset(); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True, env=os.environ | {"PYTHONPATH": str(ROOT)})


@pytest.mark.skipif(not torch.cuda.is_available() or cuda.why_not("cuda") is not None,
                    reason=f"not measured: {cuda.why_not('cuda')}")
class TestDevice:
    """What only a real device can show."""

    def test_a_step_can_be_captured_in_a_graph(self):
        ours, theirs = (gmexp_envs.make_vec("coinrun", 256, mode="easy", seed=3, device="cuda") for _ in range(2))
        ours.reset()
        theirs.reset()
        actions = torch.full((256,), 8, dtype=torch.int32, device="cuda")
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            ours.step(actions)  # recorded, not done
        for _ in range(200):
            graph.replay()
            theirs.step(actions)
        for name, array in ours.state().items():
            assert (array == theirs.state()[name]).all(), name
