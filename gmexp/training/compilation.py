"""Compile what is compiled once per installation, before it surprises anyone in the middle of something."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch

import gmexp_envs
from gmexp.agents.first_layer import CELLS, CellLayer
from gmexp_envs.coinrun.layout import NUM_APPEARANCE, NUM_STATE
from gmexp_envs.compiled.jit import CACHE_FOLDER

KERNELS = ("engine.begin_episodes", "engine._step_worlds", "cells.sum_columns", "cells.forward", "cells.backward")


def compile_kernels() -> None:
    """Fill the disk cache of the engine's and the network's kernels; worker processes then find them there.

    Where the cache is filled this does nothing; else it says on stderr what takes so long.
    """
    if CACHE_FOLDER is None:
        print("the engine compiles in every process, about a minute each: set GMEXP_CACHE_DIR to a writable folder",
              file=sys.stderr, flush=True)
        return
    if all(any(Path(CACHE_FOLDER).rglob(f"{kernel}-*.nbi")) for kernel in KERNELS):
        return
    print("compiling the engine: about a minute, the first time only", file=sys.stderr, flush=True)
    env = gmexp_envs.make_vec("coinrun", 1, seed=0)
    env.reset()
    env.step(np.zeros(1, np.int32))
    env.close()
    cells = CellLayer(1, torch.Generator().manual_seed(0))
    cells(torch.zeros(1, CELLS, dtype=torch.uint8), torch.zeros(1, NUM_APPEARANCE, dtype=torch.uint8),
          torch.zeros(1, NUM_STATE)).sum().backward()
