"""Fits of many simulated data sets, as many at once as the processor's cache takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np

from gmexp.artefacts.records import OutcomeCounts
from gmexp.statistics.alike import aligned
from gmexp.statistics.config import CalibrationConfig
from gmexp.statistics.design import Design, build_design
from gmexp.statistics.diagnostics import Diagnostics
from gmexp.statistics.fit import fit_alike, iterations
from gmexp.statistics.model import Model
from gmexp.statistics.posterior import Posterior
from gmexp.statistics.simulate import World, simulate

__all__ = ["GATED", "Fits", "Progress", "template"]

GATED = CalibrationConfig(warmup=400, draws=1200)  # its gate is that of any calibration
AT_ONCE = 35_000  # coordinates of all chains together
MANY = 1_000_000  # episodes, so that every row of a design has some


class Progress(Protocol):
    """A bar that does not know its length beforehand."""

    def advance(self, amount: int) -> object: ...

    def extend(self, amount: int) -> object: ...


def template(world: World, seed: int) -> Design:
    """A design that has every row that data of this world may have."""
    return build_design(simulate(replace(world, episodes=MANY, unequal=False), np.random.default_rng(seed))[0])


@dataclass
class Fits:
    """Fits of data sets of one structure, and how they went."""

    config: CalibrationConfig = GATED
    bar: Progress | None = None
    judged: list[Diagnostics] = field(default_factory=list)

    def of_counts(self, like: Design, counts: Sequence[Sequence[OutcomeCounts]]) -> Iterator[tuple[Design, Posterior]]:
        """Every data set's design, in the rows of `like`, with its posterior, in order."""
        return self.of([aligned(build_design(rows), like) for rows in counts])

    def of(self, designs: Sequence[Design]) -> Iterator[tuple[Design, Posterior]]:
        """The designs with their posteriors, in order."""
        if not designs:
            return
        many = max(1, AT_ONCE // (self.config.chains * Model(designs[0], self.config).size))
        batches = [designs[i:i + many] for i in range(0, len(designs), many)]
        self._extend(len(batches) * iterations(self.config))
        for number, batch in enumerate(batches):
            seeded = replace(self.config, seed=self.config.seed + number)
            fits = fit_alike(batch, seeded, self._advance, self._extend)
            for design, (posterior, judged) in zip(batch, fits, strict=True):
                self.judged.append(judged)
                yield design, posterior

    def summary(self) -> dict[str, Any]:
        """How many fits passed the gate of a calibration, and the worst values."""
        return {"fits": len(self.judged), "passed": sum(j.passed for j in self.judged),
                "rhat_worst": max(j.rhat_max for j in self.judged),
                "ess_worst": min(min(j.ess_bulk_min, j.ess_tail_min) for j in self.judged),
                "divergences": sum(j.divergences for j in self.judged)}

    @property
    def _advance(self) -> Callable[[int], object] | None:
        return None if self.bar is None else self.bar.advance

    def _extend(self, amount: int) -> None:
        if self.bar is not None:
            self.bar.extend(amount)
