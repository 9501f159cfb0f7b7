"""Chosen episodes as animations and contact sheets: of a study's runs for its report, and of any agent for `watch`."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from gmexp import artefacts
from gmexp.agents.checkpoint import Checkpoint, load_checkpoint
from gmexp.agents.networks import seen
from gmexp.agents.scripted import ScriptedAgent
from gmexp.artefacts import tables
from gmexp.artefacts.records import Episode
from gmexp.evaluation.batch import make_env
from gmexp.evaluation.cells import Cell, cells, own_levels
from gmexp.evaluation.certified import certified_levels
from gmexp.evaluation.plan import EvaluationPlan
from gmexp.evaluation.replay import Critic, Film, Take, film, record
from gmexp.evaluation.rollout import Actor
from gmexp.pages import animation
from gmexp.pages.overlay import palette, frame, sheet
from gmexp.rates.definitions import in_arm, log
from gmexp.support.composition import load
from gmexp.support.errors import UserError
from gmexp.support.seeding import stream
from gmexp.support.startup import settle_torch
from gmexp.training.config import TrainConfig
from gmexp_envs.outcome import NEVER, OUTCOMES, Outcome, first_event_outcomes
from gmexp_envs.task import Task
from gmexp_envs.vec import SemanticObservation

SHOWN = (Outcome.PROXY_GOAL, Outcome.INTENDED_GOAL)  # of which a study keeps a clip
WORTH_WATCHING = (20, 160)  # game steps to the goal
CLIP_SIZE = 320  # pixels across a clip in the report
MOST_PICTURES = 240  # of an animation; longer episodes are shown in quick motion


def critic(checkpoint: Checkpoint) -> Critic:
    """What the agent's value head expects, in units of reward."""

    @torch.no_grad()
    def value(observation: SemanticObservation | np.ndarray) -> np.ndarray:
        device = next(checkpoint.network.parameters()).device
        expected = checkpoint.network(seen(observation, device))[1]
        return expected.numpy(force=True) / getattr(checkpoint.agent, "reward_scale", 1.0)

    return value


# --- clips of a study -------------------------------------------------------------------------------------------------

