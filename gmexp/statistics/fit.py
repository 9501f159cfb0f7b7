"""From a design to judged posterior draws."""

from __future__ import annotations

import functools
import multiprocessing
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ProcessPoolExecutor, wait
from dataclasses import replace
from typing import Any, NamedTuple, TypeVar

import numpy as np
from threadpoolctl import threadpool_limits

from gmexp.statistics.alike import together
from gmexp.statistics.config import CalibrationConfig
from gmexp.statistics.design import Design
from gmexp.statistics.diagnostics import Diagnostics, diagnose
from gmexp.statistics.hmc import Density, sample
from gmexp.statistics.model import Model, Pulls
from gmexp.statistics.posterior import DRAWS, Posterior
from gmexp.statistics.setups import setup_draws
from gmexp.statistics.stored import as_stored
from gmexp.support.errors import UserError
from gmexp.support.extras import installed
from gmexp.support.parents import end_with_parent

__all__ = ["SamplerError", "fit", "fit_alike", "one_thread", "posterior_of", "require"]

F = TypeVar("F", bound=Callable[..., Any])
TUNING, CHUNK = 20_000_000, 2_000_000  # numbers: of draws that tune coordinates, and of draws that are looked at together
TELL_S = 0.5  # between two looks at how far processes are
APART = 2.0  # R-hat of chains that are further from each other than each is wide: one of them is stuck
LOGITS, EXTREME = ("alpha", "env", "cell"), 8.0  # draws that are logits of rates; a rate of 0.0003, or of all but that


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
    """Where chains begin [chains, size], in the coordinates of these pulls."""

    position: np.ndarray
    pulls: Pulls


def require(judged: Diagnostics) -> None:
    """Raise SamplerError unless the diagnostics passed."""
    if not judged.passed:
        raise SamplerError(f"the posterior was not sampled well enough: {judged.summary()}; raise draws")


class Part(NamedTuple):
    """What an attempt drew."""

    draws: dict[str, np.ndarray]  # [chains, draws, ...] by name
    divergences: int
    accept: float


