"""The ladder of distribution shifts: pure, graded functions from one level distribution to another, of any task.

    shift(task, training, 3, 0.5)                     half of a significant shift
    shift_factor(task, training, "appearance", 1.0)   one factor alone
    task.distinguishing(distribution)                 the same levels, but each tells the goals apart

A shift moves factors from their trained values straight towards the ladder's targets: at grade g a factor has gone the
share g of the way, at grade 0 the distribution is the training distribution itself, at grade 1 it no longer depends on
how the agent was trained. Choices within a level are hashes of its seed compared with these values, so the same seed
changes at some grade and stays changed at every higher one (common random numbers). Seeds, physics and reward stay.
"""

from __future__ import annotations

from gmexp_envs.task import D, Factor, Shift, Task


def find_shift(task: Task, kind: int | str) -> Shift:
    """The shift of a type (0..4, also as text) or name."""
    for candidate in task.shifts:
        if str(kind) in (str(candidate.type), candidate.name):
            return candidate
    raise ValueError(f"there is no shift {kind!r}: choose a type 0..{len(task.shifts) - 1} or one of "
                     f"{', '.join(s.name for s in task.shifts)}")


def find_factor(task: Task, name: str) -> Factor:
    """The factor of a name."""
    for candidate in task.factors:
        if candidate.name == name:
            return candidate
    raise ValueError(f"there is no factor {name!r}: choose one of {', '.join(f.name for f in task.factors)}")


def shift(task: Task[D], training: D, kind: int | str, grade: float) -> D:
    """The training distribution after a shift of the given type and grade in [0, 1].

    Raises ValueError where the training distribution cannot be shifted so (see `shift_factor`).
    """
    wanted = find_shift(task, kind)
    _check_grade(grade)
    for factor in task.factors:
        if factor.name in wanted.targets:
            training = shift_factor(task, training, factor.name, grade, wanted.targets[factor.name])
    return training


def shift_factor(task: Task[D], training: D, name: str, grade: float, target: float | None = None) -> D:
    """The training distribution with one factor moved the share `grade` of the way to `target` (None: `Factor.alone`).

    Raises ValueError where a grade above 0 is impossible, saying why (`Factor.why_not`).
    """
    factor = find_factor(task, name)
    _check_grade(grade)
    if grade == 0:
        return training
    if (reason := factor.why_not(training)) is not None:
        raise ValueError(reason)
    target, trained = factor.alone if target is None else target, factor.get(training)
    if factor.lowers:
        target = min(target, trained)
    return factor.put(training, target if grade == 1 else trained + grade * (target - trained))


def _check_grade(grade: float) -> None:
    if not 0 <= grade <= 1:  # also refuses NaN
        raise ValueError(f"shift grade {grade} is not within [0, 1]")
