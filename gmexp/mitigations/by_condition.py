"""Mitigations that are conditions of a study: trained more diversely, better specified, or with a mitigation in training.

Two conditions are compared where they differ in that alone; a pair of runs shares its train seed.

    adversarial_training   the lowest training diversity of otherwise equal conditions against each higher one
    specification          each lower specification quality against the highest
    both                   the lowest quality with its lowest diversity against the highest with its highest: measured, since
                           two mitigations together are not the product of each alone
    a mitigation's name    runs without it against runs with it (`Mitigation.train`); its `negative` options are its control
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from gmexp.agents.mitigation import Mitigation, find_mitigation
from gmexp.artefacts import tables
from gmexp.artefacts.records import CurvePoint, OutcomeCounts, RunMeta
from gmexp.artefacts.study import Study
from gmexp.mitigations.config import mitigation_of_entry
from gmexp.rates.mitigated import About, Measured, Price, measured_rows
from gmexp.statistics.counts import read_counts

DIVERSE, SPECIFIED = "adversarial_training", "specification"  # as the published table names them
TOGETHER = f"{DIVERSE}+{SPECIFIED}"
DECLARED = {DIVERSE: (0.0, 0.3), SPECIFIED: (0.55, 1.0)}  # the settings that stand for the published rows
DECLARED_DIVERSITY = 0.03  # at which a mitigation of training, with its own defaults, stands for itself
KNOWS = {DIVERSE: "levels whose correlation is broken, with their reward", SPECIFIED: "the intended reward",
         TOGETHER: "both"}
EQUAL = ("env", "learner", "algo", "align_method", "demonstrator", "train_steps", "width", "horizon")
PREFIX = "mitigation."


class Trained(NamedTuple):
    """A condition: its settings as far as they matter here, and its runs' counts."""

    diversity: float
    quality: float
    mitigation: tuple[tuple[str, Any], ...]  # its options that vary in the study, sorted; empty without one
    counts: tuple[OutcomeCounts, ...]

    @property
    def seeds(self) -> frozenset[int]:
        return frozenset(row.train_seed for row in self.counts)

    @property
    def run_ids(self) -> list[str]:
        return list(dict.fromkeys(row.run_id for row in self.counts))


def compare(study: Study) -> list[Measured]:
    """Every comparison that a study's conditions allow, from its counts."""
    rows: list[Measured] = []
    for group in _groups(study):
        plain = [one for one in group if not one.mitigation]
        rows += [row for pair in _published(plain) for row in _rows(study, *pair)]
        rows += [row for base in plain for row in _with_mitigations(study, base, group)]
    return rows


def _groups(study: Study) -> list[list[Trained]]:
    """Conditions that differ in diversity, quality and mitigation alone; those of which either is unknown are left out."""
    runs = {run.run_id: run for run in study.runs()}
    grouped: dict[tuple, dict[tuple, list[OutcomeCounts]]] = defaultdict(lambda: defaultdict(list))
    for row in read_counts(study.counts):
        if row.train_diversity is not None and row.spec_quality is not None:
            key = (row.train_diversity, row.spec_quality, _options(runs.get(row.run_id)))
            grouped[tuple(getattr(row, name) for name in EQUAL)][key].append(row)
    return [[Trained(*key, tuple(counts)) for key, counts in sorted(group.items(), key=lambda item: repr(item[0]))]
            for group in grouped.values()]


def _options(run: RunMeta | None) -> tuple[tuple[str, Any], ...]:
    settings: Mapping[str, Any] = (run.settings if run else None) or {}
    return tuple(sorted((key.removeprefix(PREFIX), value) for key, value in settings.items()
                        if key.startswith(PREFIX) and value is not None))


