"""Mitigations: what is put around an agent against goal misgeneralization, and the table of those that there are.

A mitigation may act where an agent is trained, where it is accepted or rejected, and where it plays; whatever it leaves out
changes nothing. Another package's is a subclass of `Mitigation` named by an entry point in the group `gmexp.mitigations`, or
by its import path ("package.module:Name"). Those that come with the package are in `gmexp.mitigations`.
"""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

from gmexp_envs.task import Actor, Task
from gmexp_envs.vec import VecEnv

if TYPE_CHECKING:
    from gmexp.agents.checkpoint import Checkpoint

MITIGATIONS = {  # the mitigations that come with the package: where the class of each is
    "verification": "gmexp.mitigations.verification:Verification",
    "ensemble": "gmexp.mitigations.ensemble:Ensemble",
    "ask_for_help": "gmexp.mitigations.help:AskForHelp",
    "shield": "gmexp.mitigations.shield:Shield",
    "steering": "gmexp.mitigations.steering:Steering",
    "robust_plr": "gmexp.mitigations.robust_plr:RobustPLR",
    "accel": "gmexp.mitigations.accel:Accel",
}
NONE = "none"
Layer = Literal["prevention", "detection", "response"]


class Verdict(Protocol):
    """What a mitigation says of a trained candidate."""

    passed: bool

    @property
    def reason(self) -> str:
        """In a line, why it did or did not pass."""
        ...


class Mitigation:
    """A mitigation with its options. Subclass it; each hook that is not overridden does nothing.

    Attributes:
        name: as in configurations.
        layer: where in an agent's life it acts.
        row: its name in the published table of risk reductions; None for one that is not in it.
        price: what it costs and what it must know, in words.
        knows: what it must know, in a few words.
        config: dataclass of its options, with a field `name`.
        negative: options that turn it into its own negative control; none for a mitigation without one.
        control: that control, in words.
        arms: those in which acting with it means something; None for all.
        note: what an interval over pairs of runs does not know of it.
    """

    name: ClassVar[str]
    layer: ClassVar[Layer]
    row: ClassVar[str | None] = None
    price: ClassVar[str]
    knows: ClassVar[str] = "nothing"
    config: ClassVar[type]
    negative: ClassVar[Mapping[str, Any]] = {}
    control: ClassVar[str | None] = None
    arms: ClassVar[tuple[str, ...] | None] = None
    note: ClassVar[str | None] = None

    def __init__(self, options: Any) -> None:
        self.options = options

    @property
    def identity(self) -> dict[str, Any]:
        """What decides its effect, for the identity of runs and episodes."""
        return dataclasses.asdict(self.options)

    @property
    def train_steps(self) -> float | None:
        """Game steps of training, in multiples of those without it; None where unknown."""
        return 1.0

    def fitted(self, checkpoint: Checkpoint, plan: Any) -> Mitigation:
        """Itself, knowing what it must of an agent before it acts with it (thresholds, say), from levels of the validation
        split; `plan` is the `EvaluationPlan`."""
        return self

    def network(self, network: Any) -> Any:
        """What decides at play time in place of a checkpoint's network, and is called as it is."""
        return network

    def why_not(self, task: Task, backend: str, device: str) -> str | None:
        """Why no run can be trained with it in this environment; None where one can."""
        return None

    def train(self, build: Callable[[VecEnv], Any], env: VecEnv) -> Any:
        """The trainer of a run: `build(env)` makes the usual one. Prevention may choose what `env` shows, or what the
        trainer does in an iteration; both must stay resumable (`state`, `restore`)."""
        return build(env)

    def accept(self, checkpoint: Checkpoint, plan: Any) -> Verdict | None:
        """Whether a trained candidate may be deployed, judged by an `EvaluationPlan`; None: no opinion."""
        return None

    def wrap(self, actor: Actor, env: VecEnv) -> Actor:
        """Who acts at play time in `env`, in place of `actor`. What it decides may depend on `rows` alone in the order
        that `act` is asked."""
        return actor


@dataclass
class NoMitigation:
    """The options of no mitigation."""

    name: str = NONE


def mitigation_names() -> list[str]:
    """Names of all mitigations there are, those of installed plugins (entry points `gmexp.mitigations`) included."""
    return [*MITIGATIONS, *sorted({point.name for point in entry_points(group="gmexp.mitigations")} - set(MITIGATIONS))]


@cache
def find_mitigation(name: str) -> type[Mitigation]:
    """The mitigation of a name: one of `MITIGATIONS`, a plugin's, or an import path "package.module:Name".

    Raises ValueError where there is none.
    """
    plugins = {point.name: point.value for point in entry_points(group="gmexp.mitigations")}
    place = MITIGATIONS.get(name) or plugins.get(name, name)
    module, separator, attribute = place.partition(":")
    if not separator:
        raise ValueError(f"there is no mitigation {name!r}: choose one of {', '.join([NONE, *mitigation_names()])}, or give "
                         "an import path such as 'package.module:Name'")
    try:
        kind = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"the mitigation {name!r} cannot be imported from {place}: {error}") from error
    if not (isinstance(kind, type) and issubclass(kind, Mitigation)):
        raise ValueError(f"the mitigation {name!r}: {place} is not a subclass of Mitigation")
    return kind


def mitigation_config(name: str) -> type:
    """The dataclass of a mitigation's options. Raises ValueError where there is none."""
    return NoMitigation if name == NONE else find_mitigation(name).config


def mitigation_of(options: Any) -> Mitigation | None:
    """The mitigation that options (of `mitigation_config`) describe; None for none."""
    return None if options.name == NONE else find_mitigation(options.name)(options)
