"""The shift types in words: conf/shift/*.yaml, and what the published model says of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from gmexp.calculator.tables import shift_types
from gmexp.cli.help import config_folder
from gmexp.support.errors import UserError

FACTORS = {
    "appearance": "The share of themes (walls, agent, enemies, crates, background) drawn from those held out of "
                  "training.",
    "context": "Harder circumstances: at 1, half of the levels have the hardest layout, half have walking enemies, and "
               "gravity is 15% stronger.",
    "correlation": "How the coin's place goes with the end: at 1 it is always there, at 0 its place does not depend on "
                   "the end, at -1 it is always opposite.",
    "supervision": "The share of levels with a decoy at the end and of those that go on after the coin; the horizon "
                   "grows by as much.",
}  # fmt: skip


@dataclass(frozen=True)
class ShiftText:
    """One shift type in words; `gmexp_envs.shifts` holds what it does, and a test compares the two."""

    type: int
    name: str
    key_factor: str  # what changes, in the model's words
    here: str  # what changes in our environment
    at_grade_1: Mapping[str, float]  # targets of the factors that move

    @property
    def title(self) -> str:
        return f"Shift {self.type}: {self.name.replace('_', ' ')}"

    @property
    def published(self) -> Mapping[str, Any] | None:
        """The row of the published table, None for type 0."""
        return next((row for row in shift_types() if row["type"] == self.type), None)


@cache
def read_ladder() -> tuple[ShiftText, ...]:
    """All types in order."""
    found = []
    for path in (config_folder() / "shift").glob("*.yaml"):
        try:
            entry = OmegaConf.to_container(OmegaConf.load(path))
            if sorted(entry) != sorted(f.name for f in fields(ShiftText)):
                raise UserError(f"{path} should have the keys {', '.join(f.name for f in fields(ShiftText))}")
            found.append(ShiftText(**entry))
        except (OmegaConfBaseException, OSError, ValueError, TypeError) as error:
            raise UserError(f"{path} does not describe a shift: {str(error).splitlines()[0]}") from error
    return tuple(sorted(found, key=lambda text: text.type))


def published(text: ShiftText) -> str:
    """What the model says of a type, in a sentence."""
    row = text.published
    if row is None:
        return "The published model has no rates for it."
    return (f"The published model: key factor “{row['key_factor']}”, for example {row['examples'].lower()}; "
            f"P(capability) {row['capability']:.2f}, P(goal fails | capability) {row['goal_failure']:.2f}.")
