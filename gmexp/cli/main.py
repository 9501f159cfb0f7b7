"""`gmexp VERB key=value ...`: one verb per stage; a user's mistake is one line and exit code 2 (`support.boundary`)."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from typing import NamedTuple

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
    "train": Verb("gmexp.cli.train", "train", "one training run -> checkpoint", True),
    "evaluate": Verb("gmexp.evaluation.evaluate", "run", "a checkpoint under the graded shifts -> episodes", True),
    "measure": Verb("gmexp.measures.take", "run", "a checkpoint's causes, critic, factors, magnitudes", True),
    "rates": Verb("gmexp.cli.study", "rates", "episodes of all runs -> counts and rates", True),
    "calibrate": Verb("gmexp.cli.study", "calibrate", "counts -> posterior", True),
    "report": Verb("gmexp.cli.study", "report", "a study -> figures and one HTML page", True),
    "view": Verb("gmexp.cli.serve", "main", "results in your browser, with live curves while a study runs", False),
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
    "mitigations": Verb("gmexp.cli.mitigations", "main", "how much of the risk mitigations take away", False),
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
    if name in flags.VERSION:
        return _version()
    if name in flags.COMPLETION:
        return _completion(arguments)
    verb = VERBS.get(name)
    if verb is None:
        return _no_verb(name)
    if not verb.configured:
        if arguments[:1] == ["--version"]:
            return _version()
        return getattr(importlib.import_module(verb.module), verb.function)(arguments)
    return _configured(name, verb, flags.split(arguments))


def _configured(name: str, verb: Verb, asked: flags.Flags) -> int:
    """A verb that Hydra composes: what was asked to see is shown, or else the verb is done."""
    if asked.help:
        print(verb_help(name, verb.summary, asked.overrides))
        return 0
    if asked.version:
        return _version()
    if asked.completion:
        return _completion(asked.overrides)
    if asked.template:
        return _template(name)
    if asked.shows:
        from gmexp.cli.view import view

        return view(name, asked)
    from gmexp.cli import multirun  # with Hydra: what help need not wait for

    if asked.dry_run:
        from gmexp.cli.dry_run import dry_run
        from gmexp.support.checks import elsewhere

        with elsewhere():
            return dry_run(name, multirun.load(name, asked))
    loaded = multirun.load(name, asked)
    function = getattr(importlib.import_module(verb.module), verb.function)
    return max(function(config) or 0 for config in multirun.in_turn(loaded))


def _no_verb(name: str) -> int:
    """What stands where a verb should: a flag of Hydra's, or a mistake."""
    if name == "--hydra-help":
        from gmexp.cli.view import hydra_help

        return hydra_help()
    if name.startswith("-"):
        raise UserError(f"{name} needs a verb before it, as in gmexp run {name}; gmexp --help lists them")
    raise UserError(f"there is no such verb{nearest(name, list(VERBS))}: choose one of {', '.join(VERBS)}")


def _version() -> int:
    print(f"gmexp {gmexp.__version__}")
    return 0


def _completion(arguments: Sequence[str]) -> int:
    from gmexp.cli.completion import completion

    return completion(arguments, VERBS)


def _template(name: str) -> int:
    """`gmexp calibrate --template`: the file on stdout, so that `> mine.csv` keeps it; what it means on stderr."""
    if name != "calibrate":
        raise UserError("--template prints a CSV of counts to fill in: gmexp calibrate --template > mine.csv")
    from gmexp.statistics.template import explained, template

    print(template(), end="")
    print(explained(), file=sys.stderr)
    return 0
