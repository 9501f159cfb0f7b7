"""mitigations.json: what mitigations were measured to do in a study, or in several.

The risk is latent misgeneralization (capability x goal failure within runs, `estimands`) and realised misgeneralization,
per shift; what it means to lower it, `reduction`. Nothing is pooled over environments or shifts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

from gmexp import artefacts
from gmexp.artefacts.decode import decode
from gmexp.artefacts.records import OutcomeCounts, Provenance
from gmexp.rates import text
from gmexp.rates.reduction import QUANTITIES, Change, Interval, change, pair_cells

__all__ = ["Detection", "Measured", "Mitigated", "Price", "Trace", "flat", "measured_rows", "merged", "read",
           "table", "write"]

Edition = Literal["both arms", "first events"]


@dataclass(frozen=True, slots=True)
class Price:
    """What a mitigation costs and what it must know; None is unknown, 1 and 0 are free."""

    train_steps: float | None  # game steps of training, in multiples of the base's
    wall_clock: float | None  # of training, likewise
    helped: float | None  # share of steps at play time that somebody else decides
    knows: str  # labels, an expert, deployment data, the full state; "nothing"


@dataclass(frozen=True, slots=True)
class Measured:
    """One mitigation under one shift in one environment, over pairs of runs."""

    method: str
    setting: str  # what was changed, in words
    declared: bool  # the setting that stands for the method, fixed before anything was measured
    published: str | None  # its row in the published table of risk reductions
    layer: str
    env: str
    study: str
    edition: Edition
    shift_type: int
    shift_name: str
    grade: float
    pairs: int
    latent: Change | None  # on the distinguishing set of a shift that has one
    realised: Change | None
    goal_failure: Change | None
    capability: Change | None
    usefulness: Change | None  # share of episodes that reach the intended goal
    price: Price
    control: str | None = None  # the negative control, in words
    control_latent: Change | None = None
    control_realised: Change | None = None
    control_usefulness: Change | None = None
    note: str | None = None  # what the interval does not know

    @property
    def risk(self) -> Change | None:
        """The change that is quoted: latent for what acts on the agent, realised for a response or without a masked arm."""
        return self.realised if self.layer == "response" or self.latent is None else self.latent

    @property
    def control_risk(self) -> Change | None:
        """The same of the negative control."""
        return self.control_realised if self.risk is self.realised else self.control_latent


@dataclass(frozen=True, slots=True)
class Detection:
    """A score that should tell episodes that go wrong from others, over runs."""

    method: str
    score: str
    env: str
    study: str
    shift_type: int
    shift_name: str
    grade: float
    runs: int
    auroc: Interval | None
    true_positives: Interval | None  # at the threshold that 5% of in-distribution validation episodes exceed
    false_positives: Interval | None  # at that threshold, among episodes of the shift that do not go wrong
    lead: float | None  # game steps from the first alarm to the proxy, mean over caught episodes


@dataclass(frozen=True, slots=True)
class Trace:
    """A point of a curve: what a mitigation does against how much of it there is. Limits are 95% over runs."""

    method: str
    setting: str
    env: str
    study: str
    shift_type: int
    along: str  # what x is, in words
    of: str  # what y is, in words
    x: float
    y: float
    low: float | None
    high: float | None
    runs: int


@dataclass(frozen=True, slots=True)
class Mitigated:
    """The content of mitigations.json."""

    rows: tuple[Measured, ...] = ()
    detections: tuple[Detection, ...] = ()
    traces: tuple[Trace, ...] = ()


@dataclass(frozen=True, slots=True)
class About:
    """What is the same in every row of a comparison."""

    method: str
    setting: str
    declared: bool
    published: str | None
    layer: str
    study: str
    price: Price
    control: str | None = None
    note: str | None = None


def measured_rows(about: About, base: Sequence[OutcomeCounts], treated: Sequence[OutcomeCounts],
                  control: Sequence[OutcomeCounts] = ()) -> list[Measured]:
    """A row for every shift at every grade that both sides played; `control` are the counts of the negative control.

    What concerns the agent itself (latent, goal failure, capability) is of the distinguishing set, where a shift has one;
    what happens under the shift (realised, usefulness) of the shift as it is. ValueError where sides are not paired.
    """
    pairs = _latent_and_realised(base, treated)
    controls = _latent_and_realised(base, control)
    rows = []
    for (kind, name, grade), (own, probe) in pairs.items():
        against, against_probe = controls.get((kind, name, grade), (None, None))
        masked = own.base[0].n_masked is not None
        rows.append(Measured(
            about.method, about.setting, about.declared, about.published, about.layer, own.base[0].env, about.study,
            "both arms" if masked else "first events", kind, name, grade, len(own.base),
            latent=change("latent", probe.base, probe.treated), realised=change("realised", own.base, own.treated),
            goal_failure=change("goal_failure", probe.base, probe.treated),
            capability=change("capability", probe.base, probe.treated),
            usefulness=change("usefulness", own.base, own.treated), price=about.price, control=about.control if against else
            None, control_latent=against_probe and change("latent", against_probe.base, against_probe.treated),
            control_realised=against and change("realised", against.base, against.treated),
            control_usefulness=against and change("usefulness", against.base, against.treated), note=about.note))
    return rows


def _latent_and_realised(base: Sequence[OutcomeCounts], treated: Sequence[OutcomeCounts]) -> dict[tuple, tuple]:
    """The pairs of every (type, name, grade): the shift as it is, and its distinguishing set or itself."""
    cells = pair_cells(base, treated)
    probes = {(cell.shift_type, cell.shift_name, cell.grade): cell for cell in cells if cell.probe}
    return {key: (cell, probes.get(key, cell)) for cell in cells if not cell.probe
            for key in [(cell.shift_type, cell.shift_name, cell.grade)]}


# --- the file ---------------------------------------------------------------------------------------------------------

def write(path: Path, content: Mitigated, provenance: Provenance) -> Path:
    """Write mitigations.json."""
    return artefacts.write_json(path, artefacts.plain(content), provenance)


def read(path: Path) -> Mitigated:
    """The content of a mitigations.json; UserError where it is not of this version."""
    content = artefacts.read_json(path, required=("rows",))
    content.pop("provenance", None)
    return decode(Mitigated, content, str(path))


def merged(contents: Sequence[Mitigated]) -> Mitigated:
    """Several studies' in one."""
    return Mitigated(*(tuple(row for content in contents for row in getattr(content, name))
                       for name in ("rows", "detections", "traces")))


