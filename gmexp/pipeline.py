"""The map: every stage of a study, in order. `gmexp run` goes through all of them.

    train -> evaluate -> measure -> mitigate -> rates -> calibrate -> estimate -> figures -> page -> mirror

Runs already trained and evaluated are left as they are, so the same command goes on after any stop; what follows from their
episodes is made anew.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gmexp import artefacts
from gmexp.agents.trainer import current_name, trainer_names
from gmexp.artefacts import tables
from gmexp.artefacts.condition import condition_labels
from gmexp.artefacts.records import OutcomeCounts, RunMeta
from gmexp.artefacts.study import TRAINED, Study
from gmexp.artefacts.tracking import Tracker, open_tracker
from gmexp.calculator import base_rates
from gmexp.evaluation.ahead import compiled_ahead
from gmexp.evaluation.cells import cells
from gmexp.evaluation.plan import EvaluationPlan
from gmexp.figures import catalogue as figures
from gmexp.measures import pool
from gmexp.measures.attribution import unpursued
from gmexp.measures.config import check_measures
from gmexp.measures.take import check, measure
from gmexp.mitigations import stage as mitigation_stage
from gmexp.mitigations import mitigation_config, mitigation_names, mitigation_of, verdicts
from gmexp.mitigations.config import MitigationsPlan, check_played
from gmexp.mitigations.verification import VerificationPlan
from gmexp.pages.clips import write_clips
from gmexp.pages.mirror import log_run, log_study
from gmexp.pages.report import report
from gmexp.rates import between_runs, estimands, learning, mitigated, over_runs
from gmexp.statistics import stage as calibration_stage
from gmexp.statistics.config import CalibrationConfig, check_kept, sampler
from gmexp.statistics.counts import read_counts
from gmexp.statistics.stage import Refused
from gmexp.support.checks import check_backend, check_session, check_threads
from gmexp.support.composition import override, variant
from gmexp.support.errors import UserError
from gmexp.support.extras import require
from gmexp.support.locks import alone_in
from gmexp.support.progress import Bar
from gmexp.training import runlog
from gmexp.training.config import LauncherConfig, LoggerConfig, TrainConfig, agent_config, env_config
from gmexp.training.launchers import launch
from gmexp.training.run import NOT_IDENTITY, Run, describe, identity
from gmexp.training.session import open_run, place
from gmexp.training.workers import Failure
from gmexp_envs import task_names

SAME_FOR_ALL = ("experiment", "seed", "device", *NOT_IDENTITY)  # keys that conditions cannot vary


@dataclass
class RunConfig:
    """`gmexp run`: a whole study, every stage of it."""

    experiment: str
    env: Any = variant(env_config, task_names)
    agent: Any = variant(agent_config, trainer_names, current_name)
    steps: int
    conditions: list[dict[str, Any]]  # what varies between conditions: dotted keys of the training config
    seeds: list[int]  # train seeds of every condition that does not name its own
    verification: VerificationPlan
    reuse: list[str]  # studies whose finished runs are taken over where they are the same
    evaluation: EvaluationPlan
    measures: list[str]  # what else is measured of every run: names of MEASURES
    mitigations: MitigationsPlan  # what mitigations do with every run, once all are trained
    mitigation: Any = variant(mitigation_config, mitigation_names)  # of every run whose condition does not name another
    threshold: float  # in-distribution capability of the runs that count as capable
    chains: int
    draws: int
    warmup: int
    target_accept: float
    attempts: int
    rhat_max: float
    ess_min: float
    divergences_max: float
    kept: int | None  # draws of the calibration to store, evenly spaced; None for all
    checkpoint_seconds: float
    device: str
    backend: str  # of training: native or procgen
    threads: int  # of every training environment
    workers: int | None  # runs side by side, at most; None for as many as fit
    out: str
    logger: LoggerConfig
    launcher: LauncherConfig
    statistics_seed: int  # of the bootstrap and the sampler

    def __post_init__(self) -> None:
        if not self.conditions or not self.seeds:
            raise ValueError("conditions and seeds must each name at least one")
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seeds = {self.seeds} names a seed twice: runs must differ to count as replicates")
        if self.workers is not None and self.workers < 1:
            raise ValueError(f"workers = {self.workers} must be at least 1, or null for as many as fit")
        check_measures(self.measures)
        check_backend(self.backend)
        check_threads(self.threads)
        if not 0 <= self.threshold <= 1:
            raise ValueError(f"threshold = {self.threshold} is not within [0, 1]")
        self.sampler()  # refuses what does not fit
        check_kept(self.kept, self.chains)
        check_session(self.checkpoint_seconds, self.device)

    def sampler(self) -> CalibrationConfig:
        """How the study is calibrated."""
        return sampler(self, self.statistics_seed)


def run(config: RunConfig) -> int:
    """`gmexp run`."""
    require("torch", "training")
    started = time.monotonic()
    study = Study(Path(config.out))
    planned = training_runs(config)
    with alone_in(study.root, "gmexp run"):
        _keep_what_is_there(study, planned)
        artefacts.remove_temporaries(study.root)
        _take_over(study, planned, config.reuse)
        failures = _train_and_evaluate(planned, config)
        failed = {describe(planned[position]).run_id: failure.reason for position, failure in sorted(failures.items())}
        complete = [item for position, item in enumerate(planned) if position not in failures]
        rejected = _rejected(study, complete)
        counted = [item for item in complete if describe(item).run_id not in rejected]
        unplayed = _mitigate(_measured_with_mitigations(planned, counted, config), config)
        try:
            if counted:
                _conclude(study, counted, failed, rejected, config)
        finally:
            _complain(failed, failures.values(), len(planned), study)
            for run_id, reason in rejected.items():
                print(f"not verified, so not counted: {run_id} {reason}", file=sys.stderr)
            _complain_unplayed(unplayed)
    if counted:
        print(f"\n{study.report}  ({time.monotonic() - started:.0f} s)")
    return 1 if failed or unplayed else 0


def _conclude(study: Study, counted: Sequence[TrainConfig], failed: dict[str, str], rejected: dict[str, str],
              config: RunConfig) -> None:
    """Everything after the episodes, over the runs that count; study.json lists those that failed and were rejected."""
    metas = [study.finished(describe(item).run_id) for item in counted]
    origin = artefacts.provenance(None, dataclasses.asdict(config), f"study {config.experiment}")
    study.write_index(config.experiment, dataclasses.asdict(config), metas, origin, failed, rejected)
    rates(study, config.threshold, config.statistics_seed)
    if text := mitigated.table(mitigation_stage.conclude(study)):
        print(f"\n{text}")
    counts = read_counts(study.counts)
    if any(row.shift_type for row in counts):  # what was played in distribution only says nothing of any shift
        try:
            _estimate(study, counts, config)
        except Refused as error:  # the rates, figures and page do without
            print(f"{error}; the study is complete but for it", file=sys.stderr)
    _film(study, counted, config.evaluation)
    report(study)
    with _open_study(study, metas, config) as tracker:
        log_study(tracker, study.root)


def _open_study(study: Study, metas: Sequence[RunMeta], config: RunConfig) -> Tracker:
    """The tracker of a study: one and the same at every call, filterable by what its runs are."""
    def each(name: str) -> list[Any]:
        return list(dict.fromkeys(getattr(meta, name) for meta in metas))

    about = {"experiment": config.experiment, "runs": len(metas), "env": each("env"), "delta": each("train_diversity"),
             "learner": each("algo"), "method": each("align_method"), "condition_hash": each("condition_hash"),
             "seeds": each("train_seed"), "steps": each("train_steps"), "backend": config.backend,
             "settings": dataclasses.asdict(config)}
    return open_tracker(config.logger.name, config.logger.mode, **place(config.logger), group=config.experiment,
                        name=f"{config.experiment}-study", config=about, dir=study.root, job_type="study",
                        tags=("study", *each("env"), *config.logger.tags), id=f"{config.experiment}-study-{config.out}")


def _estimate(study: Study, counts: Sequence[OutcomeCounts], config: RunConfig) -> None:
    """Stages `calibrate` and `estimate`: the posterior, and what it says beside the published model."""
    calibration = calibration_stage.calibrate(counts, study.calibration, config.sampler(), config.kept)
    shifts = base_rates.base_rates(calibration, counts, unpursued([study]))
    origin = artefacts.provenance(None, dataclasses.asdict(config), "published beside calibrated rates")
    artefacts.write_json(study.estimate, {"shifts": shifts}, origin)
    print(f"\n{base_rates.report(shifts, calibration)}")


def rates(study: Study, threshold: float, seed: int) -> None:
    """Stage `rates`: count the episodes of every run, and print what they say."""
    over_runs.build(study.root, threshold, seed)
    calibration_stage.drop_stale(study)
    between_runs.write(study, seed)
    learning.write(study)
    figures.prepare(study)
    measured = over_runs.read_rates(study.rates)
    variances, learnt = between_runs.read(study), learning.read(study)
    print("\n\n".join(filter(None, (estimands.table(measured.estimands) if measured.estimands else "",
                                     over_runs.table(measured.cells), over_runs.contrast_table(measured),
                                     between_runs.table(variances) if variances else "",
                                     learning.table(learnt) if learnt else ""))))
    if text := pool.conclude(study):
        print(f"\n{text}")


def _rejected(study: Study, complete: Sequence[TrainConfig]) -> dict[str, str]:
    """The candidates that a mitigation (or goal verification, `verified`) did not accept, and why."""
    candidates = [describe(item).run_id for item in complete if item.verified or mitigation_of(item.mitigation)]
    judged = {run_id: verdicts.read(study.run(run_id)) for run_id in candidates}
    return {run_id: verdict.reason for run_id, verdict in judged.items() if verdict is not None and not verdict.passed}


def _complain(failed: dict[str, str], failures: Iterable[Failure], planned: int, study: Study) -> None:
    """Say on stderr which runs failed and why; nothing if none did."""
    if not failed:
        return
    for details in dict.fromkeys(failure.details for failure in failures if failure.details is not None):
        print(details, file=sys.stderr)
    print(f"\n{len(failed)} of {planned} runs failed; the same command tries them again and keeps the others:",
          file=sys.stderr)
    for run_id, reason in failed.items():
        log = f" (log: {study.log(run_id)})" if study.log(run_id).is_file() else ""
        print(f"  {run_id}: {' '.join(reason.split())}{log}", file=sys.stderr)


# --- what is planned ---------------------------------------------------------------------------------------------------

def training_runs(config: RunConfig) -> list[TrainConfig]:
    """Every condition with every train seed; UserError for what would only show once they were trained."""
    base = TrainConfig(experiment=config.experiment, env=config.env, agent=config.agent, steps=config.steps, seed=0,
                       verified=False, checkpoint_seconds=config.checkpoint_seconds, device=config.device,
                       backend=config.backend, threads=config.threads, out=config.out, logger=config.logger,
                       mitigation=config.mitigation, evaluated=None)
    for key in (key for condition in config.conditions for key in condition):
        if key.split(".")[0] in SAME_FOR_ALL:
            raise UserError(f"conditions cannot vary {key}: it is the same for the whole study, and seeds=[...] lists "
                            "the train seeds of every condition")
    runs = []
    for condition in config.conditions:
        varied = override(base, {key: value for key, value in condition.items() if key != "seeds"})
        runs += [dataclasses.replace(varied, seed=seed) for seed in condition_seeds(condition, config.seeds)]
    metas = [describe(item) for item in runs]
    if len({artefacts.config_hash(identity(dataclasses.replace(item, verified=False))) for item in runs}) < len(runs):
        raise UserError("two of the conditions have the same runs: let them differ, or give one of them other seeds")
    over_runs.check_replicates(metas, condition_labels(metas))
    check_played(config.mitigations, min(len(condition_seeds(condition, config.seeds)) for condition in config.conditions),
                 len(config.conditions))
    for item in runs:
        check(config.measures, item.agent, item.task)
        cells(item.task, item.training, config.evaluation, item.seed)
    return runs


def condition_seeds(condition: Mapping[str, Any], default: Sequence[int]) -> Sequence[int]:
    """The train seeds of a condition: those it names, or the study's."""
    seeds = condition.get("seeds", default)
    if not isinstance(seeds, Sequence) or not seeds or not all(type(seed) is int for seed in seeds):
        raise UserError(f"seeds = {seeds} of a condition should be a list of train seeds")
    if len(set(seeds)) < len(seeds):
        raise UserError(f"seeds = {list(seeds)} names a seed twice: runs must differ to count as replicates")
    return seeds


