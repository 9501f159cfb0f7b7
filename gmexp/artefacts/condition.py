"""How a run was trained: everything that trains it differently but the seed. Its hash is its key, its label is for readers.

Runs of one condition are replicates of each other. Two runs that differ in anything but the seed have different hashes, and
different labels: a label names what sets a condition apart among those shown, by the names of settings where they are
known, else by the hash.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gmexp.artefacts.origin import config_hash, plain

__all__ = ["Condition", "condition_hash", "condition_labels", "labels", "learner_hash", "pretty", "settings"]

NAMES = {  # what is told of every condition, and how a label abbreviates it
    "env": "env", "algo": "algo", "train_diversity": "delta", "spec_quality": "quality",
    "capability_level": "capability", "align_method": "alignment", "train_steps": "steps", "width": "width",
    "horizon": "horizon",
}  # fmt: skip
OLD_TRAINERS = {"cloning_coin_seeker": "cloning_intended", "cloning_proxy_seeker": "cloning_proxy"}  # names, now and before
ROUNDING = {"update": ("fused", "autograd")}  # settings of a trainer that change the last digits of weights, not the learner
SHOWN = 6  # digits of a hash in a label


@dataclass(frozen=True)
class Condition:
    """How a run was trained, as far as it is known; None is unknown."""

    env: str | None
    algo: str | None
    train_diversity: float | None
    spec_quality: float | None
    capability_level: str | None
    align_method: str | None
    train_steps: int | None
    width: int | None
    horizon: int | None
    hash: str | None = None  # of everything but the seed
    settings: Mapping[str, Any] | None = field(default=None, compare=False)  # by dotted key

    @staticmethod
    def of(run: Any) -> Condition:
        """The condition of a run, of its counts, or of a mapping with fields of the same names."""
        def get(name: str) -> Any:
            return run.get(name) if isinstance(run, Mapping) else getattr(run, name, None)

        return Condition(*map(get, NAMES), get("condition_hash"), get("settings"))

    @property
    def shown(self) -> tuple[Any, ...]:
        """The values of NAMES."""
        return tuple(getattr(self, name) for name in NAMES)


# --- identity ---------------------------------------------------------------------------------------------------------

def condition_hash(identity: Mapping[str, Any]) -> str:
    """The hash of a run's identity without its seed."""
    return config_hash({key: value for key, value in _current(identity).items() if key != "seed"})


def learner_hash(identity: Mapping[str, Any]) -> str:
    """The hash of the learner: network, trainer and hyperparameters, whomever it imitates and wherever it learns."""
    return config_hash({key: value for key, value in _current(identity)["agent"].items() if key != "demonstrator"})


