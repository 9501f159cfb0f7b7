"""One run of a study, trained and evaluated again from the study's own configuration, and its counts beside the old ones."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from gmexp import artefacts
from gmexp.agents.checkpoint import load_checkpoint
from gmexp.agents.mitigation import NONE
from gmexp.artefacts import tables
from gmexp.artefacts.records import Episode, OutcomeCounts
from gmexp.artefacts.study import Study
from gmexp.artefacts.upgrades import renamed
from gmexp.evaluation.evaluate import evaluate
from gmexp.mitigations.config import MitigationsPlan
from gmexp.pipeline import RunConfig, training_runs
from gmexp.rates.counting import count_outcomes
from gmexp.statistics.config import SAMPLER, CalibrationConfig
from gmexp.statistics.counts import read_counts
from gmexp.support.composition import override, stored
from gmexp.support.errors import UserError
from gmexp.support.progress import Bar
from gmexp.training.run import describe
from gmexp.training.train import train

SAME = [f.name for f in dataclasses.fields(OutcomeCounts) if f.name not in ("experiment_id", "git_sha", "created_utc")]


def rerun(study: Study, run_id: str | None = None) -> dict[str, Any]:
    """Train and evaluate a run (the study's first for None) from scratch -> what differs from its committed counts.

    UserError where the study's configuration makes no run of that id in this version.
    """
    config = study_config(study)
    wanted = run_id or study.runs()[0].run_id
    planned = {describe(item).run_id: item for item in training_runs(config)}
    if wanted not in planned:
        raise UserError(f"{study.index} describes no run {wanted}; in this version its first is {next(iter(planned))}")
    before = [row for row in read_counts(study.counts) if row.run_id == wanted]
    if not before:
        raise UserError(f"{study.counts} has no run {wanted}")
    with TemporaryDirectory() as folder, Bar(planned[wanted].steps, f"train {wanted}", "step") as bar:
        item = dataclasses.replace(planned[wanted], out=folder)
        checkpoint = load_checkpoint(train(item, bar.advance), item.device)
        episodes = tables.read_table(evaluate(checkpoint, config.evaluation), Episode)
        again = Study(Path(folder))
        after, here = count_outcomes(episodes, again.finished(wanted)), _hardware(again, wanted)
    pairs = list(zip(map(_plain, before), map(_plain, after), strict=False))
    differing = [said for old, new in pairs if (said := _difference(old, new))]
    return {"run_id": wanted, "rows": len(before), "same": len(before) == len(after) and not differing,
            "differing": differing, "rows_now": len(after), "made_on": _hardware(study, wanted), "here": here}


def _hardware(study: Study, run_id: str) -> str:
    """What a run was trained on."""
    path = study.run(run_id) / "run.json"
    content = artefacts.read_json(path if path.is_file() else study.index)
    return content.get("provenance", {}).get("hardware", "unknown hardware")


# keys that studies of earlier versions do not have; chains and draws they have
LATER = {"mitigation": {"name": NONE}, "kept": None, "mitigations": dataclasses.asdict(MitigationsPlan())} | {
    name: getattr(CalibrationConfig(), name) for name in SAMPLER if name not in ("chains", "draws")}
LATER_OF_LOGGERS = {"entity": None, "tags": [], "notes": None}


def study_config(study: Study) -> RunConfig:
    """The configuration in study.json; UserError where it is another version's."""
    try:
        content = LATER | renamed(study.read_index()["config"], study.index)
        if isinstance(content.get("logger"), dict):
            content["logger"] = LATER_OF_LOGGERS | content["logger"]
        config = stored(RunConfig, content)
        if hasattr(config.agent, "update") and "update" not in content["agent"]:
            config = dataclasses.replace(config, conditions=[_by_autograd(config, each) for each in config.conditions])
        return config
    except UserError as error:
        raise UserError(f"{study.index} is not of this version: {error}") from error


def _by_autograd(config: RunConfig, condition: dict[str, Any]) -> dict[str, Any]:
    """A condition of the time before there was `agent.update`: the agent that it names, if any, was updated by autograd."""
    named = {key: value for key, value in condition.items() if key == "agent"}
    return condition | ({"agent.update": "autograd"} if getattr(override(config, named).agent, "fused", False) else {})


def _difference(old: dict[str, Any], new: dict[str, Any]) -> str | None:
    """What differs in a cell, with what it is now and was; None where nothing does. Earlier editions do not know all."""
    changed = [f"{name} {new[name]} instead of {value}" for name, value in old.items()
               if value is not None and new[name] != value]
    if not changed:
        return None
    return f"shift {old['shift_type']} at {old['grade']:g}{', probe' * bool(old['probe'])}: {', '.join(changed)}"


def _plain(row: OutcomeCounts) -> dict[str, Any]:
    return {name: getattr(row, name) for name in SAME}
