"""Tasks side by side in a few worker processes, which end with their parent, however that ends."""

from __future__ import annotations

import contextlib
import signal
import traceback
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection, wait
from typing import Any, NamedTuple

from gmexp.support.boundary import explain
from gmexp.support.limits import available_cores, available_memory
from gmexp.support.parents import begun

WAKE_SECONDS = 0.5  # a Ctrl-C that comes just before the parent falls asleep is noticed after so long
LOADED = ("gmexp.training.train",)  # what every task needs
FAREWELL_SECONDS = 10  # a worker that was told to end gets this long

Work = Callable[[Any, Callable[[int], None]], None]  # does one task, and reports how much of it is done as it goes


class Failure(NamedTuple):
    """Why a task was not done: one line, and the traceback where it is a bug."""

    reason: str
    details: str | None


def fitting(tasks: int, bytes_each: float) -> int:
    """How many tasks this machine does side by side: as many as it has cores and memory for, at least 1."""
    return max(1, int(min(tasks, available_cores(), available_memory() // bytes_each)))


def work_through(tasks: Sequence[Any], work: Work, workers: int, advance: Callable[[int], None],
                 settled: Callable[[int], None]) -> dict[int, Failure]:
    """Do all tasks, `workers` at a time -> what failed, by the task's position.

    One failing task, or one worker that is killed from outside, leaves the others alone. On any exception in this
    process, Ctrl-C included, the workers are killed at once: what they write must be atomic.

    Arguments:
        tasks: arguments of `work`, picklable.
        work: a module-level function.
        workers: processes, at least 1.
        advance: called with every report of progress.
        settled: called with the number of tasks that are done or failed, whenever it changes.
    """
    failures: dict[int, Failure] = {}
    todo = list(enumerate(tasks))[::-1]
    crew: list[_Worker] = []
    try:
        while todo or any(worker.task is not None for worker in crew):
            while todo and len(crew) < min(workers, len(tasks)):
                crew.append(_Worker(work))
            for worker in crew:
                if worker.task is None and todo:
                    worker.give(*todo.pop())
            for connection in wait([worker.connection for worker in crew], WAKE_SECONDS):
                (worker,) = [w for w in crew if w.connection is connection]
                try:
                    message = connection.recv()
                except (EOFError, OSError):  # the worker is gone
                    crew.remove(worker)
                    message = Failure(f"its process died ({worker.end()})", None)
                if isinstance(message, int):
                    advance(message)
                    continue
                if message is not None and worker.task is not None:
                    failures[worker.task] = message
                worker.task = None
                settled(len(tasks) - len(todo) - sum(w.task is not None for w in crew))
        for worker in crew:
            worker.dismiss()
    finally:
        for worker in crew:
            worker.process.kill()
            worker.process.join()
    return failures


class _Worker:
    """A process that does one task after the other, as the parent sees it."""

    def __init__(self, work: Work) -> None:
        self.process, self.connection = begun(_serve, (work,), loaded=(work.__module__, *LOADED))
        self.task: int | None = None  # position of the task it is at

    def give(self, position: int, task: Any) -> None:
        """Hand it a task; a worker that is gone already shows when it is next heard."""
        self.task = position
        with contextlib.suppress(OSError):
            self.connection.send(task)

    def dismiss(self) -> None:
        """Let it end in peace."""
        self.connection.close()
        self.process.join(FAREWELL_SECONDS)

    def end(self) -> str:
        """How it ended, in words."""
        self.process.join()
        code = self.process.exitcode
        return f"exit code {code}" if code >= 0 else f"{signal.Signals(-code).name}, perhaps for lack of memory"


def _serve(work: Work, connection: Connection) -> None:
    """The worker's side: do tasks until there are no more, or no parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        try:
            task = connection.recv()
        except EOFError:
            return
        connection.send(attempt(work, task, connection.send))


def attempt(work: Work, task: Any, report: Callable[[int], None]) -> Failure | None:
    """Do one task -> why it could not be done, None if it was."""
    try:
        work(task, report)
    except Exception as error:
        if (message := explain(error)) is not None:
            return Failure(message, None)
        return Failure(f"{type(error).__name__}: {error}", traceback.format_exc())
    return None
