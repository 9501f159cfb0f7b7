"""`gmexp calculator`: the command; the page is made in `pages.calculator_page`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gmexp.cli.options import Command, Option, place

__all__ = ["main"]

COMMAND = Command(
    "calculator", "the calculator as one interactive HTML page, to be opened in a browser",
    (Option("calibration", place("path of a calibration"), None, "instead of the shipped one"),
     Option("out", place("path of an HTML file"), "calculator.html", "write the page there")),
    "gmexp calculator calibration=results/calibration/calibration.json out=calculator.html")


def main(args: Sequence[str]) -> int:
    """`gmexp calculator key=value ...`"""
    values = COMMAND.parse(args)
    if values is None:
        return 0
    from gmexp.artefacts.writer import write_bytes
    from gmexp.calculator.calibrated import load_calibration
    from gmexp.pages.calculator_page import page

    chosen = values["calibration"]
    print(write_bytes(Path(values["out"]), page(load_calibration(chosen), chosen).encode()))
    return 0