def _film(study: Study, planned: Sequence[TrainConfig], plan: EvaluationPlan) -> None:
    """Animate a few episodes of the first run of every condition."""
    metas = [describe(item) for item in planned]
    filmed = condition_labels(metas)
    for run_id in {label: run_id for run_id, label in reversed(filmed.items())}.values():
        write_clips(study.run(run_id), plan)


def _keep_what_is_there(study: Study, planned: Sequence[TrainConfig]) -> None:
    """UserError where the folder holds a study with runs that are not planned: its index would forget them."""
    if not study.index.is_file():
        return
    try:
        listed = [run.run_id for run in study.runs()]
    except UserError as error:
        raise UserError(f"{error}: remove it, or give another out=...") from error
    if lost := sorted(set(listed) - {describe(item).run_id for item in planned}):
        raise UserError(f"{study.root} holds a study of {len(listed)} runs, of which {len(lost)} are not planned here "
                        f"({lost[0]}{', ...' if len(lost) > 1 else ''}): give another out=..., or remove {study.index} "
                        "to make another study of its runs")


def reusable(study: Study, planned: Sequence[TrainConfig], others: Sequence[str]) -> dict[str, Study]:
    """Planned runs by id that are not finished here but are in another study, the first that has them; says on stderr which
    of the others there are not."""
    found: dict[str, Study] = {}
    metas = [meta for meta in map(describe, planned) if others and not study.is_finished(meta)]
    for other in map(Study, map(Path, others)):
        if not other.root.is_dir():
            print(f"nothing to reuse in {other.root}: there is no such folder", file=sys.stderr)
            continue
        found |= {meta.run_id: other for meta in metas if meta.run_id not in found and other.is_finished(meta)}
    return found


