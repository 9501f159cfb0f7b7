"""Progress with rate and time left, on stderr: a bar on a terminal, elsewhere a line from time to time."""

from __future__ import annotations

import sys
import time

from tqdm import tqdm

LINE_SECONDS = 30
LINE = "{desc}: {percentage:.0f}% ({n_fmt}/{total_fmt} {unit}s), {elapsed} elapsed, {remaining} left, {rate_fmt}{postfix}"


class Bar:
    """What is done of `total` units. Use as a context manager."""

    def __init__(self, total: int, label: str, unit: str) -> None:
        self._total, self._label, self._unit = total, label, unit
        self._done, self._note = 0, ""
        self._started = self._printed = time.monotonic()
        self._bar = tqdm(total=total, desc=label, unit=unit, unit_scale=True, dynamic_ncols=True, mininterval=0.2,
                         smoothing=0.1) if sys.stderr.isatty() else None

    def advance(self, amount: int) -> None:
        """Add to what is done."""
        self._done += amount
        if self._bar is not None:
            self._bar.update(amount)
        elif time.monotonic() - self._printed >= LINE_SECONDS:
            self._print()

    def extend(self, amount: int) -> None:
        """Add to what there is to do."""
        self._total += amount
        if self._bar is not None:
            self._bar.total = self._total

    def note(self, text: str) -> None:
        """A short remark behind the bar."""
        self._note = text
        if self._bar is not None:
            self._bar.set_postfix_str(text, refresh=False)

    def say(self, text: str) -> None:
        """A line of its own, that stays."""
        if self._bar is not None:
            self._bar.write(text, file=sys.stderr)
        else:
            print(text, file=sys.stderr, flush=True)

    def _print(self) -> None:
        self._printed = time.monotonic()
        print(tqdm.format_meter(self._done, self._total, self._printed - self._started, prefix=self._label,
                                unit=self._unit, unit_scale=True, postfix=self._note, bar_format=LINE),
              file=sys.stderr, flush=True)

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()
        elif error is None:
            self._print()
