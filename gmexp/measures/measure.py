"""The specification of a measure, and the table of the measures that there are."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from gmexp.measures.context import Context, MeasuredRun

MEASURES = {  # the measures that come with the package: where the `Measure` of each is
    "attribution": "gmexp.measures.attribution:MEASURE",
    "critic": "gmexp.measures.critic:MEASURE",
    "factors": "gmexp.measures.factors:MEASURE",
    "magnitude": "gmexp.measures.magnitude:MEASURE",
}
Need = Literal["semantic view", "goal in view"]


@dataclass(frozen=True)
class Measure:
    """A measure: what it finds of one run, and how runs are brought together.

    Its module must import without torch and numba: results are pooled and shown where there is neither, so `take` imports
    what it needs.
    """

    name: str
    words: str  # what it says of an agent, in a line
    row: type  # frozen dataclass: a row of the run's table
    pooled: type  # frozen dataclass: what is known over the runs of a study
    take: Callable[[Context], Sequence[Any] | Mapping[str, Any]]  # -> rows, or their columns by name
    size: Callable[[Context], int]  # how many units of progress `take` reports
    pool: Callable[[Sequence[MeasuredRun]], Sequence[Any]]  # measured runs in the conditions' order -> `pooled` records
    show: Callable[[Sequence[Any]], str]  # `pooled` records as text
    needs: frozenset[Need] = frozenset()  # of the agent or its environment; without it the measure cannot be taken
    older: Callable[[Path], Sequence[Any] | None] | None = None  # rows that earlier versions left in a run's folder

    @property
    def file(self) -> str:
        """The file's name in the run's folder."""
        return f"{self.name}.parquet"


def measure_names() -> list[str]:
    """Names of all measures there are, those of installed plugins (entry points `gmexp.measures`) included."""
    return [*MEASURES, *sorted({point.name for point in entry_points(group="gmexp.measures")} - set(MEASURES))]


@cache
def find_measure(name: str) -> Measure:
    """The measure of a name: one of `MEASURES`, a plugin's, or an import path "package.module:MEASURE".

    Raises ValueError where there is none.
    """
    plugins = {point.name: point.value for point in entry_points(group="gmexp.measures")}
    place = MEASURES.get(name) or plugins.get(name, name)
    module, separator, attribute = place.partition(":")
    if not separator:
        raise ValueError(f"measures names {name!r}: choose from {', '.join(measure_names())}, or give an import path such "
                         "as 'package.module:MEASURE'")
    try:
        measure = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"the measure {name!r} cannot be imported from {place}: {error}") from error
    if not isinstance(measure, Measure):
        raise ValueError(f"the measure {name!r}: {place} is a {type(measure).__name__}, not a Measure")
    return measure
