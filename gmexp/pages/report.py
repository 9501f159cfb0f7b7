"""Stage `report`: all figures of a study and its page."""

from __future__ import annotations

from pathlib import Path

from gmexp.artefacts.study import Study
from gmexp.calculator import sensitivity
from gmexp.figures.catalogue import draw_all
from gmexp.pages.study_page import build_report

PICTURED_GRADES = (0.0, 0.5, 1.0)
PICTURED_CELL = 10  # pixels
PICTURED_LEVELS = 1


def report(study: Study) -> Path:
    """Draw, and build the page -> its path."""
    sensitivity.write(study)
    _picture_shifts(study)
    draw_all(study.root)
    return build_report(study.root)


def _picture_shifts(study: Study) -> None:
    """Picture what the shifts do to a level of this study, unless that is there (`gmexp show` draws more of them)."""
    path = study.figures / "shifts.png"
    if path.exists() or "env" not in (study.read_index()["config"] or {}):
        return
    from gmexp.pages import gallery
    from gmexp.training.compilation import compile_kernels

    compile_kernels()
    task, training, levels = gallery.of_study(study, PICTURED_LEVELS)
    gallery.write(task, training, range(1, 5), None, PICTURED_GRADES, levels, PICTURED_CELL, path)
