"""What comparisons of an engine with the real binary count."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np

EXAMPLES = 5  # differences that are described, not only counted


class Tally:
    """What was compared and what differed."""

    def __init__(self) -> None:
        self.compared: Counter[str] = Counter()
        self.differing: Counter[str] = Counter()
        self.examples: list[str] = []

    def differ(self, what: str, count: int, where: str) -> None:
        """Count differences; the first few are described."""
        if count:
            self.differing[what] += int(count)
            if len(self.examples) < EXAMPLES:
                self.examples.append(f"{what}: {where}")

    def equal(self, what: str, ours: np.ndarray, theirs: np.ndarray, where: str) -> None:
        """Count the rows in which two arrays differ."""
        differs = np.asarray(ours) != np.asarray(theirs)
        rows = differs.reshape(len(differs), -1).any(axis=1)
        self.differ(what, int(rows.sum()), f"{where}, instances {np.flatnonzero(rows)[:EXAMPLES].tolist()}")

    def rows(self, differing: Mapping[str, np.ndarray], where: str) -> None:
        """Count the rows that differ, per quantity."""
        for name, rows in differing.items():
            self.differ(name, len(rows), f"{where}, instances {rows[:EXAMPLES].tolist()}")
