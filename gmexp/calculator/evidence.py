"""What was measured of the published table's mitigations: the shipped mitigations.json, or another.

A published row is compared with one method, named here before anything was measured; methods that the table does not have
stand beside it. One environment is quoted as it was measured; several are summed up by a random-effects meta-analysis, with
the environment as the replicate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import scipy  # its parts are loaded when they are used: most estimates use none

from gmexp.published.tables import table
from gmexp.rates import mitigated
from gmexp.rates.mitigated import Measured, Mitigated
from gmexp.rates.reduction import Interval
from gmexp.statistics.meta import meta
from gmexp.support.errors import UserError

__all__ = ["SHIPPED", "STANDS_FOR", "Evidence", "Listed", "evidence", "listed", "load_mitigations", "together"]

SHIPPED = Path(__file__).parent / "data" / "mitigations.json"
STANDS_FOR = {  # of a published row: the method that is compared with it
    "adversarial_training": "adversarial_training", "specification": "specification", "interpretability": "steering",
    "anomaly_monitoring": "trusted_monitoring", "objective_probing": "goal_probing", "control": "shield",
    "gradual_deployment": "gradual_deployment"}
RISKS = {"prevention": "latent misgeneralization", "detection": "latent misgeneralization",
         "response": "realised misgeneralization"}


@dataclass(frozen=True)
class Evidence:
    """How much of the risk a method took away under a shift, where its declared setting was measured."""

    method: str
    setting: str
    layer: str
    reduction: Interval
    risk: str  # which misgeneralization
    edition: str
    environments: int
    runs: int  # pairs, of all environments together
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Listed:
    """A mitigation as published and as measured under one shift; None is not printed, or not measured."""

    name: str
    method: str | None
    published: tuple[float, float] | None
    measured: Interval | None
    environments: int
    runs: int
    setting: str | None
    risk: str | None
    edition: str | None


@cache
def _read(path: Path) -> Mitigated:
    return mitigated.read(path)


def load_mitigations(path: Path | str | None = None) -> Mitigated:
    """The content of a mitigations.json; None for the one shipped, UserError where there is none."""
    if path is not None and not Path(path).is_file():
        raise UserError(f"there is no mitigations.json at {path}: `gmexp mitigations studies=[...] out=...` makes one")
    return _read(SHIPPED if path is None else Path(path))


def evidence(content: Mitigated, method: str, shift: int, grade: float = 1.0) -> Evidence | None:
    """What was measured of a method's declared setting under a shift; None where nothing was."""
    rows = _by_environment([row for row in content.rows if row.declared and row.method == method and row.shift_type == shift
                            and row.grade == grade and row.risk is not None and row.risk.relative is not None])
    if not rows:
        return None
    latent = all(row.risk is row.latent for row in rows)
    notes = tuple(dict.fromkeys(row.note for row in rows if row.note))
    return Evidence(method, rows[0].setting, rows[0].layer, _over_environments([row.risk.relative for row in rows]),
                    RISKS["prevention" if latent else "response"], " and ".join(dict.fromkeys(row.edition for row in rows)),
                    len(rows), sum(row.pairs for row in rows), notes)


def _by_environment(rows: Sequence[Measured]) -> list[Measured]:
    """One row an environment: both arms before first events, then the one with most pairs."""
    best: dict[str, Measured] = {}
    for row in sorted(rows, key=lambda row: (row.edition == "both arms", row.pairs)):
        best[row.env] = row
    return list(best.values())


def _over_environments(found: Sequence[Interval]) -> Interval:
    if len(found) == 1:
        return found[0]
    half = float(scipy.stats.norm.ppf(0.975))
    result = meta([value for value, _, _ in found], [((high - low) / (2 * half)) ** 2 for _, low, high in found], hksj=True)
    return result.mu, result.low, min(result.high, 1.0)


def together(content: Mitigated, methods: Sequence[str], shift: int) -> Evidence | None:
    """What was measured of several methods at once, under the name of all of them joined by a plus."""
    return evidence(content, "+".join(sorted(methods)), shift)


def listed(content: Mitigated, shift: int) -> list[Listed]:
    """Every row of the published table, then every other method that was measured, under a shift."""
    rows = [_listed(content, r["name"], STANDS_FOR[r["name"]], r["reduction"], shift) for r in table("mitigations")]
    others = dict.fromkeys(row.method for row in content.rows if row.declared and row.method not in STANDS_FOR.values())
    return rows + [_listed(content, name, name, None, shift) for name in others]


def _listed(content: Mitigated, name: str, method: str, published: tuple[float, float] | None, shift: int) -> Listed:
    found = evidence(content, method, shift)
    if found is None:
        return Listed(name, None, published, None, 0, 0, None, None, None)
    return Listed(name, method, published, found.reduction, found.environments, found.runs, found.setting, found.risk,
                  found.edition)
