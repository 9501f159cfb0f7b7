"""Chosen episodes of any agent as animations and contact sheets, for `gmexp watch`."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gmexp import artefacts
from gmexp.pages import animation
from gmexp.pages.clips import critic
from gmexp.pages.overlay import frame, palette, sheet
from gmexp.rates.text import shift_label
from gmexp.support.errors import UserError
from gmexp.support.seeding import stream
from gmexp_envs.outcome import NEVER, OUTCOMES, Outcome, first_event_outcomes
from gmexp_envs.task import Task

if TYPE_CHECKING:
    from gmexp.agents.checkpoint import Checkpoint
    from gmexp.evaluation.cells import Cell
    from gmexp.evaluation.plan import EvaluationPlan
    from gmexp.evaluation.replay import Film, Take

__all__ = ["Scripted", "WatchPlan", "watch"]

MOST_PICTURES = 240  # of an animation; longer episodes are shown in quick motion


@dataclasses.dataclass(frozen=True)
class Scripted:
    """A scripted agent, and the training distribution whose shift it meets."""

    name: str  # intended, proxy or random
    task: Task
    training: Any


@dataclasses.dataclass(frozen=True)
class WatchPlan:
    """Which episodes to show, and how."""

    shift: int
    grade: float
    probe: bool
    outcomes: tuple[Outcome, ...]
    episodes: int  # at most
    levels: int  # that are played in search of them
    seed: int
    greedy: bool
    format: str  # gif, mp4 or sheet (contact sheet only)
    size: int  # pixels across a picture
    out: Path | None


def watch(agent: Checkpoint | Scripted, plan: WatchPlan) -> list[Path]:
    """Play, choose, film -> the written files: animations and their contact sheet.

    Episodes are taken in the order of their levels, one outcome after the other in turn.
    """
    from gmexp.evaluation.replay import film

    if plan.format == "mp4":
        animation.require_mp4()
    checkpoint = None if isinstance(agent, Scripted) else agent
    cell, name = _cell(agent, plan), agent.name if checkpoint is None else checkpoint.meta.run_id
    where = f"shift {shift_label(cell)}"
    folder = plan.out or Path("outputs", "watch", name, where.replace(" ", "-").replace("(", "").replace(")", ""))
    written, rows, about = [], [], []
    for number, take in enumerate(_takes(agent, cell, plan), start=1):
        key = take.key_moments
        pictures = {*key.values()} | (take.even_moments(MOST_PICTURES) if plan.format != "sheet" else set())
        shown = film(take, plan.size, pictures, critic(checkpoint) if checkpoint else None,
                     *((checkpoint.observation, checkpoint.style) if checkpoint else ()))
        rows.append((_kept(shown, key), key, f"level {take.level_seed}, {shown.moments[-1].step} steps"))
        about.append(_about(shown))
        if plan.format != "sheet":
            frames = [frame(shown, index, f"{where}, level {take.level_seed}") for index in shown.drawn]
            data = animation.mp4(frames) if plan.format == "mp4" else animation.gif(frames, palette(agent.task))
            path = folder / f"{number:02d}-{take.outcome.value}-level{take.level_seed}.{plan.format}"
            written.append(artefacts.write_bytes(path, data))
    whole = sheet(rows, f"{name}, {where}")
    written.append(artefacts.write_bytes(folder / "sheet.png", animation.png(whole)))
    origin = artefacts.provenance(None, plan, "episodes to look at")
    artefacts.write_json(folder / "episodes.json", {"agent": name, "shift": where, "episodes": about}, origin)
    return written


def _played(plan: WatchPlan) -> EvaluationPlan:
    """The evaluation in which the episodes are searched: every level once."""
    from gmexp.evaluation.plan import EvaluationPlan

    return EvaluationPlan(shifts=[plan.shift], grades=[plan.grade], probes=[plan.shift] * plan.probe, attributed=[0],
                          episodes=plan.levels, slots=plan.levels, seed=plan.seed, greedy=plan.greedy, clips=0)


def _cell(agent: Checkpoint | Scripted, plan: WatchPlan) -> Cell:
    """The cell to play; a run's is on the held-out levels that it was evaluated on."""
    from gmexp.evaluation.cells import cells, own_levels

    cell = next(cell for cell in cells(agent.task, agent.training, _played(plan)) if cell.probe == plan.probe)
    if isinstance(agent, Scripted):
        return cell
    return dataclasses.replace(cell, distribution=dataclasses.replace(
        cell.distribution, levels=own_levels(agent, plan.levels)))


def _takes(agent: Checkpoint | Scripted, cell: Cell, plan: WatchPlan) -> list[Take]:
    """Play the cell's levels and choose; UserError where no outcome that was asked for is among them."""
    from gmexp.agents.scripted import ScriptedAgent
    from gmexp.evaluation.batch import make_env
    from gmexp.evaluation.certified import certified_levels
    from gmexp.evaluation.replay import Take, record

    scripted, seed = isinstance(agent, Scripted), stream(plan.seed, "policy")
    repeat = 1 if scripted else agent.action_repeat
    env = make_env(agent.task, [cell], _played(plan), None if scripted else agent)
    tape = record(ScriptedAgent(agent.name, agent.task, env, seed) if scripted else agent.policy(seed, plan.greedy), env)
    env.close()
    distinguishing = certified_levels(agent.task, cell.distribution)
    outcome = first_event_outcomes(tape.log.intended_step, tape.log.proxy_step, tape.log.died != 0, distinguishing)
    takes = []
    for instance in _chosen(outcome, plan):
        touch = min(tape.log.intended_step[instance], tape.log.proxy_step[instance])
        decisions = -(-int(tape.log.length[instance]) // repeat)
        takes.append(Take(agent.task, cell.distribution, int(tape.log.level_seed[instance]), OUTCOMES[outcome[instance]],
                          tape.actions[:decisions, instance], repeat, None if touch == NEVER else int(touch)))
    return takes


def _chosen(outcome: np.ndarray, plan: WatchPlan) -> list[int]:
    """The instances to show, by outcome; those that were not asked for, and none where there is nothing, are told."""
    places = {wanted: np.flatnonzero(outcome == OUTCOMES.index(wanted)).tolist() for wanted in plan.outcomes}
    if missing := [wanted.name for wanted in plan.outcomes if not places[wanted]]:
        counts = ", ".join(f"{(outcome == i).sum()} {o.name}" for i, o in enumerate(OUTCOMES))
        if len(missing) == len(plan.outcomes):
            raise UserError(f"none of {plan.levels} episodes is {' or '.join(missing)}; there are {counts}")
        if len(plan.outcomes) < len(OUTCOMES):
            print(f"no {' or '.join(missing)} among {plan.levels} episodes: {counts}")
    in_turn = [(wanted, turn) for turn in range(plan.episodes) for wanted in plan.outcomes if turn < len(places[wanted])]
    instances = [places[wanted][turn] for wanted, turn in in_turn][:plan.episodes]
    return sorted(instances, key=lambda i: (plan.outcomes.index(OUTCOMES[outcome[i]]), i))


def _kept(shown: Film, key: dict[str, int]) -> Film:
    """The film with the pictures of its key moments only: an animation's many need not stay in memory."""
    kept = [moment if index in key.values() else dataclasses.replace(moment, picture=None)
            for index, moment in enumerate(shown.moments)]
    return dataclasses.replace(shown, moments=tuple(kept))


def _about(shown: Film) -> dict[str, Any]:
    last = shown.moments[-1]
    return {"level_seed": shown.level_seed, "outcome": shown.outcome,
            "intended_step": last.intended_step, "proxy_step": last.proxy_step, "length": last.step}
