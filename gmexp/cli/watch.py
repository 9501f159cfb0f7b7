"""`gmexp watch`: the command; what it does is in `pages.films`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gmexp.cli.options import boolean, choice, Command, listing, number, Option, place, shift_type, text, whole
from gmexp.support.errors import UserError
from gmexp_envs.outcome import OUTCOMES

__all__ = ["main"]

NAMES = tuple(outcome.name for outcome in OUTCOMES)
COMMAND = Command(
    "watch", "chosen episodes of an agent as animations and a contact sheet",
    (Option("run", place("path"), None, "folder of a run, or its checkpoint; without agent, not set is shipped"),
     Option("agent", choice("proxy", "intended", "random"), None, "a scripted agent instead of a run"),
     Option("env", text("name"), "coinrun", "the environment of a scripted agent"),
     Option("shift", shift_type(), 3, "shift type"),
     Option("grade", number(0, 1), 1.0, "its grade"),
     Option("probe", boolean(), False, "the goal probe: levels that all tell the goals apart"),
     Option("outcomes", listing(choice(*NAMES, *map(str.lower, NAMES))), None, "which episodes; not set is any"),
     Option("episodes", whole(1, 99), 4, "how many, at most"),
     Option("levels", whole(1, 100_000), 200, "evaluation levels to play in search of them"),
     Option("seed", whole(0), 0, "of sampled actions"),
     Option("greedy", boolean(), False, "the most probable action instead of a sample"),
     Option("diversity", number(0, 1), 0.0, "scripted agents: diversity of the distribution that is shifted"),
     Option("format", choice("gif", "mp4", "sheet"), "gif", "animations, or only the contact sheet"),
     Option("size", whole(64, 2048), 448, "pixels across a picture"),
     Option("out", place("path"), None, "folder; not set is outputs/watch/<agent>/<shift>")),
    "gmexp watch run=outputs/quickstart/runs/<run id> shift=3 outcomes=[PROXY_GOAL,DEATH] episodes=4",
    "Marked are the goals, or where they lie and how many cells away. format=mp4 needs the package av.")


def main(args: Sequence[str]) -> int:
    """`gmexp watch key=value ...`"""
    values = COMMAND.parse(args)
    if values is None:
        return 0
    if values["run"] is not None and values["agent"] is not None:
        raise UserError("give either run=<folder or checkpoint> or agent=proxy|intended|random")
    if values["agent"] is None:
        values["run"] = values["run"] or "shipped"
    values["outcomes"] = tuple(OUTCOMES[NAMES.index(name.upper())]
                               for name in dict.fromkeys(values["outcomes"] or NAMES))
    values["out"] = values["out"] and Path(values["out"])
    from gmexp.pages.films import WatchPlan, watch
    from gmexp.support.startup import settle_torch

    settle_torch()
    agent = _agent(*(values.pop(name) for name in ("run", "agent", "env", "diversity")))
    for path in watch(agent, WatchPlan(**values)):
        print(path)
    return 0


def _agent(run: str | None, name: str | None, env: str, diversity: float) -> Any:
    """A run's checkpoint, or a scripted agent on an environment's default training distribution."""
    from gmexp.agents.checkpoint import load_checkpoint
    from gmexp.cli.config import load
    from gmexp.pages.films import Scripted

    if run is not None:
        return load_checkpoint(run)
    config = load("train", [f"env={env}", f"env.diversity={diversity}"])
    return Scripted(name, config.task, config.training)
