"""`gmexp VERB key=value ...`: one verb per stage; a user's mistake is one line and exit code 2 (`support.boundary`)."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

import gmexp
from gmexp.cli import flags
from gmexp.cli.help import overview, verb_help
from gmexp.support.boundary import guarded
from gmexp.support.errors import UserError, nearest


class Verb(NamedTuple):
    """Where a verb lives; `configured` verbs take conf/<verb>.yaml, the others parse their own arguments."""

    module: str
    function: str
    summary: str
    configured: bool


VERBS = {
    "run": Verb("gmexp.pipeline", "run", "a whole study: train, evaluate, rates, calibrate, estimate, report", True),
    "train": Verb("gmexp.training.train", "run", "one training run -> checkpoint", True),
    "evaluate": Verb("gmexp.evaluation.evaluate", "run", "a checkpoint under the graded shifts -> episodes", True),
    "measure": Verb("gmexp.measures.take", "run", "a checkpoint's causes, critic, factors, magnitudes", True),
    "rates": Verb("gmexp.cli.study", "rates", "episodes of all runs -> counts and rates", True),
    "calibrate": Verb("gmexp.cli.study", "calibrate", "counts -> posterior", True),
    "report": Verb("gmexp.cli.study", "report", "a study -> figures and one HTML page", True),
    "watch": Verb("gmexp.cli.watch", "main", "chosen episodes as animations, with goals and value marked", False),
    "show": Verb("gmexp.cli.show", "main", "what the shifts do to levels, as pictures", False),
    "environments": Verb("gmexp.cli.environments", "main", "the environments, and what shifts in them", False),
    "langosco": Verb("gmexp.cli.langosco", "main", "Langosco et al.'s logs and their Figure 2, in and out", False),
    "estimate": Verb("gmexp.cli.calculator", "estimate", "P(misgeneralization) of a scenario", False),
    "calculator": Verb("gmexp.cli.calculator_page", "main", "the calculator as one interactive HTML page", False),
    "verify": Verb("gmexp.cli.verify", "main", "the engine against procgen's binary, a study's run against itself", False),
    "bench": Verb("gmexp.cli.bench", "main", "speed of the engine and of training, beside others'", False),
    "tables": Verb("gmexp.cli.calculator", "tables", "every table of the published model", False),
    "audit": Verb("gmexp.cli.calculator", "audit", "the published model's flaws, with computed numbers", False),
    "scenarios": Verb("gmexp.cli.calculator", "scenarios", "the published domain scenarios, recomputed", False),
    "predict": Verb("gmexp.cli.statistics", "predict", "what a calibration expects of a scenario", False),
    "meta": Verb("gmexp.cli.statistics", "meta", "random-effects meta-analysis", False),
    "check": Verb("gmexp.cli.statistics", "check", "checks of the statistics: coverage, sbc, power, ...", False),
    "sensitivity": Verb("gmexp.cli.statistics", "sensitivity", "tornado and Sobol indices of an estimate", False),
    "plan": Verb("gmexp.cli.statistics", "plan", "which further runs would help most", False),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of the `gmexp` command; returns the exit code."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    name, rest = (arguments[0], arguments[1:]) if arguments else ("--help", [])
    return guarded(name, lambda: _dispatch(name, rest))


def _dispatch(name: str, arguments: list[str]) -> int:
    if name in flags.HELP:
        print(overview({verb: about.summary for verb, about in VERBS.items()}))
        return 0
    if name == "--version":
        print(f"gmexp {gmexp.__version__}")
        return 0
    if name in ("-sc", "--shell-completion"):
        return flags.completion(arguments[0] if arguments else "", list(VERBS))
    verb = VERBS.get(name)
    if verb is None:
        raise UserError(f"there is no such verb{nearest(name, list(VERBS))}: choose one of {', '.join(VERBS)}")
    if not verb.configured:
        return getattr(importlib.import_module(verb.module), verb.function)(arguments)
    asked = flags.split(arguments)
    if asked.help:
        print(verb_help(name, verb.summary, asked.overrides))
        return 0
    if asked.several and name != "run":
        raise UserError("-m sweeps a study: gmexp run -m ...")
    if asked.dry_run and name != "run":
        raise UserError("--dry-run lists what a study would train: gmexp run --dry-run ...")

    if asked.template:
        return _template(name)

    def load() -> Any:
        from gmexp.cli import config  # with Hydra: what help need not wait for

        if asked.several:
            from gmexp.cli import sweep

            return sweep.load(asked.overrides, asked.directories, asked.name)
        return config.load(name, asked.overrides, asked.directories, asked.name)

    if asked.shows:
        return flags.show(name, asked, load)
    if asked.dry_run:
        from gmexp.cli.dry_run import dry_run

        return dry_run(load())
    return getattr(importlib.import_module(verb.module), verb.function)(load()) or 0


def _template(name: str) -> int:
    """`gmexp calibrate --template`: the file on stdout, so that `> mine.csv` keeps it; what it means on stderr."""
    if name != "calibrate":
        raise UserError("--template prints a CSV of counts to fill in: gmexp calibrate --template > mine.csv")
    from gmexp.statistics.template import explained, template

    print(template(), end="")
    print(explained(), file=sys.stderr)
    return 0
