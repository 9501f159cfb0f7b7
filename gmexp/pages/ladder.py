"""What the published model says of each shift type, in words."""

from __future__ import annotations

from gmexp.published.tables import shift_types


def published_rates(kind: int) -> list[str]:
    """The model's capability and goal failure of a type, as text."""
    row = next((row for row in shift_types() if row["type"] == kind), None)
    return ["–" if row is None else f"{row[key]:.2f}" for key in ("capability", "goal_failure")]


def published(kind: int) -> str:
    """What the model says of a type, in a sentence."""
    row = next((row for row in shift_types() if row["type"] == kind), None)
    if row is None:
        return "The published model has no rates for it."
    return (f"The published model: key factor “{row['key_factor']}”, for example {row['examples'].lower()}; "
            f"P(capability) {row['capability']:.2f}, P(goal fails | capability) {row['goal_failure']:.2f}.")
