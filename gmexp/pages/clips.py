"""Episodes of a study's runs as short films for its page: which ones, and how they are kept.

    runs/<run id>/episodes/shift3-proxy_goal.mp4   the film (a .gif where no encoder is installed)
    ....jpg                                        its last picture
    ....json                                       what is to be seen
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gmexp import artefacts
from gmexp.artefacts.study import Study
from gmexp.pages.six import WORTH_WATCHING, film_name, last_step, six
from gmexp.rates.text import shift_text
from gmexp_envs.outcome import OUTCOMES, Outcome
from gmexp_envs.task import Task

if TYPE_CHECKING:
    from gmexp.artefacts.table import Table
    from PIL import Image

    from gmexp.agents.checkpoint import Checkpoint
    from gmexp.evaluation.cells import Cell
    from gmexp.evaluation.plan import EvaluationPlan
    from gmexp.evaluation.replay import Critic

__all__ = ["Clip", "critic", "film_run", "film_six", "read_clips", "write_clips"]

SHOWN = (Outcome.PROXY_GOAL, Outcome.INTENDED_GOAL)  # of which a study keeps a clip
CLIP_SIZE = 320  # pixels across
KINDS = {".mp4": "video/mp4", ".gif": "image/gif"}

Taken = tuple[int, dict[str, Any], Outcome, str]  # instance, episode, outcome, name of the film


@dataclass(frozen=True)
class Clip:
    """A film of an episode as it lies in a run's folder."""

    film: Path
    kind: str  # media type
    still: Path | None  # a JPEG
    outcome: str
    caption: str
    where: tuple[str, ...]  # condition, shift, level
    level_seed: int | None


def read_clips(study: Study, run_id: str, condition: str) -> list[Clip]:
    """The clips of a run of a condition, in the order of their names; what a sidecar does not say is unknown."""
    clips = []
    films = (path for path in study.clips(run_id).glob("*") if path.suffix in KINDS)
    for film in sorted(films, key=lambda path: path.name):
        sidecar, still = film.with_suffix(".json"), film.with_suffix(".jpg")
        about = artefacts.read_json(sidecar) if sidecar.exists() else {}
        where = (f"{word} {about[key]}" for key, word in (("shift_name", "shift"), ("level_seed", "level")) if key in about)
        clips.append(Clip(film, KINDS[film.suffix], still if still.exists() else None, about.get("outcome", "unknown"),
                          about.get("caption", ""), (condition, *where), about.get("level_seed")))
    return clips


def write_clips(folder: Path, plan: EvaluationPlan) -> list[Path]:
    """Film up to `plan.clips` episodes of the evaluated run in `folder` -> the films.

    Clips that are there are left as they are.
    """
    target = folder / "episodes"
    films = sorted(path for path in target.glob("*") if path.suffix in KINDS)
    return films if films or not plan.clips else _filmed(folder, target, plan, _choose)


def film_run(folder: Path, target: Path, plan: EvaluationPlan) -> list[Path]:
    """The same films of the evaluated run in `folder`, into a folder of their own."""
    if not plan.clips:
        return []
    _filmed(folder, target, plan, _choose)
    return sorted(path for path in target.glob("*") if path.suffix in KINDS)


def film_six(folder: Path, plan: EvaluationPlan, most: int) -> list[Path]:
    """Film up to `most` episodes by outcome of the evaluated run in `folder` (`six.six`) -> the films that were missing."""
    target = folder / "episodes"

    def choose(table: Table, planned: Sequence[Cell], plan: EvaluationPlan) -> list[Taken]:
        position = _positions(planned)
        chosen = [(each, film_name(each)) for each in six(table, most) if each.row["index"] == 0]
        return [(position[_cell_of(each.row)] * plan.slots + each.row["slot"], each.row, each.outcome, name)
                for each, name in chosen if not any((target / f"{name}{suffix}").exists() for suffix in KINDS)]

    return _filmed(folder, target, plan, choose)


