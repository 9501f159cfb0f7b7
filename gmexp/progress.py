"""Progress with rate and time left, on stderr; silent where nobody watches."""

from __future__ import annotations

import sys

from tqdm import tqdm


class Bar:
    """A tqdm bar over `total` units. Not on a terminal, it prints a line every half minute instead of redrawing."""

    def __init__(self, total: int, label: str, unit: str) -> None:
        watched = sys.stderr.isatty()
        self._bar = tqdm(total=total, desc=label, unit=unit, unit_scale=True, dynamic_ncols=watched,
                         mininterval=0.2 if watched else 30, maxinterval=1 if watched else 30,
                         smoothing=0.1, leave=True)

    def advance(self, amount: int) -> None:
        """Add to what is done."""
        self._bar.update(amount)

    def note(self, text: str) -> None:
        """A short remark behind the bar."""
        self._bar.set_postfix_str(text, refresh=False)

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *exc_info) -> None:
        self._bar.close()
