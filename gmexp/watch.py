"""Animated episodes: play an evaluation again and keep what chosen episodes looked like."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image

from envs.outcome import OUTCOMES, Outcome
from envs.vec import SemanticObservation
from gmexp import artefacts
from gmexp.config import EvaluationPlan
from gmexp.definitions import log
from gmexp.evaluate import Cell, cells, make_env
from gmexp.records import Episode
from gmexp.rollout import Actor
from gmexp.seeding import stream
from gmexp.train import load_checkpoint

CAPTIONS = {Outcome.PROXY_GOAL: "reaches the end and ignores the coin", Outcome.INTENDED_GOAL: "takes the coin"}
WORTH_WATCHING = (20, 160)  # game steps to the goal
SCALE = 4  # screen pixels per pixel
FRAME_MS, REST_MS = 70, 1200


def write_clips(folder: Path, plan: EvaluationPlan) -> list[Path]:
    """Animate up to `plan.clips` episodes of the evaluated run in `folder` -> the GIFs, each with a JSON beside it.

    Clips that are there are left as they are.
    """
    target = folder / "episodes"
    there = sorted(target.glob("*.gif"))
    if there or not plan.clips:
        return there
    checkpoint = load_checkpoint(folder)
    table = artefacts.read_table(folder / "episodes.parquet", Episode)
    planned = cells(checkpoint.env.distribution(), plan)
    chosen = _choose(table, planned, plan)
    actor = checkpoint.policy(stream(plan.seed, "policy"), plan.greedy)
    if not chosen:
        return []
    repeat = checkpoint.agent.action_repeat
    lengths = [(goal_step(row) - 1) // repeat + 1 for _, row, _ in chosen]
    films = _film(actor, planned, plan, repeat, [world for world, _, _ in chosen], lengths)
    written = []
    for (_, row, outcome), film in zip(chosen, films, strict=True):
        name = f"shift{row['shift_type']}-{outcome.value}"
        path = artefacts.write_bytes(target / f"{name}.gif", _gif(film))
        where = row["shift_name"].replace("_", " ")
        artefacts.write_json(target / f"{name}.json", {
            "outcome": outcome, "shift_name": row["shift_name"], "level_seed": row["level_seed"],
            "caption": f"delta={checkpoint.env.diversity:g}, {where} shift: {CAPTIONS[outcome]}"})
        written.append(path)
    return written


def _choose(table: pa.Table, planned: Sequence[Cell], plan: EvaluationPlan) -> list[tuple[int, dict, Outcome]]:
    """(world, episode, outcome) per outcome worth showing: first from shift 3, then wherever it is to be seen."""
    index = log(table).outcome
    position = {(c.shift_type, c.grade, c.probe): i for i, c in enumerate(planned)}
    found = []
    for outcome in CAPTIONS:
        candidates = []
        for row, o in zip(table.to_pylist(), index, strict=True):
            if OUTCOMES[o] is outcome and row["index"] == 0 and WORTH_WATCHING[0] <= goal_step(row) <= WORTH_WATCHING[1]:
                candidates.append(row)
        if candidates:
            row = min(candidates, key=lambda row: (row["shift_type"] != 3, row["probe"], row["shift_type"], row["slot"]))
            cell = position[row["shift_type"], row["grade"], row["probe"]]
            found.append((cell * plan.slots + row["slot"], row, outcome))
    return found[:plan.clips]


def goal_step(row: dict) -> int:
    """Game step of the first goal that an episode reached."""
    return min(step for step in (row["coin_step"], row["end_step"]) if step is not None)


def _film(actor: Actor, planned: Sequence[Cell], plan: EvaluationPlan, action_repeat: int, worlds: Sequence[int],
          lengths: Sequence[int]) -> list[np.ndarray]:
    """Play the evaluation's first episodes again -> frames uint8 [decisions, 64, 64, 3] of the given worlds."""
    env = make_env(list(planned), plan, action_repeat, drawable=True)
    observation: SemanticObservation = env.reset()
    everyone, watched = np.arange(env.num_envs), np.array(worlds)
    films = [env.frames(watched)]
    playing = np.ones(env.num_envs, bool)
    for _ in range(max(lengths) - 1):
        rows = everyone[playing]
        actions = np.zeros(env.num_envs, np.int32)
        actions[rows] = actor.act(observation, rows)
        step = env.step(actions, rows)
        observation = step.observation
        playing[rows[(step.terminated | step.truncated)[rows]]] = plan.episodes > plan.slots
        films.append(env.frames(watched))
    env.close()
    film = np.stack(films, axis=1)
    return [frames[:length] for frames, length in zip(film, lengths, strict=True)]


def _gif(film: np.ndarray) -> bytes:
    """An endless GIF that rests on its last frame."""
    images = [Image.fromarray(frame).resize((64 * SCALE, 64 * SCALE), Image.Resampling.NEAREST) for frame in film]
    images = [image.quantize(64) for image in images]
    durations = [FRAME_MS] * (len(images) - 1) + [REST_MS]
    buffer = io.BytesIO()
    images[0].save(buffer, "GIF", save_all=True, append_images=images[1:], duration=durations, loop=0, optimize=True)
    return buffer.getvalue()