def _take_over(study: Study, planned: Sequence[TrainConfig], others: Sequence[str]) -> None:
    """Copy finished runs of other studies that are the same as planned ones: what training left, and who trained them."""
    taken = reusable(study, planned, others)
    for run_id, other in taken.items():
        for name in TRAINED:  # the last one says that the others are there
            artefacts.write_bytes(study.run(run_id) / name, artefacts.read_bytes(other.run(run_id) / name))
    if taken:
        print(f"{len(taken)} of {len(planned)} runs are taken over from other studies", file=sys.stderr)


# --- runs side by side ------------------------------------------------------------------------------------------------

def _train_and_evaluate(planned: Sequence[TrainConfig], config: RunConfig) -> dict[int, Failure]:
    """Train, evaluate and measure every run -> what failed, by its position."""
    tasks = [(_anywhere(item), config.evaluation, config.measures, config.verification) for item in planned]
    with (Bar(sum(item.steps for item in planned), f"train {len(planned)} runs", "step") as bar,
          _compiled_ahead(planned, config)):
        failures = launch(config.launcher, tasks, _work, config.workers, Study(Path(config.out)).scratch, bar.advance,
                          lambda count: bar.note(f"{count}/{len(planned)} evaluated"))
    for position, failure in failures.items():
        run = Run.of(planned[position])
        runlog.note(run.study.log(run.id), "\n".join(filter(None, (f"failed: {failure.reason}", failure.details))))
    return failures


