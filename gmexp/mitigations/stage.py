"""What a study says of mitigations -> mitigations.json: its conditions against each other, and what its runs played.

    condition by condition   `by_condition`: trained more diversely, better specified, with a mitigation in training
    run by run               `play`: each agent with a mitigation against itself without
    from stored episodes     `gradual_deployment`, trusted monitoring and detection (`detection`), `goal_probing`
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from gmexp import artefacts
from gmexp.artefacts import tables
from gmexp.artefacts.condition import condition_labels, labels
from gmexp.artefacts.records import Episode, OutcomeCounts, RunMeta
from gmexp.artefacts.study import Study
from gmexp.mitigations import by_condition, detection, goal_probing, gradual_deployment, play, probe
from gmexp.mitigations.config import MitigationsPlan, negative_of
from gmexp.mitigations.gradual_deployment import DeploymentPlan
from gmexp.rates import mitigated
from gmexp.rates.detectors import over_runs
from gmexp.rates.mitigated import About, Measured, Mitigated, Price, Trace, measured_rows
from gmexp.statistics.counts import read_counts
from gmexp.support.composition import stored

__all__ = ["conclude", "measured", "of_studies"]

PLAYED = (play.FOLDER, detection.FILE, goal_probing.FILE, probe.FILE)  # what a run's play with mitigations leaves


def measured(study: Study, deployment: DeploymentPlan | None = None) -> Mitigated:
    """Everything that a study's artefacts say of mitigations; `deployment` asks for gradual deployment where it did not.

    Of a study whose runs come without what they played with mitigations, as committed ones do, what it said when made.
    """
    plan = plan_of(study)
    if plan.plays and study.mitigations.is_file() and not any(
            (study.run(run.run_id) / name).exists() for run in study.runs() for name in PLAYED):
        return mitigated.read(study.mitigations)
    parts = [Mitigated(tuple(by_condition.compare(study)))]
    if deployment is not None and plan.accepted is None:
        plan = replace(plan, accepted=deployment.accepted, alpha=deployment.alpha)
    if plan != MitigationsPlan():
        runs = study.runs()
        named, counts = condition_labels(runs), read_counts(study.counts)
        for position, label in enumerate(dict.fromkeys(named[run.run_id] for run in runs)):
            if not plan.all_conditions and position != plan.condition:
                continue
            members = [run for run in runs if named[run.run_id] == label]
            if not (members[0].settings or {}).get("mitigation.name"):  # agents that were trained as usual
                ids = {run.run_id for run in members}
                own = [row for row in counts if row.run_id in ids]
                parts.append(_condition(study, plan, members, own, labels(members)[0], position == plan.condition))
    return mitigated.merged(parts)


def plan_of(study: Study) -> MitigationsPlan:
    """What a study's configuration asks of mitigations; nothing in studies of earlier versions."""
    config = study.read_index()["config"] or {}
    return stored(MitigationsPlan, config.get("mitigations") or {})


def conclude(study: Study) -> Mitigated:
    """The same, written to the study's mitigations.json where there is anything to say, and what each run did with each
    mitigation that acts at play time and with its negative control, to mitigated.parquet."""
    found = measured(study)
    if found != Mitigated():
        mitigated.write(study.mitigations, found, artefacts.provenance(None, {}, "what mitigations do, over pairs of runs"))
    entries = [each for entry in plan_of(study).played for each in (entry, negative_of(entry)) if each is not None]
    if rows := [row for run in study.runs() for entry in entries for row in play.counts_with(study.run(run.run_id), entry)]:
        origin = artefacts.provenance(None, {}, "what runs did with mitigations, counted")
        tables.write_table(study.mitigated, rows, play.PlayedCounts, origin)
    return found


def of_studies(studies: Sequence[Study], deployment: DeploymentPlan | None = None) -> Mitigated:
    """What several studies say, one after the other; nothing is pooled."""
    return mitigated.merged([measured(study, deployment) for study in studies])


