"""`-m` for every configured verb: Hydra's multirun grammar, each combination a job, one after the other.

    gmexp train -m env.diversity=0,0.1 seed=range(3)      six runs, in one folder
    gmexp evaluate -m run=a,b shift=significant,extreme

`gmexp run -m` is one study of all combinations instead (`cli.sweep`), whose runs are computed side by side. All jobs are
composed before the first one starts.
"""

from __future__ import annotations

import itertools
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from gmexp.cli import config
from gmexp.cli.flags import Flags
from gmexp.cli.schema import schema
from gmexp.cli.swept import key_of, texts
from gmexp.support import composition
from gmexp.support.errors import UserError

__all__ = ["Job", "in_turn", "load"]

MOST_JOBS = 1000


@dataclass(frozen=True)
class Job:
    """A configuration to be done, and what was swept in it."""

    config: Any
    swept: tuple[str, ...] = ()


def load(verb: str, asked: Flags) -> list[Job]:
    """The configurations that the arguments of a verb describe: one, or with -m one for each combination."""
    if verb == "run" and asked.several:
        from gmexp.cli import sweep  # with the whole pipeline, which the light verbs do without

        return [Job(sweep.load(asked.overrides, asked.directories, asked.name))]
    if not asked.several:
        return [Job(config.load(verb, asked.overrides, asked.directories, asked.name))]
    return [Job(config.load(verb, [*fixed, *swept], asked.directories, asked.name), swept)
            for fixed, swept in _combinations(verb, asked.overrides, asked.directories)]


def in_turn(jobs: Sequence[Job]) -> Iterator[Any]:
    """The configurations of jobs, each announced on stderr where there are several, as it begins."""
    for number, job in enumerate(jobs):
        if len(jobs) > 1:
            print(f"#{number} : {' '.join(job.swept)}", file=sys.stderr, flush=True)
        yield job.config


def _combinations(verb: str, overrides: Sequence[str],
                  searched: Sequence[str]) -> Iterator[tuple[list[str], tuple[str, ...]]]:
    """(what is fixed, what is swept) of every job."""
    known = composition.keys(schema(verb)) | {group: str for group in composition.groups(verb)}
    fixed, axes = [], {}
    for item in overrides:
        swept = texts(item, known, searched)
        if swept is None:
            fixed.append(item)
        else:
            axes[key_of(item)] = swept
    if math.prod(map(len, axes.values())) > MOST_JOBS:
        raise UserError(f"-m asks for more than {MOST_JOBS} jobs")
    for values in itertools.product(*axes.values()):
        yield fixed, tuple(f"{key}={value}" for key, value in zip(axes, values, strict=True))
