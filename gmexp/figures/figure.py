"""What a figure is: its name, its caption, where it stands on a page, and a function of a study that draws it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

import matplotlib.figure

from gmexp.artefacts.study import Study
from gmexp.figures.data import StudyData
from gmexp_envs.task import Task

__all__ = ["Figure", "Section"]


class Section(Enum):
    """Where on a study's page a figure stands."""

    RESULT = "result"
    CAUSES = "causes"
    CALIBRATION = "calibration"
    MODEL = "model"  # small ones of the calibration, side by side
    TRAINING = "training"


@dataclass(frozen=True)
class Figure:
    """A figure of a study. One file defines one, and the table `gmexp.figures.catalogue.FIGURES` names it; other people's
    come in by the entry point `gmexp.figures`.

    Within a section figures stand in the order of the table, plugins after them. The page over all studies shows the
    first few of each study by `rank`, and none that has no rank.
    """

    name: str  # of its files
    caption: str  # may name the goals: {intended.words}, {proxy.name}; see `Goal`
    section: Section
    draw: Callable[[StudyData], matplotlib.figure.Figure | None]  # None where the study lacks what it shows
    rank: int | None = None
    narrow: bool = False  # one column wide
    runs: bool = False  # some of its marks are runs: on a page each opens its run
    prepare: Callable[[Study], None] | None = None  # writes an artefact of its own, at the end of the stage `rates`

    def caption_of(self, task: Task) -> str:
        """The caption in the words of an environment."""
        return self.caption.format(intended=task.intended, proxy=task.proxy)
