"""`gmexp measure`: attribution, critic study, factors and magnitudes of one checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType

from gmexp import artefacts
from gmexp.agents.checkpoint import Checkpoint, load_checkpoint
from gmexp.agents.config import AgentConfig
from gmexp.evaluation.config import EvaluationPlan
from gmexp.evaluation.evaluate import made_from
from gmexp.measures import attribution, critic, factors, magnitude
from gmexp.measures.config import MeasureConfig
from gmexp.measures.origin import identity
from gmexp.support.errors import UserError
from gmexp.support.startup import settle_torch
from gmexp.support.progress import Bar

MEASURES: dict[str, ModuleType] = {"attribution": attribution, "critic": critic, "factors": factors,
                                   "magnitude": magnitude}
SEMANTIC = ("critic", "magnitude")  # draw a coin into the view, or compare views


def run(config: MeasureConfig) -> int:
    """`gmexp measure`."""
    checkpoint = load_checkpoint(config.run, config.device)
    total = sum(MEASURES[name].size(checkpoint, config.evaluation) for name in config.measures)
    with Bar(total, f"measure {checkpoint.meta.run_id}", "episode") as bar:
        paths = measure(checkpoint, config.measures, config.evaluation, bar.advance)
    print("\n".join(map(str, paths)))
    return 0


def check(names: Sequence[str], agent: AgentConfig) -> None:
    """UserError for a measure that cannot be taken of such an agent."""
    for name in names:
        if name in SEMANTIC and agent.observation != "semantic":
            raise UserError(f"the measure {name} reads the semantic view, and agent.network={agent.network} sees "
                            f"{agent.observation}: leave it out")


def measure(checkpoint: Checkpoint, names: Sequence[str], plan: EvaluationPlan,
            on_progress: Callable[[int], None] = lambda episodes: None) -> list[Path]:
    """Take the named measures -> their files. What the same plan has already made is left as it is."""
    check(names, checkpoint.agent)
    settle_torch()
    paths = []
    for name in names:
        module = MEASURES[name]
        path = checkpoint.path.with_name(module.FILE)
        if made_from(path) == artefacts.config_hash(identity(checkpoint, plan, name)):
            on_progress(module.size(checkpoint, plan))
        else:
            module.measure(checkpoint, plan, on_progress)
        paths.append(path)
    return paths
