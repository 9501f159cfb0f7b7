"""What a study says of mitigations -> mitigations.json: its conditions against each other, and what was played."""

from __future__ import annotations

from collections.abc import Sequence

from gmexp import artefacts
from gmexp.artefacts.study import Study
from gmexp.mitigations import by_condition
from gmexp.rates import mitigated
from gmexp.rates.mitigated import Mitigated


def measured(study: Study) -> Mitigated:
    """Everything that a study's artefacts say of mitigations."""
    return Mitigated(tuple(by_condition.compare(study)))


def conclude(study: Study) -> Mitigated:
    """The same, written to the study's mitigations.json where there is anything to say."""
    found = measured(study)
    if found != Mitigated():
        mitigated.write(study.mitigations, found, artefacts.provenance(None, {}, "what mitigations do, over pairs of runs"))
    return found


def of_studies(studies: Sequence[Study]) -> Mitigated:
    """What several studies say, one after the other; nothing is pooled."""
    return mitigated.merged([measured(study) for study in studies])
