"""Where the runs of a study are computed: worker processes here, a Ray cluster, or Slurm.

Elsewhere than here, the study's folder must lie on a file system that all machines share: through it a run that lost
its machine goes on from its last full state, and the one that waits learns how far the others are.
"""

from __future__ import annotations

import contextlib
import shutil
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from gmexp.support.errors import UserError, first_line
from gmexp.training.config import LauncherConfig
from gmexp.training.notes import Watch, far
from gmexp.training.slurm import POLL_SECONDS, end_jobs, on_slurm
from gmexp.training.workers import Failure, Work, fitting, work_through

CONNECT_SECONDS = 10.0

Told = Callable[[int], None]


def launch(config: LauncherConfig, tasks: Sequence[Any], work: Work, workers: int | None, scratch: Path, advance: Told,
           settled: Told) -> dict[int, Failure]:
    """Do all tasks -> what failed, by the task's position (`workers.work_through` says what the arguments mean).

    `workers` is the most that run side by side, None for as many as fit. `scratch` is a shared folder for notes between
    the machines; it is removed at the end. Jobs in it of an earlier launch that was killed are ended first.
    """
    scratch = scratch.absolute()
    end_jobs(scratch)
    if config.name == "local":
        count = min(workers, len(tasks)) if workers else fitting(len(tasks), config.memory_gb * 2**30)
        return work_through(tasks, work, count, advance, settled)
    elsewhere = {"ray": _on_ray, "slurm": on_slurm}[config.name]
    scratch.mkdir(parents=True, exist_ok=True)
    try:
        failures = elsewhere(config, tasks, work, workers, scratch, advance, settled)
    except BaseException:
        end_jobs(scratch)
        raise
    shutil.rmtree(scratch, ignore_errors=True)
    return failures


def _on_ray(config: LauncherConfig, tasks: Sequence[Any], work: Work, workers: int | None, scratch: Path, advance: Told,
            settled: Told) -> dict[int, Failure]:
    """A Ray task per run. Ray itself tries again where a process or a node is lost."""
    import ray

    with _cluster(config):
        _check_nodes([node["Resources"] for node in ray.nodes() if node["Alive"]], config.memory_gb * 2**30)
        remote = ray.remote(num_cpus=1, memory=int(config.memory_gb * 2**30), max_retries=config.retries,
                            retry_exceptions=False)(far)
        watch, failures, pending = Watch(scratch, advance), {}, {}
        todo = list(range(len(tasks)))[::-1]
        try:
            while todo or pending:
                while todo and len(pending) < (workers or len(tasks)):
                    position = todo.pop()
                    pending[remote.remote(work, tasks[position], scratch / f"{position}.done")] = position
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
