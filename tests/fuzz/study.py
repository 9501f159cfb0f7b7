"""A real, tiny study, each of its artefacts changed in turn, and everything that reads it."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path

from gmexp import artefacts
from gmexp.agents.checkpoint import load_checkpoint
from gmexp.artefacts import tables
from gmexp.artefacts.records import CurvePoint, Episode
from gmexp.artefacts.study import Study
from gmexp.calculator import Scenario
from gmexp.figures.data import StudyData
from gmexp.measures import pool
from gmexp.pages import study_page
from gmexp.rates import learning, over_runs
from gmexp.statistics.calibration import Calibration
from gmexp.statistics.counts import read_counts

from ..gmexp.tiny import AGENT, SAMPLER
from . import harness, mutate

STUDY = ("run", "experiment=quickstart", *AGENT, *SAMPLER, "steps=2048", "seeds=[0,1]",
         "evaluation.episodes=8", "evaluation.slots=8", "env.horizon=200", "evaluation.clips=1")
PAGES = 0.03  # share of inputs for which the whole page is built too
REPORTS = 0.002  # share for which the report is


def make(root: Path) -> Study:
    """A study of a minute."""
    harness.command([*STUDY, f"out={root}"])
    return Study(root)


def _calibration(study: Study) -> None:
    assert StudyData(study).calibration is not None
    Calibration.load(study.calibration).predict(Scenario(3))


def _rates(study: Study) -> None:
    if rates := StudyData(study).rates:
        over_runs.table(rates.cells), over_runs.contrast_table(rates)


def _of_run(read: Callable[[Study, str], object]) -> Callable[[Study], None]:
    def act(study: Study) -> None:
        for run in study.runs():
            read(study, run.run_id)
    return act


READERS: dict[str, Callable[[Study], object]] = {  # what reads a file, by its place
    "study.json": lambda study: (StudyData(study).runs, StudyData(study).conditions),
    "counts.parquet": lambda study: read_counts(study.counts),
    "rates.json": _rates,
    "measures.json": lambda study: pool.show(StudyData(study).measures),
    "learning.json": lambda study: learning.table(StudyData(study).learning),
    "estimate.json": lambda study: StudyData(study).published,
    "sensitivity.json": lambda study: StudyData(study).sensitivity,
    "calibration.*": _calibration,
    "runs/*/run.json": lambda study: study.gather(),
    "runs/*/checkpoint.npz": _of_run(lambda study, run: load_checkpoint(study.run(run))),
    "runs/*/episodes.parquet": _of_run(lambda study, run: tables.read_table(study.episodes(run), Episode)),
    "runs/*/curve.parquet": _of_run(lambda study, run: tables.read_records(study.curve(run), CurvePoint)),
    "runs/*/*": pool.pool,
    "*": lambda study: StudyData(study).between_runs,
}


def mutations(study: Study, scratch: Path) -> harness.Act:
    """What changes a file of a copy of the study, lets its readers read it, and puts it back."""
    copy = Study(Path(shutil.copytree(study.root, scratch / "study")))
    study_page.page(StudyData(copy))  # once, so that no input is charged with what is compiled or imported
    beyond = scratch / "beyond"
    beyond.mkdir()
    files = [path.relative_to(copy.root) for path in sorted(copy.root.rglob("*"))
             if path.suffix in (".json", ".npz", ".parquet") and path.is_file()]

    def act(rng: random.Random) -> None:
        name = rng.choice(files)
        path = copy.root / name
        before = path.read_bytes()
        try:
            path.write_bytes(_changed(rng, path, before))
            read = next(reader for pattern, reader in READERS.items() if fnmatch(str(name), pattern))
            chance = rng.random()
            if chance < REPORTS:
                harness.command(["report", f"study={copy.root}"])
            elif chance < PAGES:
                study_page.page(StudyData(copy))
            else:
                read(copy)
        finally:
            path.write_bytes(before)
            assert not any(beyond.iterdir()) and {p.name for p in scratch.iterdir()} == {"study", "beyond"}
    return act


def _changed(rng: random.Random, path: Path, before: bytes) -> bytes:
    if path.suffix == ".json" and rng.random() < 0.8:
        return mutate.as_json(rng, mutate.mutated_document(rng, json.loads(before)))
    if path.name == "checkpoint.npz" and rng.random() < 0.6:
        return _other_checkpoint(rng, path, before)
    return mutate.mutated_bytes(rng, before)


def _other_checkpoint(rng: random.Random, path: Path, before: bytes) -> bytes:
    """A whole file of arrays, of which what it says of itself, or an array, is another."""
    import numpy as np

    arrays = artefacts.unpack_npz(before, path)
    if rng.random() < 0.7:
        about = mutate.mutated_document(rng, json.loads(str(arrays["about"])))
        arrays["about"] = np.array(mutate.as_json(rng, about).decode("utf-8", "replace").replace("\0", " "))
    else:
        name = rng.choice(sorted(arrays))
        arrays[name] = rng.choice((np.zeros(3), np.full(arrays[name].shape, np.nan) if arrays[name].dtype.kind == "f" else
                                   np.array(-1), arrays[name].astype(str), np.zeros((0, 4), np.float32), np.array([True])))
    other = artefacts.write_npz(path.with_name("other.npz"), arrays)
    data = other.read_bytes()
    other.unlink()
    return data