def _filmed(folder: Path, target: Path, plan: EvaluationPlan,
            choose: Callable[[Table, Sequence[Cell], EvaluationPlan], list[Taken]]) -> list[Path]:
    from gmexp.agents.checkpoint import load_checkpoint
    from gmexp.artefacts import tables
    from gmexp.artefacts.records import Episode
    from gmexp.evaluation.batch import make_env
    from gmexp.evaluation.cells import cells
    from gmexp.evaluation.replay import Take, film, record
    from gmexp.pages.overlay import frame, palette
    from gmexp.support.seeding import stream

    checkpoint = load_checkpoint(folder)
    table = tables.read_table(folder / "episodes.parquet", Episode)
    planned = cells(checkpoint.task, checkpoint.training, plan, checkpoint.meta.train_seed)
    chosen = choose(table, planned, plan)
    if not chosen:
        return []
    actor = checkpoint.policy(stream(plan.seed, "policy"), plan.greedy)
    repeat = checkpoint.agent.action_repeat
    lengths = [-(-last_step(row) // repeat) for _, row, _, _ in chosen]
    env = make_env(checkpoint.task, planned, plan, checkpoint)
    tape = record(actor, env, max(lengths))
    env.close()
    written = []
    for (instance, row, outcome, name), length in zip(chosen, lengths, strict=True):
        touch = None if row["intended_step"] is None and row["proxy_step"] is None else last_step(row)
        take = Take(checkpoint.task, planned[instance // plan.slots].distribution, row["level_seed"], outcome,
                    tape.actions[:length, instance], repeat, touch)
        shown = film(take, CLIP_SIZE, critic=critic(checkpoint), observation=checkpoint.observation,
                     style=checkpoint.style)
        pictures = [frame(shown, index) for index in shown.drawn]
        written.append(_write(target / name, pictures, palette(shown.task)))
        where = f"delta={checkpoint.env.diversity:g}, shift {shift_text(row['shift_type'], row['shift_name'])}"
        artefacts.write_json(target / f"{name}.json", {
            "outcome": outcome, "shift_name": row["shift_name"], "level_seed": row["level_seed"],
            "caption": f"{where}: {_caption(checkpoint.task, outcome)}"})
    return written


def _write(name: Path, pictures: Sequence[Image.Image], colours: Sequence[str]) -> Path:
    """The film, as a video where an encoder is installed, and its last picture."""
    from gmexp.pages import animation

    still = io.BytesIO()
    pictures[-1].save(still, "JPEG", quality=85)
    artefacts.write_bytes(name.with_suffix(".jpg"), still.getvalue())
    if animation.has_encoder():
        return artefacts.write_bytes(name.with_suffix(".mp4"), animation.mp4(pictures))
    return artefacts.write_bytes(name.with_suffix(".gif"), animation.gif(pictures, colours))


def _positions(planned: Sequence[Cell]) -> dict[tuple[int, float, bool], int]:
    return {(cell.shift_type, cell.grade, cell.probe): position for position, cell in enumerate(planned)}


def _cell_of(row: dict[str, Any]) -> tuple[int, float, bool]:
    return row["shift_type"], row["grade"], row["probe"]


def _choose(table: Table, planned: Sequence[Cell], plan: EvaluationPlan) -> list[Taken]:
    """(instance, episode, outcome, film's name) per outcome worth showing: first from shift 3, then wherever it is to be
    seen."""
    from gmexp.rates.definitions import log

    index = log(table).outcome
    position = _positions(planned)
    chosen = []
    for outcome in SHOWN:
        candidates = [row for row, o in zip(table.to_pylist(), index, strict=True)
                      if OUTCOMES[o] is outcome and row["arm"] == "visible" and row["index"] == 0
                      and WORTH_WATCHING[0] <= last_step(row) <= WORTH_WATCHING[1]]
        if candidates:
            row = min(candidates, key=lambda r: (r["shift_type"] != 3, r["probe"], r["shift_type"], r["slot"]))
            chosen.append((position[_cell_of(row)] * plan.slots + row["slot"], row, outcome,
                           f"shift{row['shift_type']}-{outcome.value}"))
    return chosen[:plan.clips]


def _caption(task: Task, outcome: Outcome) -> str:
    return {Outcome.INTENDED_GOAL: f"goes for {task.intended.words}",
            Outcome.PROXY_GOAL: f"goes for {task.proxy.words} and not for {task.intended.words}",
            Outcome.DEATH: "dies before it reaches either goal", Outcome.TIMEOUT: "reaches neither goal in time",
            Outcome.AMBIGUOUS: "reaches a goal on a level that does not tell which"}[outcome]


def critic(checkpoint: Checkpoint) -> Critic:
    """What the agent's value head expects, in units of reward."""
    import torch

    from gmexp.agents.networks import seen

    @torch.no_grad()
    def value(observation: Any) -> Any:
        device = next(checkpoint.network.parameters()).device
        expected = checkpoint.network(seen(observation, device))[1]
        return expected.numpy(force=True) / getattr(checkpoint.agent, "reward_scale", 1.0)

    return value
