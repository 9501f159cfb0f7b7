"""`gmexp run`: a whole study. Runs already trained and evaluated are left as they are, so the same command goes on after
any stop; what follows from their episodes is made anew.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from gmexp import artefacts, stages
from gmexp.compilation import compile_kernels
from gmexp.config import EvaluationPlan, RunConfig, TrainConfig, override
from gmexp.errors import UserError
from gmexp.evaluate import cells, evaluate
from gmexp.filming import write_clips
from gmexp.launchers import launch
from gmexp.measures.command import measure
from gmexp.progress import Bar
from gmexp.rates import check_replicates
from gmexp.study import Study, condition_labels
from gmexp.train import NOT_IDENTITY, describe, load_checkpoint, train
from gmexp.workers import Failure

SAME_FOR_ALL = ("experiment", "seed", "device", *NOT_IDENTITY)  # keys that conditions cannot vary


def run(config: RunConfig) -> int:
    """`gmexp run`."""
    started = time.monotonic()
    study = Study(Path(config.out))
    planned = training_runs(config)
    with _locked(study.root):
        artefacts.remove_temporaries(study.root)
        compile_kernels()
        failures = _train_and_evaluate(planned, config)
        failed = {describe(planned[position]).run_id: failure.reason for position, failure in sorted(failures.items())}
        complete = [item for position, item in enumerate(planned) if position not in failures]
        try:
            if complete:
                _conclude(study, complete, failed, config)
        finally:
            _complain(failed, failures.values(), len(planned))
    if complete:
        print(f"\n{study.report}  ({time.monotonic() - started:.0f} s)")
    return 1 if failed else 0


def _conclude(study: Study, complete: Sequence[TrainConfig], failed: dict[str, str], config: RunConfig) -> None:
    """Everything after the episodes, over the runs that are complete; study.json lists those that failed too."""
    metas = [study.finished(describe(item).run_id) for item in complete]
    origin = artefacts.provenance(None, dataclasses.asdict(config), f"study {config.experiment}")
    _film(study, complete, config.evaluation)
    study.write_index(config.experiment, dataclasses.asdict(config), metas, origin, failed)
    stages.analyse(study, config)


def _complain(failed: dict[str, str], failures: Iterable[Failure], planned: int) -> None:
    """Say on stderr which runs failed and why; nothing if none did."""
    if not failed:
        return
    for details in dict.fromkeys(failure.details for failure in failures if failure.details is not None):
        print(details, file=sys.stderr)
    print(f"\n{len(failed)} of {planned} runs failed; the same command tries them again and keeps the others:",
          file=sys.stderr)
    for run_id, reason in failed.items():
        print(f"  {run_id}: {' '.join(reason.split())}", file=sys.stderr)


def training_runs(config: RunConfig) -> list[TrainConfig]:
    """Every condition with every train seed; UserError for what would only show once they were trained."""
    base = TrainConfig(experiment=config.experiment, env=config.env, agent=config.agent, steps=config.steps, seed=0,
                       checkpoint_seconds=config.checkpoint_seconds, device=config.device, backend=config.backend,
                       threads=config.threads, out=config.out, logger=config.logger)
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
    metas = [describe(item) for item in planned]
    filmed = condition_labels(metas)
    for run_id in {label: run_id for run_id, label in reversed(filmed.items())}.values():
        write_clips(study.run(run_id), plan)


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

def _train_and_evaluate(planned: Sequence[TrainConfig], config: RunConfig) -> dict[int, Failure]:
    """Train, evaluate and measure every run -> what failed, by its position."""
    tasks = [(item, config.evaluation, config.measures) for item in planned]
    with Bar(sum(item.steps for item in planned), f"train {len(planned)} runs", "step") as bar:
        return launch(config.launcher, tasks, _work, config.workers, Study(Path(config.out)).scratch, bar.advance,
                      lambda count: bar.note(f"{count}/{len(planned)} evaluated"))


def _work(task: tuple[TrainConfig, EvaluationPlan, list[str]], report: Callable[[int], None]) -> None:
    """One run, trained, evaluated and measured."""
    config, plan, measures = task
    compile_kernels()  # on another machine for the first time
    checkpoint = load_checkpoint(train(config, report), config.device)
    evaluate(checkpoint, plan)
    measure(checkpoint, measures, plan)
