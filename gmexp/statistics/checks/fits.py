"""Fits of many data sets, as many at once as the processor's cache takes; kept on disk until all are done, if wanted."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from gmexp.artefacts.io import read_npz, write_npz
from gmexp.artefacts.records import OutcomeCounts
from gmexp.statistics.alike import aligned
from gmexp.statistics.config import CalibrationConfig
from gmexp.statistics.design import Design, build_design
from gmexp.statistics.diagnostics import Diagnostics
from gmexp.statistics.fit import fit_alike, iterations, posterior_of
from gmexp.statistics.model import Model
from gmexp.statistics.posterior import DRAWS, Posterior
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
    kept: Path | None = None  # folder of fits that are done: whoever is killed goes on from them, with the same draws
    judged: list[Diagnostics] = field(default_factory=list)

    def of_counts(self, like: Design, counts: Sequence[Sequence[OutcomeCounts]]) -> Iterator[tuple[Design, Posterior]]:
        """Every data set's design, in the rows of `like`, with its posterior, in order."""
        return self.of([aligned(build_design(rows), like) for rows in counts])

    def of(self, designs: Sequence[Design]) -> Iterator[tuple[Design, Posterior]]:
        """The designs with their posteriors, in order."""
        if not designs:
            return
        many = max(1, AT_ONCE // (self.config.chains * Model(designs[0], self.config).size))
        batches = [(designs[i:i + many], replace(self.config, seed=self.config.seed + number))
                   for number, i in enumerate(range(0, len(designs), many))]
        files = [self.kept / f"{_identity(*batch)}.npz" if self.kept else None for batch in batches]
        done = [file is not None and file.is_file() for file in files]
        self._extend(done.count(False) * iterations(self.config))
        for (batch, config), file, there in zip(batches, files, done, strict=True):
            fits = _read(file, batch, config) if there else fit_alike(batch, config, self._advance, self._extend)
            if file is not None and not there:
                _write(file, fits)
            for design, (posterior, judged) in zip(batch, fits, strict=True):
                self.judged.append(judged)
                yield design, posterior

    def summary(self) -> dict[str, Any]:
        """How many fits passed the gate of a calibration, and the worst values."""
        return {"fits": len(self.judged), "passed": sum(j.passed for j in self.judged),
                "rhat_worst": max(j.rhat_max for j in self.judged),
                "ess_worst": min(j.ess_min for j in self.judged),
                "divergences": sum(j.divergences for j in self.judged)}

    @property
    def _advance(self) -> Callable[[int], object] | None:
        return None if self.bar is None else self.bar.advance

    def _extend(self, amount: int) -> None:
        if self.bar is not None:
            self.bar.extend(amount)


# --- fits on disk -----------------------------------------------------------------------------------------------------

Fit = tuple[Posterior, Diagnostics]


def _write(file: Path, fits: Sequence[Fit]) -> None:
    draws = {f"{i}.{name}": array for i, (posterior, _) in enumerate(fits) for name, array in posterior.draws.items()}
    write_npz(file, draws | {"judged": np.array(json.dumps([asdict(judged) for _, judged in fits]))})


def _read(file: Path, designs: Sequence[Design], config: CalibrationConfig) -> list[Fit]:
    """What `_write` wrote of fits of these designs."""
    arrays = read_npz(file, ("judged",))
    judged = [Diagnostics(**each) for each in json.loads(str(arrays["judged"]))]
    drawn = [{name: arrays[f"{i}.{name}"] for name in DRAWS} for i in range(len(designs))]
    posteriors = [posterior_of(Model(design, config), config.chains, config.seed, draws)
                  for design, draws in zip(designs, drawn, strict=True)]
    return list(zip(posteriors, judged, strict=True))


def _identity(designs: Sequence[Design], config: CalibrationConfig) -> str:
    """First 16 hex digits over what fits depend on: their designs, the configuration, and the statistics' sources."""
    digest = hashlib.sha256(f"{_sources()}{config}".encode())
    for design in designs:
        for value in (getattr(design, f.name) for f in fields(design)):
            digest.update(value.tobytes() if isinstance(value, np.ndarray) else repr(value).encode())
    return digest.hexdigest()[:16]


@cache
def _sources() -> str:
    files = sorted(Path(__file__).parents[1].glob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
