"""What a study measures of mitigations beyond its conditions."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass, field, fields
from functools import cache
from typing import Any

from gmexp.agents.mitigation import Mitigation, NoMitigation, find_mitigation, mitigation_config, mitigation_names
from gmexp.mitigations.detection import WatchPlan
from gmexp.mitigations.gradual_deployment import DeploymentPlan
from gmexp.support.composition import override, variant
from gmexp.support.errors import UserError

NO_OPTIONS = ("name", "declared", "of")  # keys of an entry; of: the identity of what it is the control of


@dataclass
class MitigationsPlan:
    """Mitigations that act on trained agents; nothing is trained for them."""

    played: list[dict[str, Any]] = field(default_factory=list)  # each a name and options; declared: false for a variation
    scores: list[str] = field(default_factory=list)  # that watch every episode, for detection and trusted monitoring
    probed: int = 0  # levels of goal probing per run and arm; 0: no probing
    probe: bool = False  # whether the intended goal's place can be read off the hidden layer
    levels: int = 200  # of the validation split, that thresholds are set on
    accepted: float | None = None  # gradual deployment: share of episodes in which the proxy may come first; None: not done
    alpha: float = 0.05  # of false stops, at most
    condition: int = 0  # position of the study's condition whose results stand for these methods
    all_conditions: bool = True  # whether runs of the other conditions are measured as well, which multiplies the time

    def __post_init__(self) -> None:
        if self.probed < 0 or self.condition < 0:
            raise ValueError(f"mitigations.probed = {self.probed} and mitigations.condition = {self.condition} must not be "
                             "negative")
        WatchPlan(self.scores, self.levels)
        if self.accepted is not None:
            DeploymentPlan(self.accepted, self.alpha)
        for entry in self.played:
            if "name" not in entry:
                raise ValueError(f"mitigations.played: {entry} lacks the name of a mitigation")
            find_mitigation(str(entry["name"]))

    @property
    def watching(self) -> WatchPlan | None:
        return WatchPlan(self.scores, self.levels) if self.scores else None

    @property
    def deployment(self) -> DeploymentPlan | None:
        return None if self.accepted is None else DeploymentPlan(self.accepted, self.alpha)

    @property
    def plays(self) -> bool:
        """Whether agents have to play for it."""
        return bool(self.played or self.scores or self.probed or self.probe)


def check_played(plan: MitigationsPlan, seeds: int, conditions: int) -> None:
    """UserError for what would only show once runs were trained: an option that does not fit, too few of a condition."""
    if plan.condition >= conditions:
        raise UserError(f"mitigations.condition = {plan.condition} is no position of the {conditions} conditions, the first "
                        "of which is 0")
    for entry in plan.played:
        members = getattr(mitigation_of_entry(entry).options, "members", 1)
        if members > seeds:
            raise UserError(f"mitigations.played: {entry['name']} takes {members} runs of a condition, and there are "
                            f"{seeds} seeds: give members or seeds")


@dataclass
class _Host:
    """A configuration with a mitigation, so that its options are composed as everywhere."""

    mitigation: Any = variant(mitigation_config, mitigation_names)


def mitigation_of_entry(entry: dict[str, Any]) -> Mitigation:
    """The mitigation of an entry of `played`: the options of its file in conf/, those of the entry in their place.

    UserError where an option is none of its.
    """
    options = copy.deepcopy(_composed(str(entry["name"]), json.dumps(
        {f"mitigation.{key}": value for key, value in entry.items() if key not in NO_OPTIONS})))
    return find_mitigation(options.name)(options)


@cache
def _composed(name: str, changes: str) -> Any:
    """A mitigation's options with changes, as JSON; a study asks for the same few for each of its runs."""
    return override(_Host(NoMitigation()), {"mitigation": name, **json.loads(changes)}).mitigation


def negative_of(entry: dict[str, Any]) -> dict[str, Any] | None:
    """The entry of its negative control; None for a mitigation without one.

    A control that acts as often as the mitigation did (an option `shares`) is the control of that entry and of no other.
    """
    kind = find_mitigation(str(entry["name"]))
    if not kind.negative:
        return None
    own = "shares" in {each.name for each in fields(kind.config)}
    return {**entry, **kind.negative, **({"of": mitigation_of_entry(entry).identity} if own else {})}