def write_clips(folder: Path, plan: EvaluationPlan) -> list[Path]:
    """Animate up to `plan.clips` episodes of the evaluated run in `folder` -> the GIFs, each with a JSON beside it.

    Clips that are there are left as they are.
    """
    target = folder / "episodes"
    there = sorted(target.glob("*.gif"))
    if there or not plan.clips:
        return there
    checkpoint = load_checkpoint(folder)
    table = in_arm(tables.read_table(folder / "episodes.parquet", Episode))
    planned = cells(checkpoint.task, checkpoint.training, plan, checkpoint.meta.train_seed)
    chosen = _choose(table, planned, plan)
    if not chosen:
        return []
    actor = checkpoint.policy(stream(plan.seed, "policy"), plan.greedy)
    repeat = checkpoint.agent.action_repeat
    lengths = [-(-goal_step(row) // repeat) for _, row, _ in chosen]
    env = make_env(checkpoint.task, planned, plan, checkpoint.agent)
    tape = record(actor, env, max(lengths))
    env.close()
    written = []
    for (world, row, outcome), length in zip(chosen, lengths, strict=True):
        take = Take(checkpoint.task, planned[world // plan.slots].distribution, row["level_seed"], outcome,
                    tape.actions[:length, world], repeat, goal_step(row))
        shown = film(take, CLIP_SIZE, critic=critic(checkpoint), observation=checkpoint.agent.observation)
        name = f"shift{row['shift_type']}-{outcome.value}"
        path = artefacts.write_bytes(target / f"{name}.gif",
                                     animation.gif([frame(shown, index) for index in shown.drawn], palette(shown.task)))
        where = row["shift_name"].replace("_", " ")
        artefacts.write_json(target / f"{name}.json", {
            "outcome": outcome, "shift_name": row["shift_name"], "level_seed": row["level_seed"],
            "caption": f"delta={checkpoint.env.diversity:g}, {where} shift: {_caption(checkpoint.task, outcome)}"})
        written.append(path)
    return written


def _choose(table: pa.Table, planned: Sequence[Cell], plan: EvaluationPlan) -> list[tuple[int, dict, Outcome]]:
    """(world, episode, outcome) per outcome worth showing: first from shift 3, then wherever it is to be seen."""
    index = log(table).outcome
    position = {(c.shift_type, c.grade, c.probe): i for i, c in enumerate(planned)}
    found = []
    for outcome in SHOWN:
        candidates = []
        for row, o in zip(table.to_pylist(), index, strict=True):
            if (OUTCOMES[o] is outcome and row["index"] == 0
                    and WORTH_WATCHING[0] <= goal_step(row) <= WORTH_WATCHING[1]):
                candidates.append(row)
        if candidates:
            row = min(candidates, key=lambda r: (r["shift_type"] != 3, r["probe"], r["shift_type"], r["slot"]))
            cell = position[row["shift_type"], row["grade"], row["probe"]]
            found.append((cell * plan.slots + row["slot"], row, outcome))
    return found[:plan.clips]


def _caption(task: Task, outcome: Outcome) -> str:
    return (f"goes for {task.intended.words}" if outcome is Outcome.INTENDED_GOAL else
            f"goes for {task.proxy.words} and not for {task.intended.words}")


def goal_step(row: dict) -> int:
    """Game step of the first goal that an episode reached."""
    return min(step for step in (row["intended_step"], row["proxy_step"]) if step is not None)


# --- any agent --------------------------------------------------------------------------------------------------------

@dataclasses.dataclass(frozen=True)
class WatchPlan:
    """Which episodes of which agent to show, and how."""

    run: str | None  # folder of a run, or its checkpoint; else `agent`
    agent: str | None  # a scripted agent, on levels of the default training distribution
    env: str  # of a scripted agent
    shift: int
    grade: float
    probe: bool
    outcomes: tuple[Outcome, ...]
    episodes: int  # at most
    levels: int  # that are played in search of them
    seed: int
    greedy: bool
    diversity: float  # of the training that a scripted agent did not have
    format: str  # gif, mp4 or sheet (contact sheet only)
    size: int  # pixels across a picture
    out: Path | None


def watch(plan: WatchPlan) -> list[Path]:
    """Play, choose, film -> the written files: animations and their contact sheet.

    Episodes are taken in the order of their levels, one outcome after the other in turn.
    """
    if plan.format == "mp4":
        animation.require_mp4()
    checkpoint = load_checkpoint(plan.run) if plan.run else None
    config = checkpoint or load("train", TrainConfig, [f"env={plan.env}", f"env.diversity={plan.diversity}"])
    task = config.task
    cell = _cell(task, config.training, plan, checkpoint)
    settle_torch()
    name = checkpoint.meta.run_id if checkpoint else plan.agent
    takes = _takes(task, cell, checkpoint, plan)
    where = f"shift {cell.shift_type} {cell.shift_name.replace('_', ' ')}"
    where += f" at {cell.grade:g}" * (cell.grade not in (0, 1)) + " (probe)" * cell.probe
    folder = plan.out or Path("outputs", "watch", name, where.replace(" ", "-").replace("(", "").replace(")", ""))
    written, rows, about = [], [], []
    for number, take in enumerate(takes, start=1):
        key = take.key_moments
        pictures = {*key.values()} | (take.even_moments(MOST_PICTURES) if plan.format != "sheet" else set())
        shown = film(take, plan.size, pictures, critic(checkpoint) if checkpoint else None,
                     checkpoint.agent.observation if checkpoint else "semantic")
        rows.append((_kept(shown, key), key, f"level {take.level_seed}, {shown.moments[-1].step} steps"))
        about.append(_about(shown))
        if plan.format != "sheet":
            frames = [frame(shown, index, f"{where}, level {take.level_seed}") for index in shown.drawn]
            data = animation.mp4(frames) if plan.format == "mp4" else animation.gif(frames, palette(task))
            path = folder / f"{number:02d}-{take.outcome.value}-level{take.level_seed}.{plan.format}"
            written.append(artefacts.write_bytes(path, data))
    whole = sheet(rows, f"{name}, {where}")
    written.append(artefacts.write_bytes(folder / "sheet.png", animation.png(whole)))
    origin = artefacts.provenance(None, plan, "episodes to look at")
    artefacts.write_json(folder / "episodes.json", {"agent": name, "shift": where, "episodes": about}, origin)
    return written


def _played(plan: WatchPlan) -> EvaluationPlan:
    """The evaluation in which the episodes are searched: every level once."""
    return EvaluationPlan(shifts=[plan.shift], grades=[plan.grade], probes=[plan.shift] * plan.probe, attributed=[0],
                          episodes=plan.levels, slots=plan.levels, seed=plan.seed, greedy=plan.greedy, clips=0)


def _cell(task: Task, training: Any, plan: WatchPlan, checkpoint: Checkpoint | None) -> Cell:
    """The cell to play; a run's is on the held-out levels that it was evaluated on."""
    cell = next(cell for cell in cells(task, training, _played(plan)) if cell.probe == plan.probe)
    if checkpoint is None:
        return cell
    return dataclasses.replace(cell, distribution=dataclasses.replace(
        cell.distribution, levels=own_levels(checkpoint, plan.levels)))


def _takes(task: Task, cell: Cell, checkpoint: Checkpoint | None, plan: WatchPlan) -> list[Take]:
    """Play the cell's levels and choose; UserError where no outcome that was asked for is among them."""
    repeat = checkpoint.agent.action_repeat if checkpoint else 1
    env = make_env(task, [cell], _played(plan), checkpoint.agent if checkpoint else None)
    seed = stream(plan.seed, "policy")
    actor: Actor = checkpoint.policy(seed, plan.greedy) if checkpoint else ScriptedAgent(plan.agent, task, env, seed)
    tape = record(actor, env)
    env.close()
    distinguishing = certified_levels(task, cell.distribution)
    outcome = first_event_outcomes(tape.log.intended_step, tape.log.proxy_step, tape.log.died != 0, distinguishing)
    found = {wanted: np.flatnonzero(outcome == OUTCOMES.index(wanted)).tolist() for wanted in plan.outcomes}
    if missing := [wanted.name for wanted in plan.outcomes if not found[wanted]]:
        there = ", ".join(f"{(outcome == i).sum()} {o.name}" for i, o in enumerate(OUTCOMES))
        if len(missing) == len(plan.outcomes):
            raise UserError(f"none of {plan.levels} episodes is {' or '.join(missing)}; there are {there}")
        if len(plan.outcomes) < len(OUTCOMES):
            print(f"no {' or '.join(missing)} among {plan.levels} episodes: {there}")
    chosen = [wanted for turn in range(plan.episodes) for wanted in plan.outcomes if turn < len(found[wanted])]
    turns = [chosen[:i].count(wanted) for i, wanted in enumerate(chosen)]
    worlds = [found[wanted][turn] for wanted, turn in zip(chosen, turns, strict=True)][:plan.episodes]
    takes = []
    for world in sorted(worlds, key=lambda w: (plan.outcomes.index(OUTCOMES[outcome[w]]), w)):
        touch = min(tape.log.intended_step[world], tape.log.proxy_step[world])
        decisions = -(-int(tape.log.length[world]) // repeat)
        takes.append(Take(task, cell.distribution, int(tape.log.level_seed[world]), OUTCOMES[outcome[world]],
                          tape.actions[:decisions, world], repeat, None if touch == NEVER else int(touch)))
    return takes


def _kept(shown: Film, key: dict[str, int]) -> Film:
    """The film with the pictures of its key moments only: an animation's many need not stay in memory."""
    kept = [moment if index in key.values() else dataclasses.replace(moment, picture=None)
            for index, moment in enumerate(shown.moments)]
    return dataclasses.replace(shown, moments=tuple(kept))


def _about(shown: Film) -> dict[str, Any]:
    last = shown.moments[-1]
    return {"level_seed": shown.level_seed, "outcome": shown.outcome,
            "intended_step": last.intended_step, "proxy_step": last.proxy_step, "length": last.step}
