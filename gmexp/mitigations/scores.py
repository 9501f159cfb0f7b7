"""Scores of how wrong things look to an agent, step by step: higher is worse. Nothing here knows of a reward or a shift.

    max_probability   1 - the highest probability of its policy (Hendrycks and Gimpel 2017, section 2)
    max_logit         minus the highest logit (Hendrycks et al. 2022, section 3)
    disagreement      variance of the action probabilities over policies of several train seeds, summed over actions
                      (Lakshminarayanan et al. 2017, section 2.4, for classes)
    distance          from the centre of features of validation levels, under a network without biases (deep SVDD: Ruff et
                      al. 2018, section 3.3: with biases it can become the same everywhere)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gmexp.evaluation.plan import EvaluationPlan
from gmexp.mitigations.agents import Scores, hidden_steps, peers, validation_cells
from gmexp.support.seeding import stream

if TYPE_CHECKING:
    from torch import Tensor

    from gmexp.agents.checkpoint import Checkpoint
    from gmexp.agents.networks import Network

SCORES = ("max_probability", "max_logit", "disagreement", "distance")


def score_of(name: str, checkpoint: Checkpoint, plan: EvaluationPlan, levels: int, members: int = 5) -> Scores:
    """The score of a name for an agent. `distance` is fitted on `levels` validation levels; `disagreement` has so many
    `members`, runs of the same condition. ValueError where there is no such score."""
    import torch

    network = checkpoint.network
    if name == "max_probability":
        return lambda shown, rows: 1 - torch.softmax(network(shown, rows)[0].float(), 1).amax(1)
    if name == "max_logit":
        return lambda shown, rows: -network(shown, rows)[0].float().amax(1)
    if name == "disagreement":
        return disagreement([peer.network.eval() for peer in peers(checkpoint, members)])
    if name == "distance":
        return distance(checkpoint, plan, levels)
    raise ValueError(f"there is no score {name!r}: choose one of {', '.join(SCORES)}")


def disagreement(networks: Sequence[Network]) -> Scores:
    """The variance of action probabilities over networks, summed over actions."""
    import torch

    def score(shown: Any, rows: Any) -> Tensor:
        chances = torch.stack([torch.softmax(network(shown, rows)[0].float(), 1) for network in networks])
        return chances.var(0, unbiased=False).sum(1)

    return score


def distance(checkpoint: Checkpoint, plan: EvaluationPlan, levels: int) -> Scores:
    """Squared distance from the centre of what the agent's features are on validation levels."""
    from gmexp.mitigations.networks import fit_svdd

    features = hidden_steps(checkpoint, plan, levels, validation_cells(checkpoint, levels))
    seed = stream(plan.seed, f"svdd {checkpoint.meta.run_id}")
    embed, centre, scale = fit_svdd(features, seed)

    def score(shown: Any, rows: Any) -> Tensor:
        return (embed(checkpoint.network.features(shown, rows).float() / scale) - centre).square().sum(1)

    return score
