"""`gmexp run`: a whole study. Every stage skips what is already there, so the same command goes on after any stop."""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import multiprocessing
import os
import queue
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from gmexp import artefacts, stages
from gmexp.config import EvaluationPlan, RunConfig, TrainConfig, override
from gmexp.errors import UserError
from gmexp.progress import Bar
from gmexp.study import Study
from gmexp.train import describe
from gmexp.watch import write_clips

POLL_SECONDS = 0.2


def run(config: RunConfig) -> int:
    """`gmexp run`."""
    started = time.monotonic()
    study = Study(Path(config.out))
    planned = training_runs(config)
    with _locked(study.root):
        _train_and_evaluate(planned, config)
        metas = [study.finished(describe(item).run_id) for item in planned]
        origin = artefacts.provenance(None, dataclasses.asdict(config), f"study {config.experiment}")
        _film(study, planned, config.evaluation)
        study.write_index(config.experiment, dataclasses.asdict(config), metas, origin)
        stages.analyse(study, config)
    print(f"\n{study.report}  ({time.monotonic() - started:.0f} s)")
    return 0


def training_runs(config: RunConfig) -> list[TrainConfig]:
    """Every condition with every train seed."""
    base = TrainConfig(experiment=config.experiment, env=config.env, agent=config.agent, steps=config.steps, seed=0,
                       checkpoint_seconds=config.checkpoint_seconds, device=config.device, out=config.out,
                       logger=config.logger)
    runs = [override(base, {**condition, "seed": seed}) for condition in config.conditions for seed in config.seeds]
    if len({describe(item).run_id for item in runs}) < len(runs):
        raise UserError("two of the conditions are the same")
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

_messages: multiprocessing.queues.Queue | None = None  # of a worker process: where it reports progress


def _train_and_evaluate(planned: Sequence[TrainConfig], config: RunConfig) -> None:
    """Train and evaluate every run, one process each, as many at a time as there are cores."""
    workers = min(config.workers or _cores(), len(planned))
    context = multiprocessing.get_context("spawn")
    messages = context.Queue()
    failures: dict[str, BaseException] = {}
    pool = concurrent.futures.ProcessPoolExecutor(workers, context, _start_worker, (messages, os.getpid()))
    total = sum(item.steps for item in planned)
    try:
        with Bar(total, f"train {len(planned)} runs on {workers} cores", "step") as bar:
            futures = {pool.submit(_work, item, config.evaluation): describe(item).run_id for item in planned}
            waiting = set(futures)
            while waiting:
                done, waiting = concurrent.futures.wait(waiting, POLL_SECONDS)
                _drain(messages, bar)
                for future in done:
                    if future.exception() is not None:
                        failures[futures[future]] = future.exception()
                bar.note(f"{len(futures) - len(waiting)}/{len(futures)} evaluated")
            _drain(messages, bar)
    except BaseException:
        _stop(pool)
        raise
    pool.shutdown()
    if failures:
        first, error = next(iter(failures.items()))
        reason = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
        raise UserError(f"{len(failures)} of {len(planned)} runs failed, the first being {first}: {reason}; the same "
                        "command tries them again and keeps the others")


def _cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _drain(messages: multiprocessing.queues.Queue, bar: Bar) -> None:
    with contextlib.suppress(queue.Empty):
        while True:
            bar.advance(messages.get_nowait())


def _stop(pool: concurrent.futures.ProcessPoolExecutor) -> None:
    """End the workers at once; whatever they had not finished resumes from its last full state."""
    for process in list((pool._processes or {}).values()):
        process.terminate()
    pool.shutdown(cancel_futures=True)


def _start_worker(messages: multiprocessing.queues.Queue, parent: int) -> None:
    """Set up a worker: its interrupts are the parent's business, and it does not outlive the parent."""
    global _messages
    _messages = messages
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def follow_parent() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=follow_parent, daemon=True).start()


def _work(config: TrainConfig, plan: EvaluationPlan) -> None:
    """One run, trained and evaluated."""
    from gmexp.evaluate import evaluate
    from gmexp.train import train

    folder = train(config, _messages.put)
    evaluate(folder, plan, config.device)