def _condition(study: Study, plan: MitigationsPlan, runs: Sequence[RunMeta], counts: Sequence[OutcomeCounts], label: str,
               declared: bool) -> Mitigated:
    """What was measured of the agents of one condition; only of the declared one do results stand for a method."""
    name, setting = study.root.name, label.replace("=", " ")
    rows: list[Measured] = []
    traces: list[Trace] = []

    def written(file: str) -> list[Path]:
        """A file of every run that has it."""
        return [path for run in runs if (path := study.run(run.run_id) / file).is_file()]

    for entry in plan.played:
        found, curve = _played(study, runs, counts, entry, setting)
        rows, traces = rows + found, traces + curve
    detections: Sequence[Any] = ()
    watched = [tables.read_table(path, detection.WatchedEpisode) for path in written(detection.FILE)]
    if plan.watching and watched:
        detections = detection.detections(watched, counts[0].env, name, setting)
        rows += detection.audited(counts, watched, name, setting)
    probed = [row for path in written(goal_probing.FILE) for row in tables.read_records(path, OutcomeCounts)]
    if plan.probed and probed:
        found, curve = goal_probing.measured(counts, probed, name, setting, 0)
        rows, traces = rows + found, traces + curve
    if plan.probe:
        read_off = [row for path in written(probe.FILE) for row in tables.read_records(path, probe.Probed)]
        traces += probe.traces(read_off, counts, name, setting)
    if plan.deployment and (logs := written(study.episodes(runs[0].run_id).name)):
        episodes = [tables.read_table(path, Episode) for path in logs]
        found, curve = gradual_deployment.measured(counts, episodes, plan.deployment, name, setting)
        rows, traces = rows + found, traces + curve
    return Mitigated(tuple(replace(row, declared=row.declared and declared) for row in rows), tuple(detections),
                     tuple(traces))


def _played(study: Study, runs: Sequence[RunMeta], counts: Sequence[OutcomeCounts], entry: dict[str, Any],
            setting: str) -> tuple[list[Measured], list[Trace]]:
    """An entry of the plan: every run with it against itself without."""
    def of(which: dict[str, Any] | None) -> list[OutcomeCounts]:
        found = [] if which is None else [play.read_counts(study.run(run.run_id), which) for run in runs]
        return [row for each in found if each is not None for row in each]

    treated, kind = of(entry), play.kind_of(entry)
    if not treated:
        return [], []
    shares = {run.run_id: play.helped_share(study.run(run.run_id), entry) for run in runs}
    price = Price(play.mitigation_of_entry(entry).train_steps, None, play.mean_share(list(shares.values())), kind.knows)
    about = About(kind.name, ", ".join(filter(None, [setting, play.words_of(entry)])), entry.get("declared", True) is True,
                  kind.row, kind.layer, study.root.name, price, kind.control, kind.note)
    negative = negative_of(entry)
    control, traces = of(negative), _success_against_help(study, runs, treated, entry, about)
    if negative is not None and control:
        at_random = replace(about, setting=f"{setting}, at random")
        traces += _success_against_help(study, runs, control, negative, at_random)
    return measured_rows(about, counts, treated, control), traces


def _success_against_help(study: Study, runs: Sequence[RunMeta], treated: Sequence[OutcomeCounts], entry: dict[str, Any],
                          about: About) -> list[Trace]:
    """The share of episodes that reach the intended goal against the share of decisions that were helped, by shift."""
    traces = []
    for kind in sorted({row.shift_type for row in treated}):
        shares = [play.helped_share(study.run(run.run_id), entry, kind) for run in runs]
        rows = [row for row in treated if row.shift_type == kind and not row.probe]
        share = play.mean_share(shares)
        if share is None or not rows:
            continue
        for words, values in (("share of episodes that reach the intended goal",
                               [row.useful / row.n_visible for row in rows]),
                              ("realised misgeneralization", [row.n_proxy / row.n_visible for row in rows])):
            mean, low, high = over_runs(values) or (sum(values) / len(values), None, None)
            traces.append(Trace(about.method, about.setting, rows[0].env, about.study, kind, "share of decisions helped",
                                words, share, mean, low, high, len(values), tuple(row.run_id for row in rows)))
    return traces
