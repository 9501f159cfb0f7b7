"""Where the runs of a study are computed: worker processes here, a Ray cluster, or Slurm.

Elsewhere than here, the study's folder must lie on a file system that all machines share: through it a run that lost
its machine goes on from its last full state, and the one that waits learns how far the others are.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from gmexp import artefacts
from gmexp.support.errors import UserError, first_line
from gmexp.training.config import LauncherConfig
from gmexp.training.workers import Failure, Work, attempt, fitting, work_through

POLL_SECONDS = 1.0
CONNECT_SECONDS = 10.0
REPORT_SECONDS = 5.0  # how often a run elsewhere writes down how far it is
GONE_SECONDS = 120.0  # jobs that were told to end get this long; Slurm itself gives them 30 s

Told = Callable[[int], None]


def launch(config: LauncherConfig, tasks: Sequence[Any], work: Work, workers: int | None, scratch: Path, advance: Told,
           settled: Told) -> dict[int, Failure]:
    """Do all tasks -> what failed, by the task's position (`workers.work_through` says what the arguments mean).

    `workers` is the most that run side by side, None for as many as fit. `scratch` is a shared folder for notes between
    the machines; it is removed at the end. Jobs in it of an earlier launch that was killed are ended first.
    """
    scratch = scratch.absolute()
    _end_jobs(scratch)
    if config.name == "local":
        count = min(workers, len(tasks)) if workers else fitting(len(tasks), config.memory_gb * 2**30)
        return work_through(tasks, work, count, advance, settled)
    elsewhere = {"ray": _on_ray, "slurm": _on_slurm}[config.name]
    scratch.mkdir(parents=True, exist_ok=True)
    try:
        failures = elsewhere(config, tasks, work, workers, scratch, advance, settled)
    except BaseException:
        _end_jobs(scratch)
        raise
    shutil.rmtree(scratch, ignore_errors=True)
    return failures


# --- progress through files -------------------------------------------------------------------------------------------

class _Note:
    """What a task reports, added up in a file. A task that is begun again counts from 0."""

    def __init__(self, path: Path) -> None:
        self._path, self._done, self._written = path, 0, -REPORT_SECONDS

    def __call__(self, amount: int) -> None:
        self._done += amount
        if time.monotonic() - self._written >= REPORT_SECONDS:
            self.write()

    def write(self) -> None:
        self._written = time.monotonic()
        with contextlib.suppress(UserError):  # a disk that is full stops the run, not its progress
            artefacts.write_text(self._path, str(self._done))


class _Watch:
    """All notes of a folder, and what was made of them so far."""

    def __init__(self, folder: Path, advance: Told) -> None:
        self._folder, self._advance, self._told = folder, advance, 0

    def look(self) -> None:
        """Tell how much was added since the last look (less than nothing where a run lost some of its work)."""
        found = 0
        for path in self._folder.glob("*.done"):
            with contextlib.suppress(OSError, ValueError):
                found += int(path.read_text())
        self._advance(found - self._told)
        self._told = found


def _far(work: Work, task: Any, note: Path) -> Failure | None:
    """One task on another machine."""
    report = _Note(note)
    failure = attempt(work, task, report)
    report.write()
    return failure


# --- Ray --------------------------------------------------------------------------------------------------------------

def _on_ray(config: LauncherConfig, tasks: Sequence[Any], work: Work, workers: int | None, scratch: Path, advance: Told,
            settled: Told) -> dict[int, Failure]:
    """A Ray task per run. Ray itself tries again where a process or a node is lost."""
    import ray

    with _cluster(config):
        _check_nodes([node["Resources"] for node in ray.nodes() if node["Alive"]], config.memory_gb * 2**30)
        far = ray.remote(num_cpus=1, memory=int(config.memory_gb * 2**30), max_retries=config.retries,
                         retry_exceptions=False)(_far)
        watch, failures, pending = _Watch(scratch, advance), {}, {}
        todo = list(range(len(tasks)))[::-1]
        try:
            while todo or pending:
                while todo and len(pending) < (workers or len(tasks)):
                    position = todo.pop()
                    pending[far.remote(work, tasks[position], scratch / f"{position}.done")] = position
                for reference in ray.wait(list(pending), timeout=POLL_SECONDS)[0]:
                    position = pending.pop(reference)
                    try:
                        failure = ray.get(reference)
                    except ray.exceptions.RayError as error:
                        failure = Failure(f"lost {config.retries + 1} times on Ray: {first_line(error)}", None)
                    if failure is not None:
                        failures[position] = failure
                    settled(len(tasks) - len(todo) - len(pending))
                watch.look()
        finally:
            for reference in pending:
                ray.cancel(reference, force=True)
    return failures


def _check_nodes(nodes: Sequence[Mapping[str, float]], memory: float) -> None:
    """UserError where no node can take a run: Ray itself would wait for one for ever."""
    working = [node for node in nodes if node.get("CPU", 0) >= 1]
    if not working:
        raise UserError("no node of the Ray cluster has a core for a run: add nodes with CPUs")
    most = max(node.get("memory", 0) for node in working)
    if most < memory:
        raise UserError(f"launcher.memory_gb = {memory / 2**30:g} is more than any node of the Ray cluster has: the largest "
                        f"has {most / 2**30:.1f}")


@contextlib.contextmanager
def _cluster(config: LauncherConfig) -> Iterator[None]:
    """A connection to the cluster, or to one made of this machine alone."""
    import ray

    host, separator, port = (config.cluster or "").removeprefix("ray://").rpartition(":")
    try:
        if separator:  # Ray itself tries for minutes
            socket.create_connection((host, int(port)), CONNECT_SECONDS).close()
        ray.init(address=config.cluster or "local", log_to_driver=False, logging_level="error", **config.options)
    except (OSError, ValueError, RuntimeError, TypeError) as error:
        raise UserError(f"cannot reach a Ray cluster at launcher.cluster={config.cluster}: {first_line(error)}") from error
    try:
        yield
    finally:
        ray.shutdown()


# --- Slurm ------------------------------------------------------------------------------------------------------------

class _Job:
    """A task that asks to be queued again when its time is up or another job takes its place."""

    def __call__(self, *arguments: Any) -> Failure | None:
        return _far(*arguments)

    def checkpoint(self, *arguments: Any) -> Any:
        """submitit calls this before Slurm ends the job; the run's last full state is on disk already."""
        import submitit

        return submitit.helpers.DelayedSubmission(self, *arguments)


