"""Runs as jobs of Slurm, or of submitit's local executor, and the end of those that an earlier launch left."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from gmexp.support.errors import UserError, first_line
from gmexp.training.config import LauncherConfig
from gmexp.training.notes import Watch, far
from gmexp.training.workers import Failure, Work, fitting

__all__ = ["end_jobs", "on_slurm", "processes"]

POLL_SECONDS = 1.0
# Slurm's states of a job that would end no better a second time; a time limit was dealt with by submitit
ENDED_FOR_GOOD = ("CANCELLED", "OUT_OF_MEMORY", "TIMEOUT", "DEADLINE")
LAST_LINES = 20  # of a lost job's stderr that are kept
GONE_SECONDS = 120.0  # jobs that were told to end get this long; Slurm itself gives them 30 s


class _Job:
    """A task that asks to be queued again when its time is up or another job takes its place."""

    def __call__(self, *arguments: Any) -> Failure | None:
        return far(*arguments)

    def checkpoint(self, *arguments: Any) -> Any:
        """submitit calls this before Slurm ends the job; the run's last full state is on disk already."""
        import submitit

        return submitit.helpers.DelayedSubmission(self, *arguments)


def on_slurm(config: LauncherConfig, tasks: Sequence[Any], work: Work, workers: int | None, scratch: Path,
             advance: Callable[[int], None], settled: Callable[[int], None]) -> dict[int, Failure]:
    """A Slurm job per run, all of them one array; a job whose machine is lost is submitted again, `retries` times.

    Jobs outlive this process: `end_jobs` finds them by their folder.
    """
    import submitit

    cluster = config.cluster or submitit.AutoExecutor.which()
    most = len(tasks)  # submitted at once: Slurm's array holds the others back, submitit's local executor does not
    if cluster != "slurm":
        most = min(workers or fitting(len(tasks), config.memory_gb * 2**30), most)
    submit = _submission(config, cluster, workers or len(tasks), scratch)
    watch, failures, pending, lost = Watch(scratch, advance), {}, {}, Counter()
    todo = list(range(len(tasks)))[::-1]
    while todo or pending:
        if begun := [todo.pop() for _ in range(min(len(todo), most - len(pending)))]:
            jobs = submit([(work, tasks[position], scratch / f"{position}.done") for position in begun])
            pending |= dict(zip(begun, jobs, strict=True))
        time.sleep(POLL_SECONDS)
        for position, job in [(p, j) for p, j in pending.items() if j.done()]:
            del pending[position]
            try:
                failure = job.result()
            except (submitit.core.utils.UncompletedJobError, submitit.core.utils.FailedJobError) as error:
                lost[position] += 1
                if lost[position] <= config.retries and not job.state.startswith(ENDED_FOR_GOOD):
                    todo.append(position)
                    continue
                failure = Failure(f"lost {lost[position]} times on Slurm: job {job.job_id} ended {job.state}: "
                                  f"{first_line(error)}", _last_words(job))
            if failure is not None:
                failures[position] = failure
            settled(len(tasks) - len(todo) - len(pending))
        watch.look()
    return failures


def _submission(config: LauncherConfig, cluster: str, side_by_side: int, scratch: Path
                ) -> Callable[[list[tuple]], list[Any]]:
    """What submits jobs, given the arguments of each -> submitit's jobs; UserError where that is refused."""
    import submitit

    def refused(error: Exception) -> UserError:
        return UserError(f"cannot submit to launcher.cluster={config.cluster}: {first_line(error)}")

    complaints = (RuntimeError, NameError, ValueError, TypeError, submitit.core.utils.FailedJobError)
    try:
        executor = submitit.AutoExecutor(scratch / cluster, cluster=cluster, slurm_max_num_timeout=config.retries)
        executor.update_parameters(**{"name": "gmexp", "mem_gb": config.memory_gb,
                                      "slurm_array_parallelism": side_by_side} | config.options)
    except complaints as error:
        raise refused(error) from error

    def submit(arguments: list[tuple]) -> list[Any]:
        try:
            with executor.batch():
                jobs = [executor.submit(_Job(), *each) for each in arguments]
            return jobs
        except complaints as error:
            raise refused(error) from error

    return submit


def _last_words(job: Any) -> str | None:
    """The end of what a lost job wrote on stderr: its file goes with the launch's notes."""
    with contextlib.suppress(OSError, UnicodeError):
        return "\n".join((job.stderr() or "").splitlines()[-LAST_LINES:]) or None
    return None


def end_jobs(scratch: Path) -> None:
    """End the jobs that are left of a launch, wait until they are gone, and remove the folder."""
    deadline = time.monotonic() + GONE_SECONDS
    for folder, left, end in ((scratch / "slurm", _queued, _cancel), (scratch / "local", processes, _kill)):
        while folder.is_dir() and (found := left(folder)):
            if time.monotonic() > deadline:
                raise UserError(f"earlier jobs on {folder.name} do not end: end {', '.join(found)} and start again")
            end(found)
            time.sleep(POLL_SECONDS)
    shutil.rmtree(scratch, ignore_errors=True)


def _queued(folder: Path) -> list[str]:
    """Slurm's jobs that were submitted from the folder and are queued, running or on their way out."""
    if not (submitted := {path.name.removesuffix("_submission.sh") for path in folder.glob("*_submission.sh")}):
        return []
    try:
        said = subprocess.run(["squeue", "--me", "--noheader", "--format=%F"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise UserError(f"cannot ask Slurm whether jobs of an earlier start are left: {first_line(error)}; if none are, "
                        f"remove {folder}") from error
    return sorted(submitted & set(said.stdout.split()))


def _cancel(jobs: Sequence[str]) -> None:
    subprocess.run(["scancel", *jobs], capture_output=True, check=False)  # it complains of those that are ending


def processes(folder: Path) -> list[str]:
    """Processes of submitit's local executor that work in the folder, the jobs and those that watch over them."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # gone meanwhile
            *words, last = os.fsdecode(entry.read_bytes()).removesuffix("\0").split("\0")
            if any(word.startswith("submitit.") for word in words) and os.path.realpath(last) == os.path.realpath(folder):
                found.append(entry.parent.name)
    return found


def _kill(processes: Sequence[str]) -> None:
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(process), signal.SIGKILL)