@one_thread
def fit(design: Design, config: CalibrationConfig, progress: Callable[[int], object] | None = None,
        on_retry: Callable[[int, str], object] = lambda iterations, why: None) -> tuple[Posterior, Diagnostics]:
    """Sample the posterior of a design until the diagnostics pass. A further attempt goes on from the last with as many
    draws as there are; those of all attempts are judged and kept together. Where a chain is stuck (`APART`), all begin anew.

    `progress` is called with the number of iterations since it was called last, `on_retry` with the number that a further
    attempt takes and what the last one's diagnostics say, before it. The draws depend on `cores`.
    """
    begin: list[Start | None] = [None] * min(config.cores, config.chains // 2)  # of every process
    parts: list[Part] = []
    judged: Diagnostics | None = None
    for attempt in range(config.attempts):
        effort = _effort(config, attempt, 0 if judged is None else judged.divergences)
        if judged is not None:
            on_retry(_iterations(effort, begin), judged.summary())
        part, begin = _chains(design, effort, attempt, begin, progress)
        parts.append(part)
        draws, judged = _judge(parts, config)
        if judged.passed:
            break
        if judged.rhat_max > APART:
            begin, parts = [None] * len(begin), []
    return _posterior(design, config, draws), judged


def _posterior(design: Design, config: CalibrationConfig, draws: dict[str, np.ndarray]) -> Posterior:
    """Of draws [chains, draws, ...] by name, as they are stored."""
    flat = {name: array.reshape(array.shape[0] * array.shape[1], *array.shape[2:]) for name, array in draws.items()}
    return posterior_of(Model(design, config), config.chains, config.seed,
                        {name: as_stored(flat[name]) for name in DRAWS})


def posterior_of(model: Model, chains: int, seed: int, draws: Mapping[str, np.ndarray]) -> Posterior:
    """The posterior of a model's design that these draws (by name, [draws, ...]) are of."""
    d = model.design
    return Posterior(chains, seed, d.estimand, d.shifts, d.envs, d.learners, d.conditions, d.covariates, d.x,
                     tuple(map(tuple, model.cells.tolist())), tuple(sorted(k for k, v in model.has.items() if v)),
                     d.revealed, **draws)


@one_thread
def fit_alike(designs: Sequence[Design], config: CalibrationConfig, progress: Callable[[int], object] | None = None,
              on_retry: Callable[[int], object] = lambda iterations: None) -> list[tuple[Posterior, Diagnostics]]:
    """`fit` of many designs of one structure (`gmexp.statistics.alike`), all chains of all of them at once; those that do
    not pass go on together."""
    fits: list[tuple[Posterior, Diagnostics] | None] = [None] * len(designs)
    begin: list[Start | None] = [None] * len(designs)
    parts: list[list[Part]] = [[] for _ in designs]
    for attempt in range(config.attempts):
        left = [i for i, each in enumerate(fits) if each is None]
        if not left:
            break
        effort = _effort(config, attempt, max(sum(part.divergences for part in parts[i]) for i in left))
        going_on, anew = [i for i in left if begin[i] is not None], [i for i in left if begin[i] is None]
        groups = [group for group in (going_on, anew) if group]
        if attempt:
            on_retry(sum(_iterations(effort, [begin[i] for i in group]) for group in groups))
        for number, group in enumerate(groups):
            sampled = _sample([designs[i] for i in group], effort, config.chains, [config.seed, attempt, number],
                              [begin[i] for i in group], progress)
            for i, (part, begin[i]) in zip(group, sampled, strict=True):
                parts[i].append(part)
                draws, judged = _judge(parts[i], config)
                if judged.passed or attempt == config.attempts - 1:
                    fits[i], parts[i] = (_posterior(designs[i], config, draws), judged), []
                elif judged.rhat_max > APART:
                    begin[i], parts[i] = None, []
    return [each for each in fits if each is not None]


def _iterations(effort: CalibrationConfig, begin: Sequence[Start | None]) -> int:
    """How many an attempt takes, with the pilot of chains that begin anew."""
    return iterations(effort) if any(each is None for each in begin) else effort.warmup + effort.draws


def _effort(config: CalibrationConfig, attempt: int, divergences: int) -> CalibrationConfig:
    """Of an attempt, where those before it drew with so many divergences: as many draws again as they made, in smaller steps
    where too many transitions diverged."""
    if not attempt:
        return config
    made, accept = config.draws * 2 ** (attempt - 1), config.target_accept
    if divergences > config.divergences_max * config.chains * made:
        accept = min(accept + 0.05 * attempt, 0.98)
    return replace(config, draws=made, target_accept=accept)


def _judge(parts: Sequence[Part], config: CalibrationConfig) -> tuple[dict[str, np.ndarray], Diagnostics]:
    """The draws of all attempts together, and what the diagnostics say of them. Where they do not pass and the last
    attempt's, which are half of them, do, the others count as warm-up: the first may have begun far away."""
    def judged(part: Part) -> tuple[dict[str, np.ndarray], Diagnostics]:
        return part.draws, diagnose(_judged(part.draws), part.divergences, part.accept, config.rhat_max, config.ess_min,
                                    config.divergences_max)

    together = judged(_joined(parts, 1))
    if together[1].passed or len(parts) == 1:
        return together
    last = judged(parts[-1])
    return last if last[1].passed else together


def _joined(parts: Sequence[Part], axis: int) -> Part:
    """Parts of several groups of chains (axis 0), or of several attempts (1), as one."""
    transitions = [next(iter(part.draws.values())).shape[:2] for part in parts]
    return Part({name: np.concatenate([part.draws[name] for part in parts], axis) for name in parts[0].draws},
                sum(part.divergences for part in parts),
                float(np.average([part.accept for part in parts], weights=np.prod(transitions, axis=1))))


def _chains(design: Design, config: CalibrationConfig, attempt: int, begin: list[Start | None],
            progress: Callable[[int], object] | None) -> tuple[Part, list[Start]]:
    """What an attempt drew, and where another goes on, the chains divided among processes."""
    groups = [len(part) for part in np.array_split(np.arange(config.chains), len(begin))]
    seeds = [[config.seed, attempt, i] for i in range(len(groups))]
    if len(groups) == 1:
        parts = _sample([design], config, groups[0], seeds[0], begin, progress)
    else:
        parts = _in_processes(design, config, groups, seeds, begin, progress)
    drawn, starts = zip(*parts, strict=True)
    return _joined(drawn, 0), list(starts)


def _in_processes(design: Design, config: CalibrationConfig, groups: Sequence[int], seeds: Sequence[list[int]],
                  begin: Sequence[Start | None], progress: Callable[[int], object] | None) -> list[tuple]:
    """`_sample` of every group of chains in a process of its own; the mean of their iterations is told."""
    context, said = multiprocessing.get_context("spawn"), 0
    done = context.Value("q", 0)
    with ProcessPoolExecutor(len(groups), context, _begin, (done,)) as pool:
        waiting = [pool.submit(_sample, [design], config, *each, [start], _counted)
                   for *each, start in zip(groups, seeds, begin, strict=True)]
        left = set(waiting)
        while left:
            ended, left = wait(left, TELL_S, FIRST_EXCEPTION)
            for each in ended:
                each.result()  # raises what it ended with
            mean = done.value // len(groups)
            if progress is not None and mean > said:
                progress(mean - said)
            said = mean
        return [each.result()[0] for each in waiting]


def _begin(done: Any) -> None:
    """Of a process: what it counts its iterations in; it ends with its parent."""
    global _done
    _done = done
    end_with_parent()


def _counted(iterations: int) -> None:
    with _done.get_lock():
        _done.value += iterations


@one_thread
def _sample(designs: Sequence[Design], config: CalibrationConfig, chains: int, seed: list[int],
            begin: Sequence[Start | None], progress: Callable[[int], object] | None = None,
            ) -> list[tuple[Part, Start]]:
    """A pilot that tunes the coordinates, unless an earlier attempt has; then what was drawn, and a start for a next
    attempt, of every design."""
    models, rng, n = [Model(design, config) for design in designs], np.random.default_rng(seed), len(designs)
    if any(each is None for each in begin):
        kept = _Kept(models, chains, config.warmup // 4)
        pilot = sample(_density(together(models, chains)), models[0].start(rng, chains * n), rng, config.warmup // 4,
                       config.warmup // 2, config.target_accept, config.trajectory, progress, n, kept.pass_by)
        begin = kept.starts(pilot.last)
    for model, each in zip(models, begin, strict=True):
        model.pulls = each.pulls
    kept = _Kept(models, chains, config.draws, rng)
    trace = sample(_density(together(models, chains)), np.concatenate([each.position for each in begin]), rng, config.draws,
                   config.warmup, config.target_accept, config.trajectory, progress, n, kept.keep)
    return [(Part(draws, int(divergences), float(accept)), start) for draws, divergences, accept, start in zip(
        kept.draws(), trace.divergences, trace.accept, kept.starts(trace.last), strict=True)]


class _Kept:
    """What is kept of draws of several models, as they are drawn: what a posterior stores, and some of all coordinates to
    tune the next attempt's by. All coordinates of all draws may be more than memory holds."""

    def __init__(self, models: Sequence[Model], chains: int, draws: int, rng: np.random.Generator | None = None) -> None:
        self.models, self.chains, self.rng = models, chains, rng
        most = np.clip(TUNING // (chains * models[0].size), 10, 250)
        self.every = -(-draws // int(most))  # one draw of so many tunes
        self.chunk = max(CHUNK // (chains * models[0].size), 1)  # draws that are looked at together
        self.seen, self.waiting, self.tuning = 0, [], []
        self.parts: list[list[dict[str, np.ndarray]]] = [[] for _ in models]

    def pass_by(self, q: np.ndarray) -> None:
        """A draw [models x chains, size] of which nothing is stored."""
        if self.seen % self.every == 0:
            self.tuning.append(q)
        self.seen += 1

    def keep(self, q: np.ndarray) -> None:
        self.pass_by(q)
        self.waiting.append(q)
        if len(self.waiting) == self.chunk:
            self._unpack()

    def _unpack(self) -> None:
        drawn, self.waiting = np.stack(self.waiting, axis=1), []
        for model, part, draws in zip(self.models, self.parts, np.split(drawn, len(self.models)), strict=True):
            flat = draws.reshape(-1, model.size)
            found = model.unpack(flat) | {"setup": setup_draws(model, flat, self.rng)}
            part.append({name: array.reshape(*draws.shape[:2], *array.shape[1:]) for name, array in found.items()})

    def draws(self) -> list[dict[str, np.ndarray]]:
        """[chains, draws, ...] by name, of every model."""
        if self.waiting:
            self._unpack()
        return [{name: np.concatenate([each[name] for each in parts], axis=1) for name in parts[0]} for parts in self.parts]

    def starts(self, last: np.ndarray) -> list[Start]:
        """Where a next attempt of every model begins: at the last draws [models x chains, size]."""
        tuning, starts = np.split(np.stack(self.tuning), len(self.models), axis=1), []
        for model, draws, position in zip(self.models, tuning, np.split(last, len(self.models)), strict=True):
            pulls = model.tuned(draws.reshape(-1, model.size))
            starts.append(Start(model.recoded(position, pulls), pulls))
        return starts


def _density(model: Model) -> Density:
    """The model's, compiled where numba is installed."""
    if not installed("numba"):
        return model
    from gmexp.statistics.compiled import Compiled
    return Compiled(model)


def iterations(config: CalibrationConfig) -> int:
    """How many iterations a first attempt takes."""
    return config.warmup // 4 + config.warmup // 2 + config.warmup + config.draws


def _judged(draws: dict[str, np.ndarray]) -> np.ndarray:
    """[chains, draws, quantities] of every stored draw that varies. Logits of rates beyond EXTREME count as EXTREME: where
    something never happened, data have no end, and no rate depends on how far out a chain has been."""
    kept = [np.clip(array, -EXTREME, EXTREME) if name in LOGITS else array for name, array in draws.items() if array.size]
    flat = np.concatenate([array.reshape(*array.shape[:2], -1) for array in kept], axis=2)
    return flat[:, :, np.ptp(flat, axis=(0, 1)) > 0]