def _compiled_ahead(planned: Sequence[TrainConfig], config: RunConfig) -> contextlib.AbstractContextManager[None]:
    """What is compiled beside the first runs here; nothing where all runs are trained, or train elsewhere."""
    if config.launcher.name != "local" or all(Run.of(item).finished for item in planned):
        return contextlib.nullcontext()
    return compiled_ahead(list(dict.fromkeys(item.env.name for item in planned)))


def _measured_with_mitigations(planned: Sequence[TrainConfig], counted: Sequence[TrainConfig],
                               config: RunConfig) -> list[TrainConfig]:
    """The runs that play with mitigations: those that were trained as usual, of all conditions or of the one asked for."""
    positions = [k for k, condition in enumerate(config.conditions) for _ in condition_seeds(condition, config.seeds)]
    asked = [item for k, item in zip(positions, planned, strict=True)
             if config.mitigations.all_conditions or k == config.mitigations.condition]
    return [item for item in counted if item in asked and mitigation_of(item.mitigation) is None]


def _mitigate(usual: Sequence[TrainConfig], config: RunConfig) -> dict[str, Failure]:
    """Let runs play with mitigations -> what failed, by run id; they count all the same."""
    if not config.mitigations.plays or not usual:
        return {}
    tasks = [(_anywhere(item), config.evaluation, config.mitigations) for item in usual]
    with Bar(len(usual), f"mitigate {len(usual)} runs", "run") as bar:
        failures = launch(config.launcher, tasks, _play, config.workers, Study(Path(config.out)).scratch, bar.advance,
                          lambda count: bar.note(f"{count}/{len(usual)}"))
    return {describe(usual[position]).run_id: failure for position, failure in failures.items()}


