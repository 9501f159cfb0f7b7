"""Stage `report`: all figures of a study and its page; or of all studies in a folder, and the page over them."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from gmexp import artefacts
from gmexp.artefacts.study import Study
from gmexp.calculator import sensitivity
from gmexp.figures.bench import redraw
from gmexp.figures.catalogue import draw_all
from gmexp.figures.data import StudyData
from gmexp.pages import index_page
from gmexp.pages.start import LEVEL
from gmexp.pages.study_page import build_report
from gmexp.statistics.stage import drop_stale
from gmexp.support.errors import UserError
from gmexp.support.extras import missing_package
from gmexp.support.progress import Bar

__all__ = ["film", "report", "report_all"]

PICTURED_GRADES = (0.0, 0.5, 1.0)
PICTURED_LEVELS = 1
SEARCHED_LEVELS = 40  # for one on which the goals part


def report(study: Study) -> Path:
    """Draw, and build the page -> its path."""
    drop_stale(study)
    sensitivity.write(study)
    _picture(study)
    data = StudyData(study)
    draw_all(data)
    return build_report(data)


def film(study: Study, most: int) -> list[Path]:
    """Film up to `most` episodes by outcome of every run whose checkpoint is here -> the films that were missing.

    UserError where no run has a checkpoint, or the study does not say how it was evaluated.
    """
    from gmexp.evaluation.plan import EvaluationPlan
    from gmexp.pages.clips import film_six
    from gmexp.pages.runs import again

    index, runs = study.read_index(), [run.run_id for run in study.runs()]
    here = [run_id for run_id in runs if study.checkpoint(run_id).exists()]
    if not here:
        raise UserError(f"{study.root} has no checkpoints to film: `{again(index)}` in that folder trains the runs again")
    try:
        plan = EvaluationPlan(**index["config"]["evaluation"])
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{study.index} does not say how its agents were evaluated: {error!r}") from error
    if len(here) < len(runs):
        print(f"{len(runs) - len(here)} of {len(runs)} runs have no checkpoint here and are not filmed", file=sys.stderr)
    films = []
    with Bar(len(here), "films", "run") as bar:
        for run_id in here:
            films += film_six(study.run(run_id), plan, most)
            bar.advance(1)
    return films


def report_all(root: Path) -> list[Path]:
    """The same for every study in a folder, and the page over all of them -> what was written, pages last."""
    studies = index_page.found_studies(root)
    pages = [report(study) for study in studies]
    pooled = Study(root / index_page.POOLED)
    if pooled.calibration.exists():
        sensitivity.write(pooled)
        draw_all(pooled.root)
    redraw(root / "bench")
    level = root / "figures" / LEVEL
    source = next((path for study in studies if (path := study.figures / LEVEL).exists()), None)
    if source is not None and not level.exists():
        level.parent.mkdir(exist_ok=True)
        shutil.copyfile(source, level)
    return [*pages, *index_page.build(root)]


def _picture(study: Study) -> None:
    """Picture what the shifts do to a level of this study, and a level on which the goals part, unless that is there
    (`gmexp show` draws more of them). Without what engines need, say so and go on: the page does without."""
    shifts, level = study.figures / "shifts.png", study.figures / LEVEL
    if (shifts.exists() and level.exists()) or "env" not in (study.read_index()["config"] or {}):
        return
    from gmexp.pages import animation, gallery, level_picture

    try:
        if not shifts.exists():
            task, training, levels = gallery.of_study(study, PICTURED_LEVELS)
            gallery.write(task, training, range(1, 5), None, PICTURED_GRADES, levels, None, shifts)
        if not level.exists():
            picture = level_picture.draw(*gallery.of_study(study, SEARCHED_LEVELS))
            artefacts.write_bytes(level, animation.png(picture))
    except ImportError as error:
        if (lacking := missing_package(error.name)) is None:
            raise
        print(f"no pictures of levels in {study.figures}: {lacking}", file=sys.stderr)
    except UserError as error:
        print(f"no picture of a level in {study.figures}: {error}", file=sys.stderr)
