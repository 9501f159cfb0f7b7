"""Stage `measure`: a checkpoint -> what was measured of it, a table for each measure in the run's folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gmexp import artefacts
from gmexp.artefacts import tables
from gmexp.evaluation.plan import EvaluationPlan
from gmexp.measures.config import MeasureConfig
from gmexp.measures.context import Context
from gmexp.measures.measure import find_measure
from gmexp.support.errors import UserError
from gmexp.support.progress import Bar
from gmexp_envs.task import Task

if TYPE_CHECKING:
    from gmexp.agents.checkpoint import Checkpoint


def run(config: MeasureConfig) -> int:
    """`gmexp measure`."""
    from gmexp.agents.checkpoint import load_checkpoint
    from gmexp.agents.shipped import writable

    checkpoint = load_checkpoint(writable(config.run), config.device)
    context = Context(checkpoint, config.evaluation)
    total = sum(find_measure(name).size(context) for name in config.measures)
    with Bar(total, f"measure {checkpoint.meta.run_id}", "episode") as bar:
        paths = measure(checkpoint, config.measures, config.evaluation, bar.advance)
    print("\n".join(map(str, paths)))
    return 0


def check(names: Sequence[str], agent: Any, task: Task) -> None:
    """UserError for a measure that cannot be taken of such an agent in such an environment."""
    for name in names:
        needs = find_measure(name).needs
        if "semantic view" in needs and agent.observation != "semantic":
            raise UserError(f"the measure {name} reads the semantic view, and agent.network={agent.network} sees "
                            f"{agent.observation}: leave it out")
        if "goal in view" in needs and task.goal_in_view is None:
            raise UserError(f"the measure {name} draws the intended goal into the view, which {task.name} has no way to: "
                            "leave it out")


def measure(checkpoint: Checkpoint, names: Sequence[str], plan: EvaluationPlan,
            on_progress: Callable[[int], None] = lambda episodes: None) -> list[Path]:
    """Take the named measures -> their files. What the same plan has already made is left as it is."""
    from gmexp.support.startup import settle_torch

    check(names, checkpoint.agent, checkpoint.task)
    settle_torch()
    context = Context(checkpoint, plan, on_progress)
    paths = []
    for name in names:
        chosen = find_measure(name)
        path, identity = checkpoint.path.with_name(chosen.file), context.identity(chosen.name)
        if tables.made_from(path) == artefacts.config_hash(identity):
            on_progress(chosen.size(context))
        else:
            tables.write_table(path, chosen.take(context), chosen.row, artefacts.provenance(None, identity, chosen.words))
        paths.append(path)
    return paths
