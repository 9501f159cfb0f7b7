"""Goals and labels as text, the same in every figure; shifts are `gmexp.rates.text`'s."""

from __future__ import annotations

from functools import cache
from typing import Any

from gmexp_envs import task_of
from gmexp_envs.task import Goal, Task, ladder

__all__ = ["UnknownTask", "capital", "plural", "words_of", "wrapped"]


class UnknownTask(Task[Any]):
    """Words for an environment of which only counts are here: other people's, or one of a plugin that is not installed.
    There is nothing to play."""

    family = "unknown"
    intended = Goal("intended goal", "the intended goal", "#56B4E9", round=True)
    proxy = Goal("proxy goal", "the proxy goal", "#E69F00")
    factors = ()
    facts = ()
    shifts = ladder(("What training did not see, drawn as training drew its own.",
                     "Only what can be seen or read.",
                     "That, and the circumstances.",
                     "That, and what the reward used to go with.",
                     "That, and nothing that supervised the agent holds."))

    def __init__(self, name: str) -> None:
        self.name = name or "unknown environment"


@cache
def words_of(env: str) -> Task:
    """The task of an environment as counts name it; where there is none, general words (`UnknownTask`)."""
    try:
        return task_of(env)
    except ValueError:
        return UnknownTask(env)


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
