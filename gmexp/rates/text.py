"""How shifts, quantities with their intervals, and tables read as text: once, for terminal, figures and pages."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Protocol

__all__ = ["Quantity", "interval", "quantity", "shift_label", "shift_text", "table", "triple"]

UNKNOWN = "-"


class Quantity(Protocol):
    """A mean with an interval; None is unknown."""

    mean: float | None
    low: float | None
    high: float | None


class OfShift(Protocol):
    """Whatever belongs to a shift at a grade: a cell's rates, its counts, a contrast."""

    shift_type: int
    shift_name: str
    grade: float
    probe: bool


def shift_text(shift_type: int, shift_name: str, grade: float | None = None, probe: bool = False) -> str:
    """`3 significant at 0.5 (probe)`: the grade where it is not 1, and whether it is the distinguishing set."""
    at = f" at {grade:g}" if shift_type and grade not in (None, 1) else ""
    return f"{shift_type} {shift_name.replace('_', ' ')}{at}{' (probe)' * probe}"


def shift_label(row: OfShift) -> str:
    """The shift of a record as `shift_text` has it."""
    return shift_text(row.shift_type, row.shift_name, row.grade, row.probe)


def interval(low: float | None, high: float | None, signed: bool = False, digits: int = 2) -> str:
    """`[0.71, 0.91]`, `[-0.02, +0.08]` with signs, or a dash if unknown."""
    if low is None or high is None:
        return UNKNOWN
    sign = "+" if signed else ""
    return f"[{low:{sign}.{digits}f}, {high:{sign}.{digits}f}]"


def triple(mean: float | None, low: float | None, high: float | None, signed: bool = False, digits: int = 2) -> str:
    """`0.83 [0.71, 0.91]`; the mean alone where its interval is unknown, a dash where it is itself."""
    if mean is None:
        return UNKNOWN
    shown = f"{mean:{'+' if signed else ''}.{digits}f}"
    return shown if low is None or high is None else f"{shown} {interval(low, high, signed, digits)}"


def quantity(value: Quantity, signed: bool = False, digits: int = 2) -> str:
    """A quantity as `triple` has it."""
    return triple(value.mean, value.low, value.high, signed, digits)


def table(head: Sequence[str], rows: Sequence[Sequence[Any]], right: Collection[int] = (), rule: bool = True) -> str:
    """Aligned text, two spaces between columns.

    Arguments:
        head: the columns' titles.
        rows: their cells; None is a dash.
        right: columns that are aligned at their right, by position.
        rule: a line of dashes under the titles.
    """
    texts = [list(head), *([UNKNOWN if cell is None else str(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    if rule:
        texts.insert(1, ["-" * width for width in widths])
    return "\n".join("  ".join(cell.rjust(width) if position in right else cell.ljust(width)
                               for position, (cell, width) in enumerate(zip(row, widths, strict=True))).rstrip()
                     for row in texts)
