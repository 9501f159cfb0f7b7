"""Goal verification: of a condition's candidates only those count that pursue the intended goal on validation levels.

A candidate plays levels of the validation split, drawn as its training drew its own, with the intended goal at the proxy,
away from it and masked (`gmexp.measures.attribution`), and passes if it pursues at least the wanted share of goals. Neither
the levels nor the shifts of the evaluation have a part in the choice, so it does not bias what they show of those that
pass. The others are trained and judged, listed in study.json, and neither evaluated nor counted.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gmexp import artefacts
from gmexp.agents.mitigation import Mitigation
from gmexp.artefacts import tables
from gmexp.artefacts.decode import decode
from gmexp.evaluation.cells import Cell, held_out
from gmexp.evaluation.plan import EvaluationPlan
from gmexp.measures.attribution import ArmEpisode, as_arms, effects, in_every_arm
from gmexp.support.seeding import stream
from gmexp_envs.task import SHIFT_NAMES

if TYPE_CHECKING:
    from gmexp.agents.checkpoint import Checkpoint

FILE, EPISODES = "verification.json", "verification.parquet"


@dataclass
class VerificationPlan:
    """What a candidate must show on validation levels to count as verified."""

    levels: int
    at_least: float  # share of intended goals that it pursues, accidents discounted (`gmexp.measures.attribution`)
    name: str = "verification"

    def __post_init__(self) -> None:
        if self.levels < 1:
            raise ValueError(f"verification.levels = {self.levels} must be at least 1")
        if not 0 <= self.at_least <= 1:
            raise ValueError(f"verification.at_least = {self.at_least} is not within [0, 1]")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a candidate showed: the share of intended goals it pursues, with its 95% interval; None where nothing can be
    said."""

    passed: bool
    pursuit: float | None
    low: float | None
    high: float | None
    n_levels: int  # that tell the goals apart
    at_least: float

    @property
    def reason(self) -> str:
        """In a line, why it did or did not pass."""
        shown = ("too few goals are reached to say what it pursues" if self.pursuit is None else
                 f"pursues {self.pursuit:.2f} [{self.low:.2f}, {self.high:.2f}] of the intended goals")
        return f"{shown} on {self.n_levels} validation levels; wanted is {self.at_least:g}"


class Verification(Mitigation):
    """Goal verification as a mitigation: prevention by selection."""

    name = "verification"
    layer = "prevention"
    row = "interpretability"
    price = "training of the candidates that are rejected; episodes on validation levels whose intended goal can be masked"
    config = VerificationPlan
    options: VerificationPlan

    def accept(self, checkpoint: Checkpoint, plan: EvaluationPlan) -> Verdict:
        return verify(checkpoint, self.options, plan)


def verify(checkpoint: Checkpoint, wanted: VerificationPlan, plan: EvaluationPlan) -> Verdict:
    """Judge a candidate -> its verdict, kept in its folder with the episodes behind it. A verdict of the same plan is left
    as it is.

    `plan` is that of the evaluation, of which verification takes the seed and the way actions are chosen.
    """
    from gmexp.evaluation.batch import make_env, play_cells
    from gmexp.evaluation.certified import levels_folder
    from gmexp.support.startup import settle_torch

    path, task = checkpoint.path.with_name(FILE), checkpoint.task
    alike = dataclasses.replace(plan, episodes=wanted.levels, slots=wanted.levels, arms=["visible"])
    levels = held_out(checkpoint.meta.train_seed, wanted.levels, "validation")
    identity = {"run": checkpoint.meta.config_hash, "verification": _options(wanted), "seed": plan.seed,
                "greedy": plan.greedy, "levels": levels}
    if tables.made_from(path) == artefacts.config_hash(identity):
        return read(path.parent)
    settle_torch()
    unseen = dataclasses.replace(checkpoint.training, levels=levels, sequential=True)
    planned = in_every_arm(task, Cell(0, SHIFT_NAMES[0], 0.0, False, unseen))
    env = make_env(task, planned, alike, checkpoint, device=checkpoint.device)
    actor = checkpoint.policy(stream(plan.seed, "policy"), plan.greedy)
    columns = play_cells(task, actor, env, planned, alike, checkpoint.meta, levels_folder(path))
    env.close()
    origin = artefacts.provenance(None, identity, "goal verification of a candidate on validation levels")
    episodes = tables.write_table(path.with_name(EPISODES), as_arms(columns), ArmEpisode, origin)
    verdict = judge(tables.read_table(episodes, ArmEpisode), wanted.at_least)
    artefacts.write_json(path, dataclasses.asdict(verdict), origin)
    return verdict


def judge(episodes: Any, at_least: float) -> Verdict:
    """The verdict on a candidate's table of `ArmEpisode`."""
    pursuit = next(effect for effect in effects(episodes) if effect.effect == "pursuit")
    passed = pursuit.value is not None and pursuit.value >= at_least
    return Verdict(passed, pursuit.value, pursuit.low, pursuit.high, pursuit.n_levels, at_least)


def _options(wanted: VerificationPlan) -> dict[str, Any]:
    return {"levels": wanted.levels, "at_least": wanted.at_least}


def read(folder: Path) -> Verdict:
    """The verdict in a candidate's folder."""
    path = folder / FILE
    names = [field.name for field in dataclasses.fields(Verdict)]
    return decode(Verdict, artefacts.read_json(path, required=names), str(path), extra=True)
