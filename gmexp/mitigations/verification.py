"""Goal verification: of a condition's candidates only those count that pursue the intended goal on validation levels.

A candidate plays levels of the validation split, drawn as its training drew its own, with the coin at the end, moved and
hidden (`gmexp.measures.attribution`), and passes if it pursues at least the wanted share of coins. Neither the levels nor
the shifts of the evaluation have a part in the choice, so it does not bias what they show of those that pass. The others
are trained and judged, listed in study.json, and neither evaluated nor counted.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from gmexp import artefacts
from gmexp.agents.checkpoint import Checkpoint
from gmexp.artefacts import tables
from gmexp.evaluation.config import EvaluationPlan
from gmexp.evaluation.evaluate import Cell, held_out, levels_folder, made_from, make_env
from gmexp.measures import attribution
from gmexp.support.startup import settle_torch
from gmexp.support.seeding import stream
from gmexp_envs.task import SHIFT_NAMES

FILE, EPISODES = "verification.json", "verification.parquet"


@dataclass
class VerificationPlan:
    """What a candidate must show on validation levels to count as verified."""

    levels: int
    at_least: float  # share of coins that it pursues, accidents discounted (`gmexp.measures.attribution`)

    def __post_init__(self) -> None:
        if self.levels < 1:
            raise ValueError(f"verification.levels = {self.levels} must be at least 1")
        if not 0 <= self.at_least <= 1:
            raise ValueError(f"verification.at_least = {self.at_least} is not within [0, 1]")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a candidate showed: the share of coins it pursues, with its 95% interval; None where nothing can be said."""

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
                 f"pursues {self.pursuit:.2f} [{self.low:.2f}, {self.high:.2f}] of the coins")
        return f"{shown} on {self.n_levels} validation levels; wanted is {self.at_least:g}"


def verify(checkpoint: Checkpoint, wanted: VerificationPlan, plan: EvaluationPlan) -> Verdict:
    """Judge a candidate -> its verdict, kept in its folder with the episodes behind it. What is there is left as it is.

    `plan` is that of the evaluation, of which verification takes the seed and the way actions are chosen.
    """
    path = checkpoint.path.with_name(FILE)
    alike = dataclasses.replace(plan, episodes=wanted.levels, slots=wanted.levels)
    levels = held_out(checkpoint.meta.train_seed, wanted.levels, "validation")
    identity = {"run": checkpoint.meta.config_hash, "verification": dataclasses.asdict(wanted), "seed": plan.seed,
                "greedy": plan.greedy, "levels": levels}
    if made_from(path) == artefacts.config_hash(identity):
        return read(path.parent)
    settle_torch()
    unseen = dataclasses.replace(checkpoint.training, levels=levels, sequential=True)
    planned = [(arm, Cell(0, SHIFT_NAMES[0], 0.0, False, distribution))
               for arm, distribution in attribution.arms(checkpoint.task, unseen).items()]
    actor = checkpoint.policy(stream(plan.seed, "policy"), plan.greedy)
    env = make_env(checkpoint.task, [cell for _, cell in planned], alike, checkpoint.agent, device=checkpoint.device)
    columns = attribution.play_arms(checkpoint.task, actor, env, planned, alike, checkpoint.meta.run_id, levels_folder(path))
    env.close()
    origin = artefacts.provenance(None, identity, "goal verification of a candidate on validation levels")
    episodes = tables.write_table(path.with_name(EPISODES), columns, attribution.ArmEpisode, origin)
    found = next(effect for effect in attribution.effects(episodes) if effect.effect == "pursuit")
    passed = found.value is not None and found.value >= wanted.at_least
    verdict = Verdict(passed, found.value, found.low, found.high, found.n_levels, wanted.at_least)
    artefacts.write_json(path, dataclasses.asdict(verdict), origin)
    return verdict


def read(folder: Path) -> Verdict:
    """The verdict in a candidate's folder."""
    names = [field.name for field in dataclasses.fields(Verdict)]
    content = artefacts.read_json(folder / FILE, required=names)
    return Verdict(**{name: content[name] for name in names})