def _published(plain: Sequence[Trained]) -> Iterator[tuple[str, Trained, Trained]]:
    """(method, base, treated) of what the published table knows."""
    for quality in sorted({one.quality for one in plain}):
        low, *higher = sorted((one for one in plain if one.quality == quality), key=lambda one: one.diversity)
        yield from ((DIVERSE, low, high) for high in higher)
    for diversity in sorted({one.diversity for one in plain}):
        *lower, best = sorted((one for one in plain if one.diversity == diversity), key=lambda one: one.quality)
        yield from ((SPECIFIED, low, best) for low in lower)
    if plain:
        worst = min(plain, key=lambda one: (one.quality, one.diversity))
        best = max(plain, key=lambda one: (one.quality, one.diversity))
        if worst.quality < best.quality and worst.diversity < best.diversity:
            yield TOGETHER, worst, best


def _rows(study: Study, method: str, base: Trained, treated: Trained) -> list[Measured]:
    if not base.seeds & treated.seeds:
        return []
    changed = [f"{words} {getattr(base, name):g} to {getattr(treated, name):g}"
               for name, words in (("diversity", "delta"), ("quality", "quality"))
               if getattr(base, name) != getattr(treated, name)]
    kept = {DIVERSE: [f"at quality {base.quality:g}"] if base.quality != 1 else [],
            SPECIFIED: [f"at delta {base.diversity:g}"]}.get(method, [])
    ends = {DIVERSE: (base.diversity, treated.diversity), SPECIFIED: (base.quality, treated.quality)}
    declared = method == TOGETHER or (ends[method] == DECLARED[method] and (method == SPECIFIED or not kept))
    price = Price(_steps(treated) / _steps(base), _seconds_ratio(study, base, treated), 0.0, KNOWS[method])
    about = About(method, ", ".join([" and ".join(changed), *kept]), declared, None if method == TOGETHER else method,
                  "prevention", study.root.name, price)
    return measured_rows(about, base.counts, treated.counts)


def _with_mitigations(study: Study, base: Trained, group: Sequence[Trained]) -> list[Measured]:
    """The base condition against itself with every mitigation that training had."""
    alike = [one for one in group if one.mitigation and (one.diversity, one.quality) == (base.diversity, base.quality)
             and one.seeds & base.seeds]
    rows: list[Measured] = []
    for one in alike:
        kind = _kind(one)
        if kind is None or _is_control(kind, one):
            continue
        control = next((other for other in alike if _kind(other) is kind and _is_control(kind, other)), None)
        usually = mitigation_of_entry({"name": kind.name}).identity
        options = ", ".join(f"{key} {value}" for key, value in one.mitigation if value != usually.get(key))
        mitigation = mitigation_of_entry(dict(one.mitigation))
        price = Price(mitigation.train_steps, _seconds_ratio(study, base, one), 0.0, kind.knows)
        usual = mitigation.identity == usually
        about = About(kind.name, ", ".join(filter(None, [f"delta {base.diversity:g}", options])),
                      usual and base.diversity == DECLARED_DIVERSITY, kind.row, kind.layer, study.root.name, price,
                      kind.control)
        rows += measured_rows(about, base.counts, one.counts, control.counts if control else ())
    return rows


def _kind(one: Trained) -> type[Mitigation] | None:
    name = dict(one.mitigation).get("name")
    return find_mitigation(name) if isinstance(name, str) else None


def _is_control(kind: type[Mitigation], one: Trained) -> bool:
    options = dict(one.mitigation)
    return bool(kind.negative) and all(options.get(key) == value for key, value in kind.negative.items())


def _steps(one: Trained) -> int:
    return one.counts[0].train_steps or 1


def _seconds_ratio(study: Study, base: Trained, treated: Trained) -> float | None:
    """Wall clock of training, treated over base; None where the curves are not there, or the runs were trained by different
    commits, so at other times and beside other work (`reuse=`)."""
    if len({row.git_sha for row in (*base.counts, *treated.counts)}) > 1:
        return None
    both = [[float(tables.read_table(study.curve(run_id), CurvePoint)["seconds"].values[-1])
             for run_id in one.run_ids if study.curve(run_id).is_file()] for one in (base, treated)]
    return statistics.mean(both[1]) / statistics.mean(both[0]) if all(both) else None
