"""`gmexp show`: the command; the pictures are made in `gallery`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gmexp.cli.options import choice, Command, either, listing, number, Option, place, shift_type, text, whole
from gmexp.support.errors import UserError
from gmexp_envs import Task
from gmexp_envs.levels import SeedRange, split_levels
from gmexp_envs.task import FACTOR_NAMES

__all__ = ["main"]

COMMAND = Command(
    "show", "what the shifts do to levels, as pictures with the goals marked",
    (Option("shift", either("all", shift_type()), None, "shift type, or all four"),
     Option("factor", choice(*FACTOR_NAMES), None, "one factor alone instead"),
     Option("grades", listing(number(0, 1)), [0.0, 0.25, 0.5, 1.0], "grades, a column each"),
     Option("levels", whole(1, 64), 4, "held-out levels, a row each"),
     Option("env", text("name"), "coinrun", "environment, without a study or run"),
     Option("study", place("path"), None, "show what this study's agents meet, and put it into its report"),
     Option("run", place("path"), None, "show what the agent in this run's folder meets, on its own held-out levels"),
     Option("cell", whole(4, 64), None, "pixels across a cell; not set: what fills a column"),
     Option("out", place("path"), None, "PNG; not set is outputs/show/<shift>.png, or the study's figures/shifts.png")),
    "gmexp show shift=3 grades=[0,0.25,0.5,1]",
    "Without a study, levels are shifted from the default training distribution (conf/env/coinrun.yaml).")


def main(args: Sequence[str]) -> int:
    """`gmexp show key=value ...`"""
    values = COMMAND.parse(args)
    if values is None:
        return 0
    shift, factor = values["shift"], values["factor"]
    if (shift is None) == (factor is None):
        raise UserError("give either shift=0..4, shift=all or factor=appearance|context|correlation|supervision")
    if values["study"] and shift != "all" and not values["out"]:
        raise UserError("a study's report shows all types: give shift=all, or out=...")
    if values["study"] and values["run"]:
        raise UserError("give study=... or run=..., not both")
    from gmexp.artefacts.study import Study
    from gmexp.pages import gallery

    task, training, seeds = _levels(values)
    name = f"shift-{shift}" if factor is None else f"factor-{factor}"
    default = Study(Path(values["study"])).figures / "shifts.png" if values["study"] else Path("outputs", "show",
                                                                                               f"{name}.png")
    kinds = range(1, 5) if shift == "all" else [int(shift or 0)]
    print(gallery.write(task, training, kinds, factor, values["grades"], seeds, values["cell"],
                        Path(values["out"] or default)))
    return 0


def _levels(values: dict[str, Any]) -> tuple[Task, Any, SeedRange]:
    """What was trained on, and held-out levels: a run's own, those of a study's first train seed, or just the first."""
    from gmexp.artefacts.study import Study
    from gmexp.cli.config import load

    if values["run"]:
        from gmexp.agents.checkpoint import load_checkpoint
        from gmexp.evaluation.cells import own_levels

        checkpoint = load_checkpoint(values["run"])
        return checkpoint.task, checkpoint.training, own_levels(checkpoint, values["levels"])
    if values["study"]:
        from gmexp.pages.gallery import of_study

        return of_study(Study(Path(values["study"])), values["levels"])
    config = load("train", [f"env={values['env']}"])
    return config.task, config.training, split_levels("evaluation", values["levels"])
