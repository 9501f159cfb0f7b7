"""`gmexp show`: the command; the pictures are made in `gallery`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gmexp.errors import UserError
from gmexp.keyvalue import Command, Option, choice, listing, number, text, whole

__all__ = ["main"]

COMMAND = Command(
    "show", "what the shifts do to levels, as pictures with coin and end marked",
    (Option("shift", choice("0", "1", "2", "3", "4", "all"), None, "shift type, or all four"),
     Option("factor", choice("appearance", "context", "correlation", "supervision"), None, "one factor alone instead"),
     Option("grades", listing(number(0, 1)), [0.0, 0.25, 0.5, 1.0], "grades, a column each"),
     Option("levels", whole(1, 64), 4, "levels of the evaluation split, a row each"),
     Option("study", text("path"), None, "show what this study's agents meet, and put it into its report"),
     Option("cell", whole(4, 64), 12, "pixels across a cell"),
     Option("out", text("path"), None, "PNG; not set is outputs/show/<shift>.png, or the study's figures/shifts.png")),
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
    from gmexp import gallery  # with torch and numba: seconds that help need not wait for
    from gmexp.compilation import compile_kernels
    from gmexp.config import EnvConfig, load
    from gmexp.study import Study

    study = Study(Path(values["study"])) if values["study"] else None
    try:
        env = EnvConfig(**study.read_index()["config"]["env"]) if study else load("train", []).env
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{study.index} does not say what its agents were trained on: {error!r}") from error
    name = f"shift-{shift}" if factor is None else f"factor-{factor}"
    default = study.figures / "shifts.png" if study else Path("outputs", "show", f"{name}.png")
    compile_kernels()
    kinds = range(1, 5) if shift == "all" else [int(shift or 0)]
    print(gallery.write(env.distribution(), kinds, factor, values["grades"], values["levels"], values["cell"],
                        Path(values["out"] or default)))
    return 0