def _on_slurm(config: LauncherConfig, tasks: Sequence[Any], work: Work, workers: int | None, scratch: Path,
              advance: Told, settled: Told) -> dict[int, Failure]:
    """A Slurm job per run, all of them one array. Jobs outlive this process: `_end_jobs` finds them by their folder."""
    import submitit

    try:
        cluster = config.cluster or submitit.AutoExecutor.which()
        executor = submitit.AutoExecutor(scratch / cluster, cluster=cluster, slurm_max_num_timeout=config.retries)
        executor.update_parameters(**{"name": "gmexp", "mem_gb": config.memory_gb,
                                      "slurm_array_parallelism": workers or len(tasks)} | config.options)
        with executor.batch():
            jobs = [executor.submit(_Job(), work, task, scratch / f"{position}.done")
                    for position, task in enumerate(tasks)]
    except (RuntimeError, NameError, ValueError, TypeError, submitit.core.utils.FailedJobError) as error:
        raise UserError(f"cannot submit to launcher.cluster={config.cluster}: {first_line(error)}") from error
    watch, failures, pending = _Watch(scratch, advance), {}, dict(enumerate(jobs))
    while pending:
        time.sleep(POLL_SECONDS)
        for position, job in [(p, j) for p, j in pending.items() if j.done()]:
            del pending[position]
            try:
                failure = job.result()
            except (submitit.core.utils.UncompletedJobError, submitit.core.utils.FailedJobError) as error:
                failure = Failure(f"Slurm job {job.job_id} ended {job.state}: {first_line(error)}", None)
            if failure is not None:
                failures[position] = failure
            settled(len(tasks) - len(pending))
        watch.look()
    return failures


def _end_jobs(scratch: Path) -> None:
    """End the jobs that are left of a launch, wait until they are gone, and remove the folder."""
    deadline = time.monotonic() + GONE_SECONDS
    for folder, left, end in ((scratch / "slurm", _queued, _cancel), (scratch / "local", _processes, _kill)):
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


def _processes(folder: Path) -> list[str]:
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
