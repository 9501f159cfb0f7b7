"""What an environment is to everything else: its two goals, the factors that shift, what agents see, who acts in it.

Training, evaluation, measures, films and pages know environments only through a `Task`. One environment is one folder
(or one file) with one `Task`; `gmexp_envs.TASKS` names those that come with the package, and other people's come in by
the entry point `gmexp.tasks` or by an import path ("package.module:TASK").
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, NamedTuple, Protocol, TypeVar, runtime_checkable

import numpy as np

from gmexp_envs.vec import FrameStyle, SemanticObservation, VecEnv

D = TypeVar("D")  # a level distribution: a frozen dataclass with at least the fields of `Levels`
GoalName = Literal["intended", "proxy"]
ArmName = Literal["visible", "masked", "aligned"]


class Levels(Protocol):
    """What every level distribution has; everything else is the environment's own."""

    levels: Any  # SeedRange or tuple of level seeds
    sequential: bool  # instances walk through the seeds in order (evaluation) instead of drawing them (training)
    horizon: int  # steps after which an episode is cut off

    @property
    def num_levels(self) -> int: ...


@dataclass(frozen=True)
class Goal:
    """A goal in words: `name` for keys and labels, `words` for sentences, `colour` for pictures (Okabe and Ito's)."""

    name: str  # "coin"
    words: str  # "the coin"
    colour: str  # "#56B4E9"
    round: bool = False  # marked by a round frame in pictures; so that nothing is told by colour alone


@dataclass(frozen=True)
class Factor(Generic[D]):
    """One factor of the shifts, described here and nowhere else. put(d, get(d)) == d: grade 0 is the identity."""

    name: str
    words: str
    alone: float  # its target when it is shifted alone
    get: Callable[[D], float]
    put: Callable[[D, float], D]
    lowers: bool = False  # a trained value below the target stays: no shift restores what training broke
    why_not: Callable[[D], str | None] = lambda distribution: None  # why a distribution cannot be shifted by it


@dataclass(frozen=True)
class Shift:
    """One type of the ladder: at grade 1 each factor that it names is at its target; the others stay as trained."""

    type: int
    name: str
    key_factor: str  # what changes, in the words of the probability model
    words: str  # what changes in this environment
    targets: Mapping[str, float] = field(default_factory=dict)

    @property
    def title(self) -> str:
        return f"Shift {self.type}: {self.name.replace('_', ' ')}"


LADDER = (  # type, name, key factor in the published model, targets at grade 1
    (0, "in_distribution", "nothing", {}),
    (1, "superficial", "visual/textual cues", {"appearance": 1.0}),
    (2, "moderate", "context changes", {"appearance": 1.0, "context": 1.0, "correlation": 0.5}),
    (3, "significant", "reward structure", {"appearance": 1.0, "context": 1.0, "correlation": 0.0}),
    (4, "extreme", "fundamental context",
     {"appearance": 1.0, "context": 1.0, "correlation": -1.0, "supervision": 1.0}),
)
FACTOR_NAMES = ("appearance", "context", "correlation", "supervision")
SHIFT_TYPES = tuple(kind for kind, *_ in LADDER)
SHIFT_NAMES = {kind: name for kind, name, *_ in LADDER}


def ladder(words: Sequence[str]) -> tuple[Shift, ...]:
    """The ladder of the published model, types 0 to 4, with an environment's own words for each."""
    return tuple(Shift(kind, name, key_factor, text, targets)
                 for (kind, name, key_factor, targets), text in zip(LADDER, words, strict=True))


@dataclass(frozen=True)
class Semantics:
    """What the semantic observation holds; first layers and networks are built from it."""

    classes: tuple[str, ...]  # of a cell; the first means that nothing is there
    window: tuple[int, int]  # cells seen down and across: around the agent's own, or all there are, the agent's a class
    state: tuple[str, ...]  # floats that say how the agent moves
    bounds: tuple[float, ...]  # of their absolute values
    appearance: int  # multi-hot appearance features
    typical: int  # cells in a usual window that are not free: sets the scale of initial weights
    agent: tuple[str, ...] = ()  # classes of the agent's own cell; none where that is the window's middle
    walls: tuple[str, ...] = ()  # classes of cells that nothing enters


class Picture(NamedTuple):
    """A picture for people, and where the goals are in it: (x, y) pixels from its upper left corner, maybe outside."""

    image: np.ndarray  # uint8 [height, width, 3]
    cell: float  # pixels across a cell
    intended: tuple[float, float] | None  # None where there is none
    proxy: tuple[float, float] | None


class Actor(Protocol):
    """Anything that acts: `rows` are the instances whose actions are wanted, `observation` that of all instances."""

    def act(self, observation: SemanticObservation | Any, rows: Any) -> Any:
        """int32 [len(rows)] actions, of the kind that `rows` is: numpy's, or a tensor on the environment's device."""
        ...


class ScriptedPolicy(Actor, Protocol):
    """An actor whose goal is known, and which can go on exactly from where it was."""

    def state(self) -> dict[str, np.ndarray]: ...

    def restore(self, state: Mapping[str, np.ndarray]) -> None: ...


