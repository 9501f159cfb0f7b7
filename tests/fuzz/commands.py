"""Command lines of the verbs that Hydra composes: everything up to the work itself, which is not begun."""

from __future__ import annotations

import random
from functools import cache

from . import harness, mutate

VERBS = ("run",) * 6 + ("train", "train", "evaluate", "measure", "rates", "calibrate", "report")
CHOICES = {"env": ("coinrun", "maze"), "agent": ("ppo", "impala", "cloning", "sb3_ppo"), "logger": ("none", "wandb"),
           "launcher": ("local", "ray", "slurm"), "evaluation": ("ladder",), "experiment": ("quickstart", "seeds",
           "modifiers")}
FLAGS = ("-m", "--help", "--cfg", "--cfg=job", "--cfg=all", "--package", "--resolve", "--info", "--config-dir",
         "--config-name",
         "--nonsense", "-x", "--")
SWEEPS = ("0,1", "1,2,3", "range(3)", "0,range(3)", "range(0,10,0)", "range(0,1e9)", "choice(a,b)", "glob(*)", "[0,1],[2]",
          "interval(0,1)", "sort(3,a)", "shuffle(range(4))", "tag(a,0,1)", "float(1),2", "easy,hard", "0.0,0.1",
          "ppo,impala", "'a,b',c")


@cache
def keys(verb: str) -> tuple[str, ...]:
    """The keys of a verb."""
    from gmexp.cli.schema import schema
    from gmexp.support.composition import keys

    return tuple(keys(schema(verb)))


def warm() -> None:
    """Import what the verbs need, and compose once, so that no input is charged with it."""
    import gmexp.pipeline  # noqa: F401
    from gmexp.cli import config

    for verb in dict.fromkeys(VERBS):
        keys(verb)
    config.load("run", ["experiment=quickstart"])


def override(rng: random.Random, verb: str) -> str:
    """One argument, nearly right."""
    kind = rng.random()
    if kind < 0.04:
        return rng.choice(FLAGS + mutate.TEXTS)
    key = rng.choice(keys(verb)) if kind < 0.85 else rng.choice(tuple(CHOICES))
    if rng.random() < 0.05:
        key = key[:-1] or "x"
    if rng.random() < 0.05:
        key = rng.choice(("+", "++", "~", "hydra.", "")) + key
    if key in CHOICES and rng.random() < 0.8:
        return f"{key}={rng.choice(CHOICES[key])}"
    value = rng.choice((rng.choice(mutate.NUMBERS), rng.choice(mutate.TEXTS), rng.choice(SWEEPS),
                        f"[{rng.choice(mutate.NUMBERS)},{rng.choice(mutate.NUMBERS)}]",
                        f"[{{{rng.choice(keys(verb))}:{rng.choice(mutate.NUMBERS)}}}]"))
    return f"{key}={value}"


def configurations(rng: random.Random) -> None:
    """A verb's arguments: what is taken is a configuration that can be shown, or a study that can be planned."""
    verb = rng.choice(VERBS)
    given = [override(rng, verb) for _ in range(rng.choice((1, 1, 2, 3)))]
    if verb == "run":
        given = ["--dry-run", "experiment=quickstart", *given, *(["-m"] if rng.random() < 0.5 else [])]
    else:
        given = ["--cfg", "job", *given]
    if not any("config-dir" in item or "\0" in item for item in given):  # no process can be given a null character
        harness.command([verb, *given])


CLASSES: dict[str, tuple[harness.Act, float]] = {"configurations": (configurations, 8)}
