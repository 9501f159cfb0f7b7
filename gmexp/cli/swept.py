"""The values that an override goes through, in Hydra's multirun grammar: lists a,b,c, range(...), choice(...), glob(*)."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob, IntervalSweep, Override, QuotedString
from hydra.errors import HydraException

from gmexp.support.conf import choices
from gmexp.support.errors import UserError

__all__ = ["MOST_RUNS", "key_of", "texts"]

MOST_RUNS = 10_000
TEXTS = (str, str | None, list[str])


def texts(item: str, known: Mapping[str, Any], searched: Sequence[str] = ()) -> list[str] | None:
    """The values that an override goes through, as they would be typed one by one; None where it is no sweep.

    `known` are the keys that there are, and their types; `searched` further folders of a group's files.
    """
    key, text = key_of(item), item.partition("=")[2]
    if not text or key not in known:
        return None
    try:
        override = OverridesParser.create().parse_override(item)
    except HydraException as error:
        if known[key] in TEXTS:  # a path, taken as it is
            return None
        raise UserError(f"{item} is not a value or a sweep: {str(error).splitlines()[0]}") from error
    return _swept(override, [Path(folder) for folder in searched]) if override.is_sweep_override() else None


def key_of(item: str) -> str:
    """The key of an override, without a sign."""
    return item.partition("=")[0].lstrip("+")


def _swept(override: Override, searched: Sequence[Path]) -> list[str]:
    key, values, typed = override.key_or_group, override.value(), override.get_value_string()
    if isinstance(values, IntervalSweep):
        raise UserError(f"{key}={typed} names no values: use range(...) or a list 1,2,3")
    if isinstance(values, Glob):
        known = choices(key, searched)
        if not known:
            raise UserError(f"{key}={typed}: glob chooses among a group's files; {key} is none")
        swept = values.filter(known)
    else:
        try:
            swept = [_typed(each) for each in itertools.islice(override.sweep_iterator(), MOST_RUNS + 1)]
        except (ValueError, HydraException) as error:  # range(0,2,0)
            raise UserError(f"{key}={typed} names no values: {error}") from error
    if len(swept) > MOST_RUNS:
        raise UserError(f"{key}={typed} names more than {MOST_RUNS} values")
    if not swept:
        raise UserError(f"{key}={typed} has no values")
    return swept


def _typed(element: Any) -> str:
    """An element of a sweep as it would be typed alone."""
    return element.text if isinstance(element, QuotedString) else Override._get_value_element_as_str(element)
