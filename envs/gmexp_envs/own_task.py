"""What the tasks of this package share: where their modules are, and what follows from that."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Mapping
from types import ModuleType
from typing import ClassVar, TypeVar

import numpy as np

from gmexp_envs.levels import batches_of
from gmexp_envs.task import ArmName, GoalName, Picture, Task
from gmexp_envs.vec import VecEnv

D = TypeVar("D")
BATCH = 4096  # levels made at once


class OwnTask(Task[D]):
    """A task whose distributions have the fields `masked` and `rho`, and whose package has a module `pictures` with `view`,
    `extent`, `whole_level` and `changes`."""

    package: ClassVar[str]  # of its modules
    pictures: ClassVar[str] = "draw.pictures"

    def _module(self, name: str) -> ModuleType:
        """A module of the package, imported when it is needed: it brings numba."""
        return importlib.import_module(f"{self.package}.{name}")

    def arms(self, distribution: D) -> Mapping[ArmName, D]:
        return {"visible": distribution, "masked": dataclasses.replace(distribution, masked=True),
                "aligned": dataclasses.replace(distribution, rho=1.0)}

    def picture(self, env: VecEnv, row: int, size: int) -> Picture:
        return self._module(self.pictures).view(env, row, size)

    def level_size(self, env: VecEnv, row: int) -> tuple[int, int]:
        return self._module(self.pictures).extent(env, row)

    def level_picture(self, env: VecEnv, row: int, cell: int, rows: int | None = None) -> Picture:
        return self._module(self.pictures).whole_level(env, row, cell, rows)

    def changes(self, training: VecEnv, shifted: VecEnv, row: int) -> str:
        return self._module(self.pictures).changes(training, shifted, row)


class ProcgenTask(OwnTask[D]):
    """One whose package has modules `certify`, `scripted` and `procgen.backend`, too, and whose engines on the CPU know
    their `layouts()`."""

    family = "procgen"
    backends = ("native", "procgen")

    def why_not(self, distribution: D, backend: str) -> str | None:
        return None if backend == "native" else self._module("procgen.backend").why_not(distribution)

    def certify(self, distribution: D) -> np.ndarray:
        return self._module("certify").certify(distribution)

    def layout_hash(self, distribution: D) -> np.ndarray:
        parts = []
        for levels in batches_of(distribution.levels, BATCH):
            some = dataclasses.replace(distribution, levels=levels, sequential=True)
            env = self.make(some.num_levels, [some], seed=0, observation="semantic", device="cpu", backend="native",
                            threads=1, action_repeat=1, style=None, drawable=False)
            env.reset()
            parts.append(env.layouts())
            env.close()
        return np.concatenate(parts)

    def scripted(self, goal: GoalName, env: VecEnv):
        scripted = self._module("scripted")
        return scripted.ScriptedPolicy(env, {"intended": scripted.INTENDED, "proxy": scripted.PROXY}[goal])
