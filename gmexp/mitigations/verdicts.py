"""What mitigations said of a candidate, kept in its folder: verdict.json, or of earlier studies verification.json."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gmexp import artefacts
from gmexp.agents.mitigation import Mitigation
from gmexp.artefacts.decode import decode
from gmexp.evaluation.plan import EvaluationPlan
from gmexp.mitigations import verification

if TYPE_CHECKING:
    from gmexp.agents.checkpoint import Checkpoint

FILE = "verdict.json"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a candidate counts, and why, by which mitigation."""

    passed: bool
    reason: str
    mitigation: str


def accepted(mitigation: Mitigation, checkpoint: Checkpoint, plan: EvaluationPlan) -> bool:
    """Ask a mitigation about a candidate, and keep its verdict. One without an opinion accepts everybody."""
    verdict = mitigation.accept(checkpoint, plan)
    if verdict is None:
        return True
    kept = Verdict(verdict.passed, verdict.reason, mitigation.name)
    origin = artefacts.provenance(None, {"run": checkpoint.meta.config_hash, "mitigation": mitigation.identity},
                                  "what a mitigation said of a candidate")
    artefacts.write_json(checkpoint.path.with_name(FILE), artefacts.plain(kept), origin)
    return verdict.passed


def read(folder: Path) -> Verdict | None:
    """The verdict on a candidate, of the mitigation that was asked last; None where none had an opinion."""
    path = folder / FILE
    if path.is_file():
        names = ("passed", "reason", "mitigation")
        return decode(Verdict, artefacts.read_json(path, required=names), str(path), extra=True)
    if (folder / verification.FILE).is_file():
        earlier = verification.read(folder)
        return Verdict(earlier.passed, earlier.reason, verification.Verification.name)
    return None
