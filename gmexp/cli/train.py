"""`gmexp train`: one training run; where it is tracked, it is played under the shifts right after, so that its record says
what the agent does and not only how it learned."""

from __future__ import annotations

from gmexp.pages.mirror import log_run
from gmexp.support.progress import Bar
from gmexp.training import train as training
from gmexp.training.config import TrainConfig
from gmexp.training.run import Run
from gmexp.training.session import open_run

__all__ = ["train"]


def train(config: TrainConfig) -> int:
    """`gmexp train`: the run alone, or with its evaluation by conf/evaluation (`evaluated`)."""
    tracked = config.logger.name != "none"
    if config.verified or not (tracked if config.evaluated is None else config.evaluated):
        return training.run(config)
    from gmexp.agents.checkpoint import load_checkpoint
    from gmexp.agents.mitigation import mitigation_of
    from gmexp.cli.config import load
    from gmexp.evaluation.evaluate import evaluate

    planned, plan = Run.of(config), load("evaluate", ["run=none"]).evaluation
    trained_before = planned.finished
    with open_run(planned) as tracker:
        with Bar(config.steps, f"train {planned.id}", "step") as bar:
            folder = training.train(planned, bar.advance, tracker)
        checkpoint = load_checkpoint(folder, config.device)
        evaluate(checkpoint, plan, mitigation=mitigation_of(config.mitigation))
        log_run(tracker, folder, plan, trained_before)
    print(folder)
    return 0