def _complain_unplayed(unplayed: Mapping[str, Failure]) -> None:
    """Say on stderr of which runs mitigations were not measured, and why."""
    for details in dict.fromkeys(failure.details for failure in unplayed.values() if failure.details is not None):
        print(details, file=sys.stderr)
    for run_id, failure in unplayed.items():
        print(f"mitigations are not measured of {run_id}: {' '.join(failure.reason.split())}", file=sys.stderr)


def _play(task: tuple[TrainConfig, EvaluationPlan, MitigationsPlan], report: Callable[[int], None]) -> None:
    """One run with every mitigation of the plan."""
    from gmexp.agents.checkpoint import load_checkpoint
    from gmexp.mitigations.play import mitigate

    config, plan, wanted = task
    mitigate(load_checkpoint(Run.of(config).folder, config.device), plan, wanted)
    report(1)


def _anywhere(config: TrainConfig) -> TrainConfig:
    """A run's configuration with whole paths, for a machine that works in another folder."""
    agent = config.agent
    if getattr(agent, "demonstrator", None) is not None:
        agent = dataclasses.replace(agent, demonstrator=os.path.abspath(agent.demonstrator))
    return dataclasses.replace(config, out=os.path.abspath(config.out), agent=agent)


def _work(task: tuple[TrainConfig, EvaluationPlan, list[str], VerificationPlan], report: Callable[[int], None]) -> None:
    """One run, trained, evaluated and measured; of candidates, only those that pass."""
    from gmexp.agents.checkpoint import load_checkpoint  # with torch, which what follows the episodes does without
    from gmexp.evaluation.evaluate import evaluate
    from gmexp.training.train import train

    config, plan, measures, wanted = task
    planned, mitigation = Run.of(config), mitigation_of(config.mitigation)
    trained_before, log, episodes = planned.finished, planned.study.log(planned.id), planned.study.episodes(planned.id)
    played_before = tables.made_from(episodes)
    if not trained_before:
        runlog.note(log, f"trains to {config.steps} steps")
    with runlog.heard(log), _tracked(planned, plan) as tracker:
        checkpoint = load_checkpoint(train(planned, report, tracker), config.device)
        for judge in (mitigation, mitigation_of(wanted) if config.verified else None):
            if judge and not verdicts.accepted(judge, checkpoint, plan):
                tracker.summary({"accepted": False})
                runlog.note(log, "not accepted, so not evaluated")
                return
        evaluate(checkpoint, plan, mitigation=mitigation)
        measure(checkpoint, measures, plan)
        log_run(tracker, checkpoint.path.parent, plan, trained_before)
    if not trained_before or tables.made_from(episodes) != played_before:
        runlog.note(log, "evaluated")


def _tracked(planned: Run, plan: EvaluationPlan) -> Tracker:
    """The tracker of a run, from its first step to its evaluation; none where all of that was done before."""
    if not planned.finished or planned.config.logger.name == "none":
        return open_run(planned)
    from gmexp.agents.checkpoint import load_checkpoint
    from gmexp.evaluation.evaluate import target

    checkpoint = load_checkpoint(planned.folder, planned.config.device)
    path, identity = target(checkpoint, plan, mitigation=mitigation_of(planned.config.mitigation))
    return Tracker() if tables.made_from(path) == artefacts.config_hash(identity) else open_run(planned)
