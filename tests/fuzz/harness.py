"""What counts as a fault, and how many inputs of every class were tried.

An input may be taken or refused. It is refused by one line: a `UserError`, or, of the environments, a ValueError; of the
command line, exit code 2 and one line on stderr. Anything else is a fault: another exception, more lines, a traceback, more
than ten seconds, or a result that does not hold what its class promises (AssertionError of the class).
"""

from __future__ import annotations

import contextlib
import io
import random
import signal
import threading
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from gmexp.support.errors import UserError

SLOWEST = 10.0  # seconds that an input may take
Act = Callable[[random.Random], None]


class Hang(BaseException):
    """An input takes too long."""


class Refused(Exception):
    """What a command line says of its input, as a line."""


@dataclass
class Tally:
    """Inputs of one class, by what became of them, and the first faults."""

    taken: int = 0
    refused: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)

    @property
    def tried(self) -> int:
        return self.taken + self.refused + self.faults.total()

    def add(self, act: Act, seed: str) -> None:
        """Try one input: what `act` makes of a generator with this seed."""
        try:
            with _limited(SLOWEST), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                act(random.Random(seed))
            self.taken += 1
        except (UserError, Refused) as error:
            if "\n" in str(error) or not str(error).strip():
                self._fault(error, seed)
            else:
                self.refused += 1
        except (Exception, Hang) as error:
            if isinstance(error, ValueError) and _raised_in(error).startswith("gmexp_envs."):
                self.refused += 1
            else:
                self._fault(error, seed)

    def _fault(self, error: BaseException, seed: str) -> None:
        where = next((f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno}" for frame in
                      reversed(traceback.extract_tb(error.__traceback__)) if "/gmexp" in frame.filename), "?")
        name = f"{type(error).__name__} in {where}"
        self.faults[name] += 1
        if name not in self.examples:
            self.examples[name] = f"seed {seed}: {str(error)[:300]}"


def _raised_in(error: BaseException) -> str:
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    return frames[-1].f_globals.get("__name__", "") if frames else ""


@contextlib.contextmanager
def _limited(seconds: float) -> Iterator[None]:
    """Hang after so long, in the main thread of a system that has signals."""
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "SIGALRM"):
        yield
        return

    def stop(*_: object) -> None:
        raise Hang(f"more than {seconds:g} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def command(arguments: list[str]) -> str:
    """Run a verb in this process -> what it printed; `Refused` for exit code 2, AssertionError for any other failure."""
    from gmexp.cli.main import main

    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(arguments)
    said = err.getvalue()
    assert "Traceback" not in said, said
    if code == 2:
        lines = said.strip().splitlines()
        assert lines and lines[-1].startswith("gmexp "), said
        raise Refused(lines[-1])
    assert code in (0, 1), f"exit code {code}: {said[-500:]}"
    return out.getvalue()


def run(classes: dict[str, tuple[Act, float]], seconds: float, seed: int, at_least: int = 0,
        report: Callable[[str], None] = print) -> dict[str, Tally]:
    """Try inputs of every class for so long, each class by its share of the time, and at least so many of each."""
    tallies = {name: Tally() for name in classes}
    whole = sum(share for _, share in classes.values())
    for name, (act, share) in classes.items():
        started, tally, k = time.monotonic(), tallies[name], 0
        while k < at_least or time.monotonic() - started < seconds * share / whole:
            tally.add(act, f"{seed}:{name}:{k}")
            k += 1
        report(f"{name:<22}{tally.tried:>9} tried {tally.taken:>9} taken {tally.refused:>9} refused "
               f"{tally.faults.total():>6} faults  {time.monotonic() - started:>6.1f} s")
        for fault, count in tally.faults.most_common():
            report(f"    {count} x {fault}: {tally.examples[fault]}")
    report(f"{'all':<22}{sum(t.tried for t in tallies.values()):>9} tried, "
           f"{sum(t.faults.total() for t in tallies.values())} faults; seed {seed}")
    return tallies