class GoalInView(Protocol[D]):
    """What the critic study needs of a task: a way past the proxy, and the intended goal drawn into an observation."""

    nearest: int  # signed distances to the proxy, in cells, that are recorded: from nearest (behind it) ...
    farthest: int  # ... to farthest (before it)
    words: str  # what the distance is and what lies behind the proxy (drawn grey), for an axis

    def distribution(self, training: D) -> D:
        """Aligned levels whose intended goal is masked, and on which the agent can go on past the proxy."""
        ...

    def distance(self, env: VecEnv) -> np.ndarray:
        """Signed distance of every agent to the proxy, int [N]; negative behind it."""
        ...

    def past(self, env: VecEnv) -> np.ndarray:
        """How far behind the proxy an agent has gone past it, int [N]."""
        ...

    def drawn(self, window: np.ndarray, env: VecEnv, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Of the windows [K, ...] that the instances `rows` see: the numbers (of the K) of those that have the proxy's
        cell in view and free, and copies of these windows with the intended goal there."""
        ...


@runtime_checkable
class Task(Protocol[D]):
    """An environment with a controllable spurious correlation. Subclass it; what has a body here is a default."""

    name: str
    family: str  # environments alike: "procgen", "small worlds", yours
    intended: Goal  # what the reward specifies
    proxy: Goal  # what goes with it in training
    factors: tuple[Factor[D], ...]
    shifts: tuple[Shift, ...]
    facts: tuple[str, ...]  # columns of EpisodeLog.facts
    semantics: Semantics
    num_actions: int
    action_sets: Mapping[str, tuple[int, ...]]  # what policies choose from; the first is the usual one
    config: type  # dataclass of conf/env/<name>.yaml: name, diversity, spec_quality, horizon, train_levels, its own
    backends: tuple[str, ...] = ("native",)
    chosen_levels: bool = False  # whether the native engine on the CPU begins at chosen levels (`VecEnv.begin_at`)
    goal_in_view: GoalInView[D] | None = None
    parity: str | None = None  # module that compares the engine with the real game: `verify_engine`, `CASES`, `RECORDED`

    def distribution(self, config: Any) -> D:
        """The levels that training on this configuration draws from."""
        ...

    def variant(self, config: Any) -> str:
        """The environment's name in counts: variants that differ in more than the factors are named apart."""
        return self.name

    def knobs(self, levels: Any, **knobs: Any) -> D:
        """A distribution from `make_vec`'s own arguments: level seeds and fields of the distribution."""
        ...

    def make(self, num_envs: int, distributions: Sequence[D], *, seed: int | None, observation: str, device: str,
             backend: str, threads: int, action_repeat: int, style: FrameStyle | None, drawable: bool) -> VecEnv:
        """The vector environment; arguments as `gmexp_envs.make_vec`."""
        ...

    def on(self, distribution: D) -> Task[D]:
        """This task as these levels show it: where `semantics` depend on them, one whose semantics are theirs."""
        return self

    def state_bounds(self, distribution: D) -> tuple[float, ...]:
        """Bounds of the absolute values of the state vector on these levels."""
        return self.semantics.bounds

    def why_not(self, distribution: D, backend: str) -> str | None:
        """Why a backend cannot play a distribution; None where it can."""
        return None

    def distinguishing(self, distribution: D) -> D:
        """The same levels, but every one of them tells the goals apart."""
        ...

    def arms(self, distribution: D) -> Mapping[ArmName, D]:
        """visible: as it is; masked: the intended goal is neither seen nor rewarded and ends nothing, its touch is
        logged; aligned: the intended goal is at the proxy."""
        ...

    def certify(self, distribution: D) -> np.ndarray:
        """Which of the distribution's levels tell the goals apart: bool [num_levels], by construction and in play."""
        ...

    def layout_hash(self, distribution: D) -> np.ndarray | None:
        """What there is to play in each of the distribution's levels, as uint64 [num_levels]: equal for levels that differ
        in looks or in the intended goal's place alone. None where levels cannot be compared."""
        return None

    def scripted(self, goal: GoalName, env: VecEnv) -> ScriptedPolicy:
        """A policy whose goal is known, which may read the environment's full state."""
        ...

    def picture(self, env: VecEnv, row: int, size: int) -> Picture:
        """What instance `row` of a drawable environment looks like now, as uint8 [size, size, 3]."""
        ...

    def level_size(self, env: VecEnv, row: int) -> tuple[int, int]:
        """(columns, rows) in cells that hold all there is in the level of instance `row`."""
        ...

    def level_picture(self, env: VecEnv, row: int, cell: int, rows: int | None = None) -> Picture:
        """The whole level of instance `row` of a drawable environment, `cell` pixels a cell; `rows` high where given."""
        ...

    def changes(self, training: VecEnv, shifted: VecEnv, row: int) -> str:
        """In a line, how instance `row` of a shifted environment differs from the same level in training."""
        ...
