"""The table of figures, and a study's figures drawn: SVG for pages and for git, PNG for READMEs and trackers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path

import matplotlib

from gmexp import artefacts
from gmexp.artefacts.study import Study
from gmexp.figures import (
    attribution, base_rates, between_runs, chart, critic, diversity, environments, factors, forest, grades, magnitudes,
    mitigation_curves, mitigations, modifiers, prior_to_posterior, rates, reliability, style, tornado, training,
)
from gmexp.figures.data import StudyData
from gmexp.figures.figure import Figure
from gmexp.support.errors import UserError, first_line

__all__ = ["FIGURES", "draw_all", "drawn", "known", "prepare"]

FIGURES: tuple[Figure, ...] = (
    environments.FIGURE, rates.FIGURE, diversity.FIGURE, grades.FIGURE, between_runs.FIGURE, attribution.FIGURE,
    critic.FIGURE, factors.FIGURE, magnitudes.FIGURE, mitigations.FIGURE, mitigation_curves.FIGURE, base_rates.FIGURE,
    forest.FIGURE, modifiers.FIGURE, chart.FIGURE, prior_to_posterior.FIGURE, reliability.FIGURE, tornado.FIGURE,
    training.FIGURE,
)


@cache
def known() -> tuple[Figure, ...]:
    """All figures: those of the table, then those of plugins (entry points `gmexp.figures`) by name.

    UserError where a plugin cannot be imported, is no `Figure` or takes another's name.
    """
    found = {figure.name: figure for figure in FIGURES}
    for point in sorted(entry_points(group="gmexp.figures"), key=lambda point: point.name):
        try:
            figure = point.load()
        except (ImportError, AttributeError) as error:
            raise UserError(f"the figure {point.name} cannot be imported from {point.value}: {first_line(error)}") from error
        if not isinstance(figure, Figure):
            raise UserError(f"{point.value} should be a gmexp.figures.figure.Figure, not a {type(figure).__name__}")
        if found.setdefault(figure.name, figure) is not figure:
            raise UserError(f"{point.value} is named {figure.name!r} as another figure is: give it a name of its own")
    return tuple(found.values())


def prepare(study: Study) -> None:
    """Write the artefacts that figures bring with them; the end of the stage `rates`."""
    for figure in known():
        if figure.prepare is not None:
            figure.prepare(study)


def draw_all(study: StudyData | Path, suffixes: Sequence[str] = style.SUFFIXES) -> list[Path]:
    """Draw every figure that the study has the artefacts for into its figures folder."""
    data = study if isinstance(study, StudyData) else StudyData(study)
    return [artefacts.write_bytes(data.study.figures / name, content) for name, content in drawn(data, suffixes)]


def drawn(data: StudyData, suffixes: Sequence[str] = style.SUFFIXES) -> Iterator[tuple[str, bytes]]:
    """(file name, content) of every figure that the study has the artefacts for; `data` keeps those that a page links."""
    for figure in known():
        with matplotlib.rc_context(style.STYLE):
            if (picture := figure.draw(data)) is not None:
                if figure.runs and data.runs:
                    data.pictures[figure.name] = picture
                for suffix, content in style.render(picture, suffixes).items():
                    yield f"{figure.name}.{suffix}", content
