"""Stage `evaluate`: a checkpoint under shifts -> its episodes.

All cells (shift x grade, and the distinguishing sets) are played in every arm as one batch, on held-out levels that the
run's cells share: episode k of slot s plays the same level seed in each, with sampled actions of its own. Runs of different
train seeds play different levels, so that the variance between runs, which intervals are made of, includes that between
levels; runs that share a train seed, one in each condition, share levels and luck. What happens in the visible arm does not
depend on whether other arms are played.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gmexp import artefacts
from gmexp.agents.checkpoint import Checkpoint, load_checkpoint
from gmexp.agents.mitigation import Mitigation, mitigation_of
from gmexp.agents.shipped import writable
from gmexp.artefacts import tables
from gmexp.artefacts.records import Episode
from gmexp.evaluation.batch import InTurn, make_env, play_cells
from gmexp.evaluation.cells import Cell, cells, held_out, in_arms, playable
from gmexp.evaluation.certified import levels_folder
from gmexp.evaluation.config import EvaluateConfig
from gmexp.evaluation.plan import EvaluationPlan
from gmexp.support.progress import Bar
from gmexp.support.seeding import stream
from gmexp.support.startup import settle_torch
from gmexp_envs.task import Actor


def run(config: EvaluateConfig) -> int:
    """`gmexp evaluate`."""
    checkpoint = load_checkpoint(writable(config.run), config.device)
    every = cells(checkpoint.task, checkpoint.training, config.evaluation, checkpoint.meta.train_seed)
    planned, left_out = playable(checkpoint.task, every, config.backend)
    if left_out:
        names = ", ".join(dict.fromkeys(f"{cell.shift_name} at {cell.grade:g}" for cell in left_out))
        print(f"left out, since procgen cannot play them: {names}", file=sys.stderr)
    total = len(planned) * len(config.evaluation.arms) * config.evaluation.episodes
    with Bar(total, f"evaluate {checkpoint.meta.run_id}", "episode") as bar:
        path = evaluate(checkpoint, config.evaluation, bar.advance, config.backend, mitigation_of(config.mitigation))
    print(path)
    return 0


def evaluate(checkpoint: Checkpoint, plan: EvaluationPlan, on_progress: Callable[[int], None] = lambda episodes: None,
             backend: str = "native", mitigation: Mitigation | None = None) -> Path:
    """Evaluate a checkpoint -> episodes.parquet beside it. Episodes of the same plan are left as they are.

    Arguments:
        backend: with procgen, what the real binary can play goes to episodes-procgen.parquet: the same episodes.
        mitigation: acts with the agent or in its place (`Mitigation.wrap`).
    """
    path, identity = target(checkpoint, plan, backend, mitigation)
    every = cells(checkpoint.task, checkpoint.training, plan, checkpoint.meta.train_seed)
    planned, _ = playable(checkpoint.task, every, backend)
    if tables.made_from(path) == artefacts.config_hash(identity):
        on_progress(len(planned) * len(plan.arms) * plan.episodes)
        return path
    artefacts.check_writable(path.parent)
    if mitigation:
        mitigation = mitigation.fitted(checkpoint, plan)
    columns, _ = play_with(checkpoint, plan, planned, mitigation, len(every) * plan.slots, levels_folder(path), on_progress,
                           backend)
    origin = artefacts.provenance(None, identity, "episodes of a trained agent under the graded shifts")
    return tables.write_table(path, columns, Episode, origin)


def target(checkpoint: Checkpoint, plan: EvaluationPlan, backend: str = "native",
           mitigation: Mitigation | None = None) -> tuple[Path, dict[str, Any]]:
    """Where an evaluation's episodes go, and what they depend on: a table made from the same is left as it is."""
    path = checkpoint.path.with_name(f"episodes{'' if backend == 'native' else f'-{backend}'}.parquet")
    return path, identity_of(checkpoint, plan) | ({"mitigation": mitigation.identity} if mitigation else {})


def identity_of(checkpoint: Checkpoint, plan: EvaluationPlan) -> dict[str, Any]:
    """What decides how a run's held-out levels are played by a plan."""
    return {"run": checkpoint.meta.config_hash, "plan": plan.identity,
            "levels": held_out(checkpoint.meta.train_seed, plan.episodes)}


def play_with(checkpoint: Checkpoint, plan: EvaluationPlan, planned: Sequence[Cell], mitigation: Mitigation | None = None,
              slots: int | None = None, cache: Path | None = None,
              on_progress: Callable[[int], None] = lambda episodes: None,
              backend: str = "native") -> tuple[dict[str, np.ndarray], Actor]:
    """Play visible cells in every arm of a plan -> (columns of `Episode`, whoever acted).

    Arguments:
        mitigation: one that is fitted (`Mitigation.fitted`): its network decides, and it acts with the agent.
        slots: instances of an arm that luck is drawn for; more than are played where a backend leaves some out.
        cache: where what is known of levels is kept.
    """
    settle_torch()
    if mitigation and mitigation.arms is not None:
        plan = dataclasses.replace(plan, arms=[arm for arm in plan.arms if arm in mitigation.arms])
    played = in_arms(checkpoint.task, planned, plan.arms)
    if mitigation:
        checkpoint = dataclasses.replace(checkpoint, network=mitigation.network(checkpoint.network))
    env = make_env(checkpoint.task, played, plan, checkpoint, backend=backend, device=checkpoint.device)
    slots = len(planned) * plan.slots if slots is None else slots
    actor: Actor = InTurn([checkpoint.policy(stream(plan.seed, _noise(arm)), plan.greedy, slots=slots) for arm in plan.arms],
                          len(planned) * plan.slots)
    if mitigation:
        actor = mitigation.wrap(actor, env)
    columns = play_cells(checkpoint.task, actor, env, played, plan, checkpoint.meta, cache, on_progress)
    env.close()
    return columns, actor


def _noise(arm: str) -> str:
    """The stream that an arm's sampled actions draw from: luck of its own for each."""
    return "policy" if arm == "visible" else f"policy {arm}"