def settings(identity: Mapping[str, Any]) -> dict[str, Any]:
    """A run's identity without its seed, by dotted key."""
    def flat(content: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in content.items():
            found |= flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {prefix + key: value}
        return found

    return {key: value for key, value in flat(_current(identity)).items() if key != "seed"}


def _current(identity: Mapping[str, Any]) -> dict[str, Any]:
    """An identity in this version's words, without what is a matter of rounding."""
    content = plain(identity)
    agent = {key: value for key, value in content["agent"].items() if value not in ROUNDING.get(key, ())}
    return content | {"agent": agent | {"name": OLD_TRAINERS.get(str(agent.get("name")), agent.get("name"))}}


# --- labels -----------------------------------------------------------------------------------------------------------

def condition_labels(runs: Sequence[Any]) -> dict[str, str]:
    """A label for the condition of each run id: its delta, and whatever else sets it apart among these runs."""
    return dict(zip([run.run_id for run in runs], labels(runs), strict=True))


def labels(conditions: Sequence[Any]) -> list[str]:
    """A label for each condition (or what `Condition.of` takes for one).

    What most of four or more distinct conditions share goes without saying, and so does what the environment decides.
    """
    conditions = [each if isinstance(each, Condition) else Condition.of(each) for each in conditions]
    distinct = list(dict.fromkeys(condition.shown for condition in conditions))
    usual = {}
    for name, values in zip(NAMES, zip(*distinct, strict=True), strict=False):
        value, count = Counter(values).most_common(1)[0]
        if count == len(distinct) or (2 * count > len(distinct) and len(distinct) >= 4):
            usual[name] = value
    decided = _decided(distinct)

    def label(condition: Condition) -> str:
        shown = [name for name in NAMES if name == "train_diversity" or name not in decided and (
            name not in usual or getattr(condition, name) != usual[name])]
        return ", ".join(f"{NAMES[name]}={_short(getattr(condition, name))}" for name in shown)

    return _told_apart(conditions, [label(condition) for condition in conditions])


def _decided(distinct: Sequence[tuple[Any, ...]]) -> set[str]:
    """Names of which each of several environments has one value."""
    by_env = defaultdict(list)
    for values in distinct:
        by_env[values[0]].append(values)
    if len(by_env) < 2:
        return set()
    return {name for i, name in enumerate(NAMES)
            if name != "env" and all(len({each[i] for each in own}) == 1 for own in by_env.values())}


def _told_apart(conditions: Sequence[Condition], texts: Sequence[str]) -> list[str]:
    """Labels of which no two conditions share one: by the settings that differ, else by the hash."""
    sharing: dict[str, dict[str, Condition]] = defaultdict(dict)
    for condition, text in zip(conditions, texts, strict=True):
        if condition.hash is not None:
            sharing[text][condition.hash] = condition
    further: dict[str, str] = {}
    for group in (group for group in sharing.values() if len(group) > 1):
        extra = dict(zip(group, _what_differs([condition.settings for condition in group.values()]), strict=True))
        clear = Counter(extra.values())
        for key, text in extra.items():
            unclear = text is None or clear[text] > 1
            further[key] = ", ".join(filter(None, [text, f"condition={key[:SHOWN]}" if unclear else ""]))
    return [", ".join(filter(None, [text, further.get(condition.hash or "")]))
            for condition, text in zip(conditions, texts, strict=True)]


def _what_differs(known: Sequence[Mapping[str, Any] | None]) -> list[str | None]:
    """What sets each of these settings apart from the others; None where they are unknown.

    A setting that only some have is not told of the others. What belongs to a named choice (`mitigation.score` to
    `mitigation.name`) is told where it differs among those that chose the same.
    """
    given = [each or {} for each in known]
    names = _differing(given)

    def differs(name: str, own: Mapping[str, Any]) -> bool:
        choice = f"{name.rsplit('.', 1)[0]}.name"
        alike = [each for each in given if each.get(choice) == own.get(choice)] if choice in names else given
        return name == choice or len({repr(each.get(name)) for each in alike}) > 1

    return [None if not each else ", ".join(f"{short}={_short(each[name])}" for name, short in names.items()
                                            if name in each and differs(name, each)) for each in known]


def _differing(known: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """The settings that differ, and how each is called: by the last part of its key where that is clear, names first.

    A name is called by what it names: `mitigation.name` is the mitigation.
    """
    names = [name for name in dict.fromkeys(key for each in known for key in each)
             if len({repr(each.get(name)) for each in known}) > 1]
    parts = {name: name.removesuffix(".name").rsplit(".", 1)[-1] for name in names}
    last = Counter(parts.values())
    return {name: parts[name] if last[parts[name]] == 1 else name
            for name in sorted(names, key=lambda name: not name.endswith(".name"))}


def _short(value: Any) -> str:
    if value is None or value == "":
        return "unknown"
    return f"{value:g}" if isinstance(value, float) else str(value).replace(", ", ",")


# --- for readers ------------------------------------------------------------------------------------------------------

def pretty(label: str, intended: str = "intended goal") -> str:
    """A condition's label for readers rather than terminals; `intended` is the task's own word for its intended goal."""
    whole = [part for part in label.split(", ") if "=" not in part]
    parts = dict(part.split("=", 1) for part in label.split(", ") if "=" in part)
    algo = parts.get("algo", "")
    if algo.startswith("cloning_"):
        parts["algo"] = {"cloning_intended": f"cloning, {intended}", "cloning_proxy": "cloning, proxy"}.get(
            OLD_TRAINERS.get(algo, algo), algo)
        parts.pop("alignment", None)
    words = {"algo": _words, "env": _words, "delta": "δ = {}".format, "quality": "quality {}".format, "alignment": _words,
             "steps": lambda steps: f"{int(steps) / 1e6:g}M steps", "width": "width {}".format}
    order = sorted(parts, key=lambda name: (name != "delta", name == "algo"))
    return ", ".join([*whole, *(words.get(name, f"{_words(name)} {{}}".format)(parts[name]) for name in order)])


def _words(name: str) -> str:
    return {"interpretability_verified": "verified"}.get(name, name.replace("_", " "))
