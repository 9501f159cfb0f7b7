"""From a design to judged posterior draws."""

from __future__ import annotations

import functools
import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from typing import Any, NamedTuple, TypeVar

import numpy as np
from threadpoolctl import threadpool_limits

from gmexp.statistics.config import CalibrationConfig
from gmexp.statistics.design import Design
from gmexp.statistics.diagnostics import Diagnostics, diagnose
from gmexp.statistics.hmc import sample
from gmexp.statistics.model import Model
from gmexp.statistics.posterior import DRAW_TYPE, DRAWS, Posterior
from gmexp.statistics.setups import setup_draws
from gmexp.support.errors import UserError

__all__ = ["SamplerError", "fit", "one_thread", "require"]

F = TypeVar("F", bound=Callable[..., Any])


class SamplerError(UserError):
    """The diagnostics did not pass: the draws must not be used."""


def one_thread(function: F) -> F:
    """`function` with linear algebra in one thread: more only wait for each other in such small products, and their number
    would change the last bits."""
    @functools.wraps(function)
    def limited(*arguments: Any, **options: Any) -> Any:
        with threadpool_limits(1):
            return function(*arguments, **options)
    return limited


class Start(NamedTuple):
    """Where chains begin [chains, size], in the coordinates of these weights."""

    position: np.ndarray
    weights: dict[str, np.ndarray]


def require(judged: Diagnostics) -> None:
    """Raise SamplerError unless the diagnostics passed."""
    if not judged.passed:
        raise SamplerError(f"the posterior was not sampled well enough: {judged.summary()}; raise draws")


@one_thread
def fit(design: Design, config: CalibrationConfig, progress: Callable[[int], object] | None = None,
        on_retry: Callable[[int], object] = lambda iterations: None) -> tuple[Posterior, Diagnostics]:
    """Sample the posterior of a design until the diagnostics pass. Each attempt goes on from the last with twice the draws.

    `progress` is called with 1 after every iteration in this process (all of them with cores = 1), `on_retry` with the
    number of iterations that a further attempt takes, before it.
    """
    begin: list[Start | None] = [None] * min(config.cores, config.chains // 2)  # of every process
    for attempt in range(config.attempts):
        effort = replace(config, draws=config.draws * 2**attempt,
                         target_accept=min(config.target_accept + 0.05 * attempt, 0.98))
        if attempt:
            on_retry(effort.warmup + effort.draws)
        draws, divergences, accept, begin = _chains(design, effort, attempt, begin, progress)
        judged = diagnose(_judged(draws), divergences, accept, config.rhat_max, config.ess_min,
                          config.divergences_max)
        if judged.passed:
            break
    flat = {name: array.reshape(array.shape[0] * array.shape[1], *array.shape[2:]) for name, array in draws.items()}
    model = Model(design, config)
    posterior = Posterior(
        config.chains,
        config.seed,
        design.estimand,
        design.shifts,
        design.envs,
        design.learners,
        design.conditions,
        design.covariates,
        design.x,
        tuple(map(tuple, model.cells.tolist())),
        tuple(sorted(k for k, v in model.has.items() if v)),
        design.revealed,
        **{name: np.ascontiguousarray(flat[name], DRAW_TYPE).astype(float) for name in DRAWS},
    )  # as stored
    return posterior, judged


def _chains(design: Design, config: CalibrationConfig, attempt: int, begin: list[Start | None],
            progress: Callable[[int], object] | None) -> tuple[dict[str, np.ndarray], int, float, list[Start]]:
    """Draws [chains, draws, ...] by name, divergences, mean acceptance, and where another attempt goes on, the chains
    divided among processes."""
    groups = [len(part) for part in np.array_split(np.arange(config.chains), len(begin))]
    seeds = [[config.seed, attempt, i] for i in range(len(groups))]
    if len(groups) == 1:
        parts = [_sample(design, config, groups[0], seeds[0], begin[0], progress)]
    else:
        with ProcessPoolExecutor(len(groups), multiprocessing.get_context("spawn")) as pool:
            parts = list(pool.map(_sample, [design] * len(groups), [config] * len(groups), groups, seeds, begin))
    draws = {name: np.concatenate([part[0][name] for part in parts]) for name in parts[0][0]}
    return draws, sum(part[1] for part in parts), float(np.mean([part[2] for part in parts])), [part[3] for part in parts]


@one_thread
def _sample(design: Design, config: CalibrationConfig, chains: int, seed: list[int], begin: Start | None,
            progress: Callable[[int], object] | None = None) -> tuple[dict[str, np.ndarray], int, float, Start]:
    """A pilot that tunes the coordinates, unless an earlier attempt has; then the draws."""
    model, rng = Model(design, config), np.random.default_rng(seed)
    if begin is None:
        pilot = sample(model, model.start(rng, chains), rng, config.warmup // 4, config.warmup // 2,
                       config.target_accept, config.trajectory, progress)
        begin = _start(model, pilot.draws)
    model.weights = begin.weights
    trace = sample(model, begin.position, rng, config.draws, config.warmup, config.target_accept, config.trajectory,
                   progress)
    flat = trace.draws.reshape(-1, model.size)
    kept = model.unpack(flat) | {"setup": setup_draws(model, flat, rng)}
    return ({name: array.reshape(chains, config.draws, *array.shape[1:]) for name, array in kept.items()},
            trace.divergences, trace.accept, _start(model, trace.draws))


def _start(model: Model, draws: np.ndarray) -> Start:
    """Where a next attempt begins, from draws [chains, draws, size]."""
    weights = model.tuned(draws[:, ::max(draws.shape[1] // 250, 1)].reshape(-1, model.size))
    return Start(model.recoded(draws[:, -1], weights), weights)


def iterations(config: CalibrationConfig) -> int:
    """How often `progress` is called by a first attempt with cores = 1."""
    return config.warmup // 4 + config.warmup // 2 + config.warmup + config.draws


def _judged(draws: dict[str, np.ndarray]) -> np.ndarray:
    """[chains, draws, quantities] of every stored draw that varies."""
    flat = np.concatenate([array.reshape(*array.shape[:2], -1) for array in draws.values() if array.size], axis=2)
    return flat[:, :, np.ptp(flat, axis=(0, 1)) > 0]
