"""`gmexp run`: a whole study. Runs already trained and evaluated are left as they are, so the same command goes on after
any stop; what follows from their episodes is made anew.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from gmexp import artefacts, stages
from gmexp.compilation import compile_kernels
from gmexp.config import EvaluationPlan, RunConfig, TrainConfig, override
from gmexp.errors import UserError
from gmexp.evaluate import cells, evaluate
from gmexp.filming import write_clips
from gmexp.measures.command import measure
from gmexp.progress import Bar
from gmexp.rates import check_replicates
from gmexp.study import Study, condition_labels
from gmexp.train import NOT_IDENTITY, describe, load_checkpoint, train
from gmexp.workers import available_cores, work_through

SAME_FOR_ALL = ("experiment", "seed", "device", *NOT_IDENTITY)  # keys that conditions cannot vary


def run(config: RunConfig) -> int:
    """`gmexp run`."""
    started = time.monotonic()
    study = Study(Path(config.out))
    planned = training_runs(config)
    with _locked(study.root):
        artefacts.remove_temporaries(study.root)
        compile_kernels()
        _train_and_evaluate(planned, config)
        metas = [study.finished(describe(item).run_id) for item in planned]
        origin = artefacts.provenance(None, dataclasses.asdict(config), f"study {config.experiment}")
        _film(study, planned, config.evaluation)
        study.write_index(config.experiment, dataclasses.asdict(config), metas, origin)
        stages.analyse(study, config)
    print(f"\n{study.report}  ({time.monotonic() - started:.0f} s)")
    return 0


def training_runs(config: RunConfig) -> list[TrainConfig]:
    """Every condition with every train seed; UserError for what would only show once they were trained."""
    base = TrainConfig(experiment=config.experiment, env=config.env, agent=config.agent, steps=config.steps, seed=0,
                       checkpoint_seconds=config.checkpoint_seconds, device=config.device, backend=config.backend,
                       threads=config.threads,
                       out=config.out, logger=config.logger)
    for key in (key for condition in config.conditions for key in condition):
        if key.split(".")[0] in SAME_FOR_ALL:
            raise UserError(f"conditions cannot vary {key}: it is the same for the whole study, and seeds=[...] lists "
                            "the train seeds of every condition")
    runs = [override(base, {**condition, "seed": seed}) for condition in config.conditions for seed in config.seeds]
    metas = [describe(item) for item in runs]
    if len({meta.run_id for meta in metas}) < len(runs):
        raise UserError("two of the conditions are the same")
    check_replicates(metas, condition_labels(metas))
    for item in runs:
        cells(item.env.distribution(), config.evaluation, item.seed)
    return runs


def _film(study: Study, planned: Sequence[TrainConfig], plan: EvaluationPlan) -> None:
    """Animate a few episodes of the first run of every condition."""
    first_seed = planned[0].seed
    for item in planned:
        if item.seed == first_seed:
            write_clips(study.run(describe(item).run_id), plan)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep a second `gmexp run` out of the folder; the lock goes with the process, however it ends."""
    if os.name != "posix":
        yield
        return
    import fcntl

    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = open(folder / ".lock", "w")
    except OSError as error:
        raise UserError(f"cannot write to {folder}: {error.strerror}") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise UserError(f"another gmexp run is working in {folder}: wait for it or give another out=...") from error
        yield


# --- runs side by side ------------------------------------------------------------------------------------------------

def _train_and_evaluate(planned: Sequence[TrainConfig], config: RunConfig) -> None:
    """Train and evaluate every run, as many at a time as there are cores."""
    workers = min(config.workers or available_cores(), len(planned))
    tasks = [(item, config.evaluation, config.measures) for item in planned]
    with Bar(sum(item.steps for item in planned), f"train {len(planned)} runs, {workers} at a time", "step") as bar:
        failures = work_through(tasks, _work, workers, bar.advance,
                                lambda count: bar.note(f"{count}/{len(planned)} evaluated"))
    if not failures:
        return
    first, failure = next(iter(failures.items()))
    if failure.details is not None:
        print(failure.details, file=sys.stderr)
    raise UserError(f"{len(failures)} of {len(planned)} runs failed, the first being {describe(planned[first]).run_id}: "
                    f"{failure.reason}; the same command tries them again and keeps the others")


def _work(task: tuple[TrainConfig, EvaluationPlan, list[str]], report: Callable[[int], None]) -> None:
    """One run, trained, evaluated and measured."""
    config, plan, measures = task
    checkpoint = load_checkpoint(train(config, report), config.device)
    evaluate(checkpoint, plan)
    measure(checkpoint, measures, plan)
