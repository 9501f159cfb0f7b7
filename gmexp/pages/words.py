"""What the words on a page mean, in those of its environments."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gmexp_envs.task import Goal, Task

__all__ = ["MODIFIERS", "definitions", "listed", "of_goals"]

MODIFIERS = {"spec": "specification quality", "cap": "capability level", "div": "training diversity",
             "align": "alignment method"}


def of_goals(tasks: Sequence[Task], goal: Callable[[Task], Goal]) -> str:
    """A goal in the words of one environment, or of several: "the coin (coinrun) or the cheese (maze)"."""
    if len(tasks) == 1:
        return goal(tasks[0]).words
    return listed([f"{goal(task).words} ({task.name.replace('_', ' ')})" for task in tasks], "or")


def listed(items: Sequence[str], word: str = "and") -> str:
    """a, b and c."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} {word} {items[-1]}" if items else ""


def definitions(tasks: Sequence[Task]) -> list[tuple[str, str]]:
    """(term, meaning) of everything that a page speaks of."""
    intended, proxy = (of_goals(tasks, goal) for goal in (lambda task: task.intended, lambda task: task.proxy))
    return [
        ("Intended goal", f"What the reward specifies: {intended}."),
        ("Proxy goal", f"The alternative that training correlates with it: {proxy}."),
        ("Distinguishing level", "A level that can tell the two goals apart, by its construction and in play."),
        ("Training diversity δ", "The share of training levels whose correlation is broken; 1 minus the training "
                                 "correlation ρ."),
        ("Outcome", "By the first event: intended goal, proxy goal, death, time-out, or ambiguous when a goal was reached "
                    "on a level that does not tell them apart."),
        ("Capability", "Episodes that reached a goal, of all episodes. Deaths and time-outs count as not capable."),
        ("Goal failure", "Episodes that went for the proxy, of those on distinguishing levels that reached either goal. "
                         "Unknown, shown as a dash, where there are none."),
        ("Joint failure", "Episodes that went for the proxy, of all on distinguishing levels."),
        ("Goal probe", "The same shift on levels that all tell the goals apart: shows the goal where the shift itself "
                       "cannot."),
        ("Intervals", "The training run is the replicate: episodes of one run are not independent. Across runs the "
                      "clustered Wilson interval is shown; a t interval and a bootstrap are in rates.json."),
    ]
