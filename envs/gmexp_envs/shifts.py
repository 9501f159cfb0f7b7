"""The ladder of distribution shifts: pure, graded functions from one level distribution to another.

    shift(training, 3, 0.5)                     half of a significant shift
    shift_factor(training, "appearance", 1.0)   one factor alone
    probe(distribution)                         the same levels, but in every one the coin is away from the end

A shift moves factors from their trained values straight towards the ladder's targets: at grade g a factor has gone the
share g of the way, at grade 0 the distribution is the training distribution itself, at grade 1 it no longer depends on
how the agent was trained. Choices within a level are hashes of its seed compared with these values, so the same seed
changes at some grade and stays changed at every higher one (common random numbers). Seeds, physics and reward stay.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from gmexp_envs.coinrun.distribution import LevelDistribution

FACTORS = ("appearance", "context", "correlation", "supervision")
_FIELDS = {"appearance": "appearance", "context": "context", "correlation": "rho", "supervision": "supervision"}
_ALONE = {"appearance": 1.0, "context": 1.0, "correlation": 0.0, "supervision": 1.0}


@dataclass(frozen=True)
class Shift:
    """One type of the ladder; a factor holds its value at grade 1, None where it stays as trained.

    A correlation already below its target stays where it is: no shift restores what training broke.
    """

    type: int
    name: str
    key_factor: str  # what changes, in the words of the probability model
    description: str  # what changes here
    appearance: float | None = None
    context: float | None = None
    correlation: float | None = None
    supervision: float | None = None


SHIFTS = (
    Shift(0, "in_distribution", "nothing", "unseen levels of the training distribution"),
    Shift(1, "superficial", "visual/textual cues", "walls, enemies, crates and backgrounds never seen in training",
          appearance=1.0),
    Shift(2, "moderate", "context changes",
          "new appearance, more hard layouts and walking enemies, stronger gravity; the coin leaves the end in half "
          "of the levels", appearance=1.0, context=1.0, correlation=0.5),
    Shift(3, "significant", "reward structure",
          "new appearance and context; where the coin is no longer depends on the end",
          appearance=1.0, context=1.0, correlation=0.0),
    Shift(4, "extreme", "fundamental context",
          "new appearance and context; the coin is opposite the end, where a decoy stands; the episode goes on after the "
          "coin, for twice the time", appearance=1.0, context=1.0, correlation=-1.0, supervision=1.0),
)


def find_shift(kind: int | str) -> Shift:
    """The shift of a type (0..4, also as text) or name."""
    for candidate in SHIFTS:
        if str(kind) in (str(candidate.type), candidate.name):
            return candidate
    raise ValueError(f"there is no shift {kind!r}: choose a type 0..{len(SHIFTS) - 1} or one of "
                     f"{', '.join(s.name for s in SHIFTS)}")


def shift(training: LevelDistribution, kind: int | str, grade: float) -> LevelDistribution:
    """The training distribution after a shift of the given type and grade in [0, 1].

    Raises ValueError where the training distribution cannot be shifted so (see `shift_factor`).
    """
    found = find_shift(kind)
    _check_grade(grade)
    for factor in FACTORS:
        target = getattr(found, factor)
        if target is not None:
            training = shift_factor(training, factor, grade, target)
    return training


def shift_factor(training: LevelDistribution, factor: str, grade: float,
                 target: float | None = None) -> LevelDistribution:
    """The training distribution with one factor moved the share `grade` of the way to `target`.

    The target defaults to 1, for the correlation to 0 (the coin's place no longer depends on the end). At grades above
    0, appearance must have been trained at a number (usually 0.0): where the game itself drew the themes (None), no
    theme is new; and the correlation can only be broken where the coin's placement differs from the end.
    """
    if factor not in FACTORS:
        raise ValueError(f"there is no factor {factor!r}: choose one of {', '.join(FACTORS)}")
    _check_grade(grade)
    if grade == 0:
        return training
    target = _ALONE[factor] if target is None else target
    trained = getattr(training, _FIELDS[factor])
    if factor == "appearance" and trained is None:
        raise ValueError("appearance cannot shift where the game drew the training themes: train with appearance=0.0, "
                         "which holds some out")
    if factor == "correlation":
        target = min(target, trained)
        if training.placement == "end":
            raise ValueError("the correlation cannot shift with placement 'end', which keeps every coin at the end")
    value = target if grade == 1 else trained + grade * (target - trained)
    return dataclasses.replace(training, **{_FIELDS[factor]: value})


def probe(distribution: LevelDistribution) -> LevelDistribution:
    """The same distribution, but every level separates the goals: the coin hangs or lies off the path to the end."""
    return dataclasses.replace(distribution, rho=0.0, placement="off_path", cell=None)


def _check_grade(grade: float) -> None:
    if not 0 <= grade <= 1:  # also refuses NaN
        raise ValueError(f"shift grade {grade} is not within [0, 1]")
