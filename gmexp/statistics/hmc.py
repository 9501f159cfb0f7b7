"""Hamiltonian Monte Carlo in numpy: all chains move together, so one call of the density serves them all.

Chains may come in groups, each of a posterior of its own with its own step size and mass matrix: many small posteriors cost
hardly more than one. Trajectories have a random length, U(0.5, 1.5) times `trajectory` posterior standard deviations of the
coordinate that is widest beside its scale, so that none walks at random. The step size is tuned by dual averaging (Hoffman &
Gelman 2014, section 3.2); the diagonal mass matrix is estimated over doubling windows (as in Stan's warm-up) from all chains
of a group, from their draws and gradients.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

__all__ = ["Density", "Trace", "sample"]

DIVERGENCE = 1000.0  # energy error beyond which a trajectory counts as divergent
MAX_STEPS, WARMUP_STEPS = 256, 64  # of a trajectory
LONGEST = 5.0  # log of a step size: far beyond any trajectory
TINY = 1e-10  # added to standard deviations


@dataclass(frozen=True)
class Trace:
    """Result of `sample`."""

    draws: np.ndarray | None  # [chains, draws, size]; None where they were handed over
    last: np.ndarray  # [chains, size]
    divergences: np.ndarray  # [groups]
    accept: np.ndarray  # [groups] mean acceptance after warm-up
    gradients: int


class Density(Protocol):
    """A target known up to a constant, for all chains at once."""

    def log_density(self, q: np.ndarray) -> np.ndarray: ...  # [chains, size] -> [chains]

    def gradient(self, q: np.ndarray) -> np.ndarray: ...  # [chains, size] -> [chains, size]

    def leapfrog(self, position: np.ndarray, momentum: np.ndarray, slope: np.ndarray, stride: np.ndarray,
                 steps: np.ndarray) -> np.ndarray:
        """Every chain's steps, [chains], from position and momentum, both changed in place, and the gradient there; all
        others [chains, size]. Returns the gradient at the end."""
        for i in range(steps.max()):
            own = stride * (i < steps)[:, None]  # a chain that is there stands still
            momentum += 0.5 * own * slope
            position += own * momentum
            slope = self.gradient(position)
            momentum += 0.5 * own * slope
        return slope


class StepSize:
    """Dual averaging of the log step size towards a target acceptance."""

    def __init__(self, start: float, target: float) -> None:
        self.target = target
        self.restart(start)

    def restart(self, start: float) -> None:
        self.centre, self.mean_error, self.count = np.log(10 * start), 0.0, 0
        self.log_step, self.log_average = np.log(start), 0.0

    def update(self, accept: float) -> None:
        self.count += 1
        weight = 1 / (self.count + 10)
        self.mean_error = (1 - weight) * self.mean_error + weight * (self.target - accept)
        self.log_step = self.centre - np.sqrt(self.count) / 0.05 * self.mean_error
        decay = self.count**-0.75
        self.log_average = decay * self.log_step + (1 - decay) * self.log_average

    @property
    def current(self) -> float:
        return float(np.exp(min(self.log_step, LONGEST)))

    @property
    def tuned(self) -> float:
        return float(np.exp(min(self.log_average, LONGEST)))


def sample(density: Density, start: np.ndarray, rng: np.random.Generator, draws: int, warmup: int,
           target_accept: float = 0.85, trajectory: float = 1.6,
           progress: Callable[[int], object] | None = None, groups: int = 1,
           keep: Callable[[np.ndarray], object] | None = None) -> Trace:
    """Draw from `density`, starting at `start` [chains, size]; the chains are `groups` equal groups, one after another.

    `progress` is called with 1 after every iteration, warm-up included; `keep`, if given, with every draw [chains, size],
    and the trace has none: all at once they may be more than memory holds.
    """
    q = start.copy()
    chains, size = q.shape
    per = chains // groups
    logp, grad = density.log_density(q), density.gradient(q)
    scale, widest = np.ones((chains, size)), np.ones(groups)
    first = _first_step(density, q, logp, grad, scale, rng)
    step = [StepSize(first, target_accept) for _ in range(groups)]
    windows = _window_ends(warmup)
    window = _Spread(groups), _Spread(groups)  # of draws and gradients
    kept = np.empty((chains, draws, size)) if keep is None else None
    divergences, gradients, accepted = np.zeros(groups, int), 0, np.zeros(groups)
    for i in range(warmup + draws):
        lengths = np.array([each.current if i < warmup else each.tuned for each in step])
        wanted = trajectory * widest * rng.uniform(0.5, 1.5)
        steps = np.clip(np.ceil(wanted / lengths), 1, WARMUP_STEPS if i < warmup else MAX_STEPS).astype(int)
        q, logp, grad, accept, diverged = _move(density, q, logp, grad, scale, lengths.repeat(per)[:, None],
                                                steps.repeat(per), rng)
        gradients += int(steps.max())
        accept = accept.reshape(groups, per).mean(axis=1)
        if i < warmup:
            for each, mean in zip(step, accept.tolist(), strict=True):
                each.update(mean)
            if windows[0] <= i < windows[-1]:
                for spread, values in zip(window, (q, grad), strict=True):
                    spread.add(values)
                if i + 1 in windows:
                    scale, widest = _scale(*(spread.sd for spread in window))
                    scale, window = scale.repeat(per, axis=0), (_Spread(groups), _Spread(groups))
                    for each in step:
                        each.restart(each.tuned)
        else:
            if kept is None:
                keep(q)
            else:
                kept[:, i - warmup] = q
            divergences += diverged.reshape(groups, per).sum(axis=1)
            accepted += accept
        if progress is not None:
            progress(1)
    return Trace(kept, q, divergences, accepted / draws, gradients)


def _move(density: Density, q: np.ndarray, logp: np.ndarray, grad: np.ndarray, scale: np.ndarray,
          epsilon: np.ndarray, steps: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    """One trajectory of every chain, with step sizes [chains, 1] and numbers of steps [chains]: (q, log p, gradient,
    acceptance probability, diverged)."""
    momentum = rng.standard_normal(q.shape)
    with np.errstate(over="ignore", invalid="ignore"):
        energy = logp - 0.5 * np.sum(momentum**2, axis=1)
        position = q.copy()
        slope = density.leapfrog(position, momentum, grad, epsilon * scale, steps)
        new_logp = density.log_density(position)  # wanted at the end only
        change = new_logp - 0.5 * np.sum(momentum**2, axis=1) - energy
    change = np.where(np.isfinite(change), change, -np.inf)
    accept = np.exp(np.minimum(change, 0))
    take = rng.uniform(size=len(q)) < accept
    q, grad = np.where(take[:, None], position, q), np.where(take[:, None], slope, grad)
    return q, np.where(take, new_logp, logp), grad, accept, change < -DIVERGENCE


def _first_step(density: Density, q: np.ndarray, logp: np.ndarray, grad: np.ndarray, scale: np.ndarray,
                rng: np.random.Generator) -> float:
    """A step size at which a single step is accepted about half the time."""
    epsilon = 0.1
    for _ in range(30):
        accept = _move(density, q, logp, grad, scale, np.full((len(q), 1), epsilon), np.ones(len(q), int), rng)[3].mean()
        if 0.4 < accept < 0.9:
            break
        epsilon *= 2.0 if accept >= 0.9 else 0.5
    return epsilon


def _window_ends(warmup: int) -> list[int]:
    """Start of adaptation, then the ends of doubling windows; the rest of the warm-up tunes the step size only."""
    begin, last, width = max(warmup // 8, 10), warmup - max(warmup // 8, 10), max(warmup // 20, 10)
    ends = [begin]
    while ends[-1] + 3 * width < last:
        ends.append(ends[-1] + width)
        width *= 2
    return [*ends, last]


class _Spread:
    """Standard deviations over iterations and a group's chains, from running moments (Chan, Golub & LeVeque 1983)."""

    def __init__(self, groups: int) -> None:
        self.groups, self.count = groups, 0
        self.mean, self.square = 0.0, 0.0  # [groups, size]; squared deviations, summed

    def add(self, values: np.ndarray) -> None:
        """Of one iteration, [chains, size]."""
        parts = values.reshape(self.groups, -1, values.shape[1])
        number, mean = parts.shape[1], parts.mean(axis=1)
        away, both = mean - self.mean, self.count + number
        self.square = self.square + ((parts - mean[:, None]) ** 2).sum(axis=1) + away**2 * (self.count * number / both)
        self.mean, self.count = self.mean + away * (number / both), both

    @property
    def sd(self) -> np.ndarray:
        return np.sqrt(self.square / (self.count - 1)) + TINY


def _scale(position: np.ndarray, slope: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Scale of every coordinate, [groups, size], from the standard deviations of draws and gradients; and how many of it
    the widest coordinate's sd is, [groups].

    The scale is the geometric mean of the posterior's sd and the inverse sd of the gradients, which is the sd given all
    other coordinates where the posterior is normal: the diagonal that minimises the Fisher divergence from a normal
    (Seyboldt, Carlson & Carpenter 2026, arXiv 2603.18845).
    """
    scale = np.sqrt(position / slope)
    return scale, (position / scale).max(axis=1)
