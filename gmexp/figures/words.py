"""Goals and labels as text, the same in every figure; shifts are `gmexp.rates.text`'s."""

from __future__ import annotations

from gmexp_envs.task import Goal

__all__ = ["capital", "plural", "wrapped"]


def wrapped(label: str) -> str:
    """A shift's label as a narrow column."""
    for short, broken in ((" ", "\n"), (" (", "\n("), (" at ", "\nat "), ("in distribution", "in\ndistribution")):
        label = label.replace(short, broken, 1)
    return label


def capital(text: str) -> str:
    """With a capital first letter."""
    return text[:1].upper() + text[1:]


def plural(goal: Goal) -> str:
    """A goal's name for several of them."""
    return goal.name if goal.name.endswith("s") else f"{goal.name}s"
