"""`gmexp VERB key=value ...`: one verb per stage; a user's mistake is one line and exit code 2 (`gmexp.support.boundary`)."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from typing import NamedTuple

from gmexp.cli.help import overview, verb_help
from gmexp.support.boundary import guarded
from gmexp.support.errors import UserError


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
    "watch": Verb("gmexp.cli.watch", "main", "chosen episodes as animations, with coin, end and value marked", False),
    "show": Verb("gmexp.cli.show", "main", "what the shifts do to levels, as pictures", False),
    "langosco": Verb("gmexp.cli.langosco", "main", "Langosco et al.'s logs and their Figure 2, in and out", False),
    "estimate": Verb("gmexp.cli.calculator", "estimate", "P(misgeneralization) of a scenario", False),
    "calculator": Verb("gmexp.calculator.page", "calculator", "the calculator as one interactive HTML page", False),
    "verify": Verb("gmexp.cli.verify", "main", "the engine against procgen's binary, a study's run against itself", False),
    "bench": Verb("gmexp.cli.bench", "main", "speed of the engine and of training, beside others'", False),
    "tables": Verb("gmexp.cli.calculator", "tables", "every table of the published model", False),
    "audit": Verb("gmexp.cli.calculator", "audit", "the published model's flaws, with computed numbers", False),
    "scenarios": Verb("gmexp.cli.calculator", "scenarios", "the published domain scenarios, recomputed", False),
    "predict": Verb("gmexp.cli.statistics", "predict", "what a calibration expects of a scenario", False),
    "meta": Verb("gmexp.cli.statistics", "meta", "random-effects meta-analysis", False),
    "check": Verb("gmexp.cli.statistics", "check", "checks of the statistics: sbc, coverage, loso, ppc", False),
    "sensitivity": Verb("gmexp.cli.statistics", "sensitivity", "tornado and Sobol indices of an estimate", False),
    "plan": Verb("gmexp.cli.statistics", "plan", "which further runs would help most", False),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of the `gmexp` command; returns the exit code."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        return guarded("help", lambda: print(overview({name: verb.summary for name, verb in VERBS.items()})) or 0)
    name, rest = arguments[0], arguments[1:]
    return guarded(name, lambda: _dispatch(name, rest))


def _dispatch(name: str, arguments: list[str]) -> int:
    verb = VERBS.get(name)
    if verb is None:
        raise UserError(f"there is no such verb: choose one of {', '.join(VERBS)}")
    if not verb.configured:
        return getattr(importlib.import_module(verb.module), verb.function)(arguments)
    if any(a in ("-h", "--help", "help") for a in arguments):
        print(verb_help(name, verb.summary))
        return 0
    from gmexp.cli import config, sweep

    several = name == "run" and any(flag in arguments for flag in sweep.FLAGS)
    loaded = sweep.load(arguments) if several else config.load(name, arguments)
    return getattr(importlib.import_module(verb.module), verb.function)(loaded) or 0


if __name__ == "__main__":
    sys.exit(main())