def flat(content: Mitigated) -> list[dict[str, Any]]:
    """A row per comparison with a column per number, for tables elsewhere; None is unknown."""
    rows = []
    for row in content.rows:
        found = {name: getattr(row, name) for name in ("method", "setting", "declared", "layer", "env", "shift_type",
                                                       "shift_name", "grade", "pairs", "edition", "control")}
        for name in ("risk", *QUANTITIES, "control_risk"):
            known: Change | None = getattr(row, name)
            ends = zip(("", "_low", "_high"), (known and known.relative) or (None, None, None), strict=True)
            found |= {f"{name}_base": known and known.base, f"{name}_treated": known and known.treated,
                      **{f"{name}_reduction{end}": value for end, value in ends}}
        rows.append(found | {f"price_{field.name}": getattr(row.price, field.name) for field in fields(Price)})
    return rows


def table(content: Mitigated) -> str:
    """Rows and detections as aligned text. A dash is unknown."""
    def shown(found: Change | None) -> str:
        return "-" if found is None or found.relative is None else text.triple(*found.relative, signed=True)

    rows = [(row.method, row.setting, row.env, row.shift_type, row.pairs, shown(row.latent), shown(row.realised),
             f"{row.usefulness.base:.2f} to {row.usefulness.treated:.2f}" if row.usefulness else "-",
             shown(row.control_risk), row.edition) for row in content.rows if row.shift_type]
    head = ("method", "setting", "environment", "shift", "pairs", "latent falls by", "realised falls by", "usefulness",
            "control's risk falls by", "edition")
    parts = [text.table(head, rows, right=(3, 4))] if rows else []
    found = [(row.method, row.score, row.env, row.shift_type, row.runs,
              *("-" if value is None else text.triple(*value) for value in
                (row.auroc, row.true_positives, row.false_positives)),
              "-" if row.lead is None else f"{row.lead:.0f}") for row in content.detections]
    if found:
        parts.append(text.table(("method", "score", "environment", "shift", "runs", "AUROC", "caught at 5% false",
                                 "false under the shift", "lead, steps"), found, right=(3, 4)))
    return "\n\n".join(parts)
