"""From episodes to counts and rates. The room is also the stage as a plain function: `gmexp.rates(...)`.

    counting      a run's episodes -> its counts, in both arms
    estimands     what capability, goal failure and misgeneralization are, over runs
    definitions   other rules for the same logs, as sensitivities
    intervals     of shares over runs
    over_runs     the stage: counts.parquet and rates.json
    between_runs  how much runs of one condition differ
    learning      how fast runs learned
    function      `gmexp.rates`
    text          shifts, intervals and tables as text
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any


class _Room(ModuleType):
    """A package that can be called: `gmexp.rates` is this room, and the function of the same name."""

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        from gmexp.rates.function import rates

        return rates(*arguments, **options)


sys.modules[__name__].__class__ = _Room
