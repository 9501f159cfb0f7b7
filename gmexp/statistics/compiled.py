"""The density of `gmexp.statistics.model` and its gradient as compiled code, where numba is installed.

A chain of a study has some hundred coordinates: numpy then waits for its own calls, and this takes a fifteenth of its time.
The numbers are the same but for their last digits, so draws differ between machines with numba and without; either are draws
of the same posterior. `Model` is what tests hold this against.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gmexp.statistics.hmc import Density
from gmexp.statistics.model import (
    BEND, CELL, CONDITION, ENV, ENV_SHIFT, LEARNER, LIMIT, RUN, SCALES, SEED, SLOPE, T_ENV, Model,
)
from gmexp_envs.compiled.jit import jit

__all__ = ["Compiled"]

ABOUT = len(SCALES)
TINY = 1e-300
FAR = 1e6  # of a scale's coordinate
PARTS = 7
PULL, CENTRE, VALUE, DEVIATION, NARROW, LEAN, OFF = range(PARTS)  # NARROW: one over the stretch; OFF: mean beside the centre


class Sizes(NamedTuple):
    stages: int
    shifts: int
    envs: int
    settings: int
    conditions: int
    rows: int
    runs: int
    cells: int
    learners: int
    seeds: int


class Has(NamedTuple):
    """Which effects there are, as `Model.has`."""

    env: bool
    l: bool  # noqa: E741
    t: bool
    v: bool
    w: bool
    u: bool
    apart: bool
    two_arms: bool


class Starts(NamedTuple):
    """Where every block of coordinates begins."""

    scales: int
    run_shift: int
    coupling: int
    level: int
    c: int
    beta: int
    d: int
    gc: int
    b: int
    l: int  # noqa: E741
    w: int
    u: int
    t: int
    v: int
    theta: int
    skill: int
    x: int


class Maps(NamedTuple):
    """What belongs to what, and what is known of it."""

    H: np.ndarray  # [S, S - 1] contrasts
    bend: np.ndarray  # [scales]
    later: np.ndarray  # [pairs] of stages
    earlier: np.ndarray
    condition_env: np.ndarray  # [C]
    condition_learner: np.ndarray
    cell_condition: np.ndarray  # [cells]
    cell_shift: np.ndarray
    run_condition: np.ndarray  # [R]
    run_seed: np.ndarray  # -1 where no other run has it
    row_run: np.ndarray  # [N]
    row_shift: np.ndarray
    row_cell: np.ndarray
    usual: np.ndarray  # [E] learner
    middle: np.ndarray  # [E, X]
    x: np.ndarray  # [C, X]
    unknown: np.ndarray  # [unknown, 2]
    x_sd: np.ndarray  # [X]


class Priors(NamedTuple):
    scales: np.ndarray
    beta: float
    run_shift: float
    run_shift_ratio: float
    coupling: float
    skill_mean: float
    skill_sd: float


class Effects(NamedTuple):
    """Of every effect what `_place` writes, and its pull and centre, [1 or chains, K, size, PARTS] each."""

    l: np.ndarray  # noqa: E741
    gc: np.ndarray
    b: np.ndarray
    d: np.ndarray
    w: np.ndarray
    u: np.ndarray
    t: np.ndarray
    v: np.ndarray
    theta: np.ndarray


class Room(NamedTuple):
    """What one chain's evaluation writes on the way."""

    scale: np.ndarray  # [K, scales]
    run_scale: np.ndarray  # [K, S]
    own: np.ndarray  # [K, E]
    there: np.ndarray
    level: np.ndarray
    alpha: np.ndarray  # [K, S]
    beta: np.ndarray  # [K, X]
    x: np.ndarray  # [C, X]
    shifted: np.ndarray  # [K, E, S]
    of_condition: np.ndarray  # [K, C]
    of_cell: np.ndarray  # [K, cells]
    of_run: np.ndarray  # [K, R]
    logits: np.ndarray  # [K]
    beside: np.ndarray  # [K] logits beside their cells
    passed: np.ndarray  # [K]
    by_scale: np.ndarray  # [K, scales]; slopes by what stands after by_
    by_run_scale: np.ndarray
    by_env: np.ndarray  # [K, E]
    by_shifted: np.ndarray  # [K, E, S]
    by_slope: np.ndarray  # [K, E, X]
    by_condition: np.ndarray
    by_cell: np.ndarray
    by_run: np.ndarray
    by_seed: np.ndarray  # [K, seeds]
    by_learner: np.ndarray  # [K, learners]
    by_alpha: np.ndarray  # [K, S]
    by_contrast: np.ndarray  # [E]


class Compiled(Density):
    """A model's log density and gradient at q [chains, size], with the pulls that it has now."""

    def __init__(self, model: Model) -> None:
        d, has = model.design, model.has
        later, earlier = zip(*model.pairs, strict=True) if model.pairs else ((), ())
        sizes = Sizes(model.K, model.S, model.E, model.X, model.C, model.N, model.R, len(model.cells), len(d.learners),
                      max(model.seeds, 1))
        maps = Maps(_floats(model.H), _floats(model.bend), _places(later), _places(earlier), _places(d.condition_env),
                    _places(d.condition_learner), _places(model.cells[:, 0]), _places(model.cells[:, 1]),
                    _places(d.run_condition), _places(d.run_seed), _places(d.run), _places(d.shift), _places(model.cell),
                    _places(model.usual), _floats(model.middle), _floats(model.x), _places(model.unknown),
                    _floats(model.x_sd))
        p = model.priors
        counts = [model.masked, model.visible] if model.two_arms else [model.success, model.failure]
        self._rest = (
            sizes, Has(*(bool(has[name]) for name in ("env", "l", "t", "v", "w", "u")), bool(model.apart), model.two_arms),
            Starts(**{name: part.start for name, part in model.slices.items()}), maps,
            Priors(_floats(p.scales), p.beta, p.run_shift, p.run_shift_ratio, p.coupling, p.skill_mean, p.skill_sd),
            Effects(**{name: _effects(model, name) for name in Effects._fields}), _per_chain(np.concatenate(counts)),
            _room(sizes))

    def log_density(self, q: np.ndarray) -> np.ndarray:
        """Log density [chains] at q [chains, size], up to a constant."""
        value = np.empty(len(q))
        _log_densities(np.ascontiguousarray(q), value, *self._rest)
        return value

    def gradient(self, q: np.ndarray) -> np.ndarray:
        """Gradient [chains, size] of `log_density`."""
        return self.leapfrog(q.copy(), np.zeros_like(q), np.zeros_like(q), np.zeros_like(q), np.ones(len(q), int))

    def leapfrog(self, position: np.ndarray, momentum: np.ndarray, slope: np.ndarray, stride: np.ndarray,
                 steps: np.ndarray) -> np.ndarray:
        """A chain's steps one after another, so that what it reads and writes stays near."""
        slope = slope.copy()
        _trajectories(position, momentum, slope, stride, steps, *self._rest)
        return slope


def _floats(values: object) -> np.ndarray:
    return np.array(values, np.float64, order="C")  # of its own: code is compiled anew for arrays that cannot be written


def _places(values: object) -> np.ndarray:
    return np.array(values, np.int64, order="C")


def _effects(model: Model, name: str) -> np.ndarray:
    pulls, size = model.pulls[name], model.shapes[name][1]
    effects = np.zeros((len(pulls), model.K, size, PARTS))
    effects[..., PULL], effects[..., CENTRE] = (np.broadcast_to(pulls[:, i], effects.shape[:3]) for i in range(2))
    return effects


def _per_chain(counts: np.ndarray) -> np.ndarray:
    """[1 or chains, N, kinds] of counts [kinds, N] or [kinds, chains, N]."""
    counts = counts[:, None] if counts.ndim == 2 else counts
    return _floats(counts.transpose(1, 2, 0))


def _room(n: Sizes) -> Room:
    K, S, E, X, C, U, R = n.stages, n.shifts, n.envs, n.settings, n.conditions, n.cells, n.runs
    shapes = dict(scale=(K, ABOUT), run_scale=(K, S), own=(K, E), there=(K, E), level=(K, E), alpha=(K, S),
                  beta=(K, X), x=(C, X), shifted=(K, E, S), of_condition=(K, C), of_cell=(K, U),
                  of_run=(K, R), logits=(K,), beside=(K,), passed=(K,), by_scale=(K, ABOUT), by_run_scale=(K, S),
                  by_env=(K, E), by_shifted=(K, E, S), by_slope=(K, E, X), by_condition=(K, C), by_cell=(K, U),
                  by_run=(K, R), by_seed=(K, n.seeds), by_learner=(K, n.learners), by_alpha=(K, S), by_contrast=(E,))
    return Room(**{name: np.zeros(shape) for name, shape in shapes.items()})


# --- small parts -------------------------------------------------------------------------------------------------------

@jit(forceinline=True)
def _softplus(x):
    return max(x, 0.0) + np.log1p(np.exp(-abs(x)))


@jit(forceinline=True)
def _expit(x):
    least = np.exp(-abs(x))
    return (1.0 if x > 0 else least) / (1.0 + least)


@jit(forceinline=True)
def _yes_no(logit):
    """The rate of a logit and one minus it, by one exponential."""
    least = np.exp(-min(abs(logit), LIMIT))
    most = 1.0 / (1.0 + least)
    least *= most
    return (most, least) if logit > 0 else (least, most)


@jit(forceinline=True)
def _clip(x, low, high):
    return min(max(x, low), high)


@jit(forceinline=True)
def _place(of, mean, sd, z):
    """Writes an effect [PARTS] at coordinate z; returns its value."""
    a = of[PULL] * sd
    narrow = 1.0 / np.sqrt(1.0 + a * a)
    lean = a * narrow
    off = mean - of[CENTRE]
    deviation = (z - of[PULL] * lean * off) * narrow
    of[VALUE], of[DEVIATION], of[NARROW], of[LEAN], of[OFF] = mean + sd * deviation, deviation, narrow, lean, off
    return of[VALUE]


@jit(forceinline=True)
def _back(of, sd, by_value, heavy):
    """Slopes by z, mean and log sd."""
    u, square, follows = of[DEVIATION], of[LEAN] * of[LEAN], of[PULL] * of[LEAN]
    by_u = sd * by_value
    du = by_u - ((T_ENV + 1.0) * u / (T_ENV + u * u) if heavy else u)
    dz = du * of[NARROW]
    by_log = u * by_u - dz * (follows * (1.0 - square) * of[OFF]) - square * (u * du + 1.0)
    return dz, by_value - follows * dz, by_log


@jit
def _density(effects, heavy):
    """Log density of all effects of a kind, of their z."""
    total = 0.0
    for k in range(effects.shape[0]):
        for i in range(effects.shape[1]):
            square = effects[k, i, DEVIATION] ** 2
            total -= (T_ENV + 1.0) / 2.0 * np.log1p(square / T_ENV) if heavy else 0.5 * square
            total += np.log(effects[k, i, NARROW])
    return total


@jit(forceinline=True)
def _half_t_slope(log_scale, width):
    square = np.exp(2.0 * min(log_scale, LIMIT)) / (3.0 * width * width)
    return 1.0 - 4.0 * square / (1.0 + square)


@jit(forceinline=True)
def _log_half_t(log_scale, width):
    return log_scale - 2.0 * np.log1p(np.exp(2.0 * min(log_scale, LIMIT)) / (3.0 * width * width))


@jit(forceinline=True)
def _two_arms(counts, logits, skill, passed):
    """Slopes by a row's logits to `passed`; returns that by the skill's."""
    (c, c0), (b, b0), (p, p0), (a, a0) = _yes_no(logits[0]), _yes_no(logits[1]), _yes_no(logits[2]), _yes_no(skill)
    mi, mp, m0, vi, vp, v0 = counts[0], counts[1], counts[2], counts[3], counts[4], counts[5]
    h = c * b0
    ri, r0 = vi / max(p0 * h + p * a, TINY), v0 / max(p0 * c0 + p * a0, TINY)
    passed[0] = (mi + mp + vp) * c0 - m0 * c + p0 * c * c0 * (ri * b0 - r0)
    passed[1] = (mp + vp) * b0 - mi * b - ri * p0 * h * b
    passed[2] = p * p0 * (ri * (a - h) + r0 * (a0 - c0)) - vp * p
    return p * a * a0 * (ri - r0)


@jit(forceinline=True)
def _log_two_arms(counts, logits, skill):
    (c, c0), (b, b0), (p, p0), (a, a0) = _yes_no(logits[0]), _yes_no(logits[1]), _yes_no(logits[2]), _yes_no(skill)
    mi, mp, m0, vi, vp, v0 = counts[0], counts[1], counts[2], counts[3], counts[4], counts[5]
    return ((mi + mp + vp) * np.log(c) + mi * np.log(b0) + (mp + vp) * np.log(b) + m0 * np.log(c0) + vp * np.log(p0)
            + vi * np.log(max(p0 * c * b0 + p * a, TINY)) + v0 * np.log(max(p0 * c0 + p * a0, TINY)))


# --- a chain -----------------------------------------------------------------------------------------------------------

@jit
def _scales(q, n, at, maps, room):
    for k in range(n.stages):
        for j in range(ABOUT):
            x = _clip(q[at.scales + k * ABOUT + j], -LIMIT, FAR)
            room.scale[k, j] = maps.bend[j] * _softplus(x)
        for s in range(n.shifts):
            x = _clip(q[at.run_shift + k * n.shifts + s], -LIMIT, FAR)
            room.run_scale[k, s] = BEND * _softplus(x)


@jit
def _environments(q, chain, n, has, at, maps, effects, room):
    """Levels, shifts' effects and slopes of environments, and of those that they come from."""
    of_l, of_gc, of_b, of_d = effects.l[chain], effects.gc[chain], effects.b[chain], effects.d[chain]
    contrasts = n.shifts - 1
    for k in range(n.stages):
        scale = room.scale[k]
        if has.l:
            for i in range(n.learners):
                _place(of_l[k, i], 0.0, scale[LEARNER], q[at.l + k * n.learners + i])
        for e in range(n.envs):
            room.own[k, e] = of_l[k, maps.usual[e], VALUE] if has.l and has.env else 0.0
            for j in range(contrasts):
                i = e * contrasts + j
                z = q[at.gc + k * n.envs * contrasts + i]
                if has.env:
                    _place(of_gc[k, i], q[at.c + k * contrasts + j], scale[ENV_SHIFT], z)
                else:
                    of_gc[k, i, VALUE] = z
            there = 0.0
            for j in range(n.settings):
                i = e * n.settings + j
                z = q[at.b + k * n.envs * n.settings + i]
                if has.env:
                    _place(of_b[k, i], q[at.beta + k * n.settings + j], scale[SLOPE], z)
                else:
                    of_b[k, i, VALUE] = z
                there += of_b[k, i, VALUE] * maps.middle[e, j]
            room.there[k, e] = there
            z = q[at.d + k * n.envs + e]
            if has.env:
                mean = q[at.level + k] + room.own[k, e] + there
                z = _place(of_d[k, e], mean, scale[ENV], z)
            room.level[k, e] = z - there
            for s in range(n.shifts):
                total = 0.0
                for j in range(contrasts):
                    total += of_gc[k, e * contrasts + j, VALUE] * maps.H[s, j]
                room.shifted[k, e, s] = total
        level = q[at.level + k]
        room.alpha[k] = level if has.env else room.level[k, 0] - scale[ENV] * level
        for j in range(contrasts):
            z = q[at.c + k * contrasts + j]
            common = z if has.env else of_gc[k, j, VALUE] - scale[ENV_SHIFT] * z
            for s in range(n.shifts):
                room.alpha[k, s] += common * maps.H[s, j]
        for j in range(n.settings):
            z = q[at.beta + k * n.settings + j]
            room.beta[k, j] = z if has.env else of_b[k, j, VALUE] - scale[SLOPE] * z
    for c in range(n.conditions):
        for j in range(n.settings):
            room.x[c, j] = maps.x[c, j]
    for i in range(maps.unknown.shape[0]):
        j = maps.unknown[i, 1]
        room.x[maps.unknown[i, 0], j] += maps.x_sd[j] * q[at.x + i]


@jit
def _conditions(q, chain, n, has, at, maps, effects, room):
    """Levels of conditions, cells and runs."""
    of_l, of_b, of_w = effects.l[chain], effects.b[chain], effects.w[chain]
    of_u, of_t, of_v = effects.u[chain], effects.t[chain], effects.v[chain]
    for k in range(n.stages):
        scale = room.scale[k]
        for c in range(n.conditions):
            e = maps.condition_env[c]
            w = room.level[k, e]
            for j in range(n.settings):
                w += of_b[k, e * n.settings + j, VALUE] * room.x[c, j]
            if has.l:
                w += of_l[k, maps.condition_learner[c], VALUE] - room.own[k, e]
            if has.w:
                w = _place(of_w[k, c], w, scale[CONDITION], q[at.w + k * n.conditions + c])
            room.of_condition[k, c] = w
        for i in range(n.cells):
            c = maps.cell_condition[i]
            m, at_condition = room.shifted[k, maps.condition_env[c], maps.cell_shift[i]], room.of_condition[k, c]
            if not has.apart:
                m += at_condition
            if has.u:
                m = _place(of_u[k, i], m, scale[CELL], q[at.u + k * n.cells + i])
            room.of_cell[k, i] = m + at_condition if has.apart else m
        if has.t:
            for i in range(n.seeds):
                _place(of_t[k, i], 0.0, scale[SEED], q[at.t + k * n.seeds + i])
        if has.v:
            for r in range(n.runs):
                mean = of_t[k, maps.run_seed[r], VALUE] if has.t and maps.run_seed[r] >= 0 else 0.0
                at_condition = room.of_condition[k, maps.run_condition[r]] if has.apart else 0.0
                z = q[at.v + k * n.runs + r]
                room.of_run[k, r] = _place(of_v[k, r], mean + at_condition, scale[RUN], z) - at_condition


@jit
def _rows(q, chain, valued, n, has, at, maps, effects, counts, room, slope):
    """Log likelihood of every row, or with `slope` the way back to cells and runs."""
    of_theta = effects.theta[chain]
    value, pairs = 0.0, maps.later.shape[0]
    for row in range(n.rows):
        cell, run, s = maps.row_cell[row], maps.row_run[row], maps.row_shift[row]
        for k in range(n.stages):
            m = room.of_cell[k, cell]
            if has.v:
                m += room.of_run[k, run]
            for pair in range(pairs):
                if maps.later[pair] == k:
                    m += q[at.coupling + pair] * room.beside[maps.earlier[pair]]
            room.logits[k] = _place(of_theta[k, row], m, room.run_scale[k, s], q[at.theta + k * n.rows + row])
            room.beside[k] = room.logits[k] - room.of_cell[k, cell]
        if valued:
            if has.two_arms:
                value += _log_two_arms(counts[row], room.logits, q[at.skill + row])
            else:
                for k in range(n.stages):
                    t = _clip(room.logits[k], -LIMIT, LIMIT)
                    value -= counts[row, k] * _softplus(-t) + counts[row, n.stages + k] * _softplus(t)
            continue
        if has.two_arms:
            slope[at.skill + row] = _two_arms(counts[row], room.logits, q[at.skill + row], room.passed)
        else:
            for k in range(n.stages):
                yes, no = counts[row, k], counts[row, n.stages + k]
                room.passed[k] = yes - (yes + no) * _expit(_clip(room.logits[k], -LIMIT, LIMIT))
        for k in range(n.stages - 1, -1, -1):
            by_z, by_mean, by_log = _back(of_theta[k, row], room.run_scale[k, s], room.passed[k], False)
            slope[at.theta + k * n.rows + row] = by_z
            room.by_run_scale[k, s] += by_log
            room.by_cell[k, cell] += by_mean
            room.by_run[k, run] += by_mean
            for pair in range(pairs):
                if maps.later[pair] == k:
                    j, coupling = maps.earlier[pair], q[at.coupling + pair]
                    slope[at.coupling + pair] += by_mean * room.beside[j]
                    room.passed[j] += coupling * by_mean
                    room.by_cell[j, cell] -= coupling * by_mean
    return value


@jit
def _back_to_conditions(chain, n, has, at, maps, effects, room, slope):
    """From cells and runs to conditions and environments' shifts."""
    of_w, of_u, of_t, of_v = effects.w[chain], effects.u[chain], effects.t[chain], effects.v[chain]
    for k in range(n.stages):
        scale, by_scale = room.scale[k], room.by_scale[k]
        if has.v:
            for r in range(n.runs):
                by_z, by_mean, by_log = _back(of_v[k, r], scale[RUN], room.by_run[k, r], False)
                slope[at.v + k * n.runs + r] = by_z
                by_scale[RUN] += by_log
                if has.apart:
                    room.by_condition[k, maps.run_condition[r]] += by_mean - room.by_run[k, r]
                if has.t and maps.run_seed[r] >= 0:
                    room.by_seed[k, maps.run_seed[r]] += by_mean
        if has.t:
            for i in range(n.seeds):
                by_z, _, by_log = _back(of_t[k, i], scale[SEED], room.by_seed[k, i], False)
                slope[at.t + k * n.seeds + i] = by_z
                by_scale[SEED] += by_log
        for i in range(n.cells):
            c, by_mean = maps.cell_condition[i], room.by_cell[k, i]
            if has.apart:
                room.by_condition[k, c] += by_mean
            if has.u:
                by_z, by_mean, by_log = _back(of_u[k, i], scale[CELL], by_mean, False)
                slope[at.u + k * n.cells + i] = by_z
                by_scale[CELL] += by_log
            if not has.apart:
                room.by_condition[k, c] += by_mean
            room.by_shifted[k, maps.condition_env[c], maps.cell_shift[i]] += by_mean
        if has.w:
            for c in range(n.conditions):
                by_z, by_mean, by_log = _back(of_w[k, c], scale[CONDITION], room.by_condition[k, c], False)
                slope[at.w + k * n.conditions + c] = by_z
                by_scale[CONDITION] += by_log
                room.by_condition[k, c] = by_mean


@jit
def _back_to_environments(q, chain, n, has, at, maps, effects, room, slope):
    """From conditions to environments' levels and slopes, learners, and settings that are unknown."""
    of_l, of_b, of_d = effects.l[chain], effects.b[chain], effects.d[chain]
    for k in range(n.stages):
        scale, by_scale = room.scale[k], room.by_scale[k]
        for c in range(n.conditions):
            e, by = maps.condition_env[c], room.by_condition[k, c]
            room.by_env[k, e] += by
            room.by_learner[k, maps.condition_learner[c]] += by
            for j in range(n.settings):
                room.by_slope[k, e, j] += by * room.x[c, j]
        for i in range(maps.unknown.shape[0]):
            c, j = maps.unknown[i, 0], maps.unknown[i, 1]
            slopes = of_b[k, maps.condition_env[c] * n.settings + j, VALUE]
            slope[at.x + i] += room.by_condition[k, c] * slopes * maps.x_sd[j]
        for e in range(n.envs):
            by = room.by_env[k, e]
            if has.env:
                by_z, passed, by_log = _back(of_d[k, e], scale[ENV], by, True)
                slope[at.d + k * n.envs + e] = by_z
                by_scale[ENV] += by_log
                room.by_env[k, e] = passed
                for j in range(n.settings):
                    room.by_slope[k, e, j] += (passed - by) * maps.middle[e, j]
                room.by_learner[k, maps.usual[e]] += passed - by
        if has.l:
            for i in range(n.learners):
                by_z, _, by_log = _back(of_l[k, i], scale[LEARNER], room.by_learner[k, i], False)
                slope[at.l + k * n.learners + i] = by_z
                by_scale[LEARNER] += by_log
    for i in range(maps.unknown.shape[0]):
        slope[at.x + i] -= q[at.x + i]


@jit(forceinline=True)
def _back_to_shared(q, of, first, apart, shared, by_value, prior, has, scale, by_scale, which, slope):
    """An effect of every environment, at coordinates `apart` from the first, and what they share; `prior` is its slope."""
    summed = prior
    for e in range(by_value.shape[0]):
        if has.env:
            slope[first + e * apart], by_mean, by_log = _back(of[e], scale[which], by_value[e], False)
            by_scale[which] += by_log
            summed += by_mean
        else:
            slope[first + e * apart] = by_value[e] + prior
    if has.env:
        slope[shared] = summed
    else:
        by_z = -scale[which] * prior
        by_scale[which] += by_z * q[shared]
        slope[shared] = by_z - q[shared]


@jit
def _back_to_population(q, chain, n, has, at, maps, priors, effects, room, slope):
    """From environments to what they come from."""
    of_gc, of_b = effects.gc[chain], effects.b[chain]
    contrasts = n.shifts - 1
    for k in range(n.stages):
        scale, by_scale, total = room.scale[k], room.by_scale[k], 0.0
        for s in range(n.shifts):
            room.by_alpha[k, s] = -np.tanh(0.5 * room.alpha[k, s])
            total += room.by_alpha[k, s]
        if has.env:
            slope[at.level + k] = total
            for e in range(n.envs):
                slope[at.level + k] += room.by_env[k, e]
        else:
            z, own = q[at.level + k], room.by_env[k, 0] + total
            slope[at.d + k] = own
            by_z = -scale[ENV] * total
            by_scale[ENV] += by_z * z
            slope[at.level + k] = by_z - (T_ENV + 1.0) * z / (T_ENV + z * z)
            for j in range(n.settings):
                room.by_slope[k, 0, j] -= own * maps.middle[0, j]
        for j in range(contrasts):
            common = 0.0
            for s in range(n.shifts):
                common += room.by_alpha[k, s] * maps.H[s, j]
            for e in range(n.envs):
                by = 0.0
                for s in range(n.shifts):
                    by += room.by_shifted[k, e, s] * maps.H[s, j]
                room.by_contrast[e] = by
            _back_to_shared(q, of_gc[k, j::contrasts], at.gc + k * n.envs * contrasts + j, contrasts,
                            at.c + k * contrasts + j, room.by_contrast, common, has, scale, by_scale, ENV_SHIFT, slope)
        for j in range(n.settings):
            prior = -room.beta[k, j] / priors.beta**2
            _back_to_shared(q, of_b[k, j::n.settings], at.b + k * n.envs * n.settings + j, n.settings,
                            at.beta + k * n.settings + j, room.by_slope[k, :, j], prior, has, scale, by_scale, SLOPE, slope)


@jit(forceinline=True)
def _by_coordinate(x, by_log):
    """The slope by a scale's coordinate, from that by its logarithm; the coordinate's own density included."""
    x = _clip(x, -LIMIT, FAR)
    up = _expit(x)
    ratio = up / _softplus(x)
    return by_log * ratio + (1.0 - up) - ratio


@jit
def _back_to_scales(q, n, has, at, maps, priors, room, slope):
    """Scales, couplings and skills, with their priors."""
    for pair in range(maps.later.shape[0]):
        slope[at.coupling + pair] -= q[at.coupling + pair] / priors.coupling**2
    if has.two_arms:
        for row in range(n.rows):
            slope[at.skill + row] -= (q[at.skill + row] - priors.skill_mean) / priors.skill_sd**2
    for k in range(n.stages):
        for j in range(ABOUT):
            i = at.scales + k * ABOUT + j
            by_log = room.by_scale[k, j] + _half_t_slope(np.log(room.scale[k, j]), priors.scales[j])
            slope[i] = _by_coordinate(q[i], by_log)
        middle = 0.0
        for s in range(n.shifts):
            middle += np.log(room.run_scale[k, s]) / n.shifts
        prior = _half_t_slope(middle, priors.run_shift) / n.shifts
        for s in range(n.shifts):  # H H' takes the mean away
            i = at.run_shift + k * n.shifts + s
            by_ratio = (np.log(room.run_scale[k, s]) - middle) / priors.run_shift_ratio**2
            slope[i] = _by_coordinate(q[i], room.by_run_scale[k, s] + prior - by_ratio)


@jit(forceinline=True)
def _log_slope(x):
    x = _clip(x, -LIMIT, FAR)
    return np.log(_expit(x) / _softplus(x))


@jit
def _log_prior(q, n, has, at, maps, priors, room):
    """All that is not the density of an effect."""
    value, contrasts = 0.0, n.shifts - 1
    for k in range(n.stages):
        for s in range(n.shifts):
            value -= 2.0 * (_softplus(room.alpha[k, s]) - 0.5 * room.alpha[k, s])
        for j in range(ABOUT):
            value += _log_half_t(np.log(room.scale[k, j]), priors.scales[j]) + _log_slope(q[at.scales + k * ABOUT + j])
        middle = 0.0
        for s in range(n.shifts):
            middle += np.log(room.run_scale[k, s]) / n.shifts
            value += _log_slope(q[at.run_shift + k * n.shifts + s])
        value += _log_half_t(middle, priors.run_shift)
        for s in range(n.shifts):
            value -= 0.5 * ((np.log(room.run_scale[k, s]) - middle) / priors.run_shift_ratio) ** 2
        for j in range(n.settings):
            value -= 0.5 * (room.beta[k, j] / priors.beta) ** 2
        if not has.env:
            value -= (T_ENV + 1.0) / 2.0 * np.log1p(q[at.level + k] ** 2 / T_ENV)
            for j in range(contrasts):
                value -= 0.5 * q[at.c + k * contrasts + j] ** 2
            for j in range(n.settings):
                value -= 0.5 * q[at.beta + k * n.settings + j] ** 2
    for pair in range(maps.later.shape[0]):
        value -= 0.5 * (q[at.coupling + pair] / priors.coupling) ** 2
    for i in range(maps.unknown.shape[0]):
        value -= 0.5 * q[at.x + i] ** 2
    if has.two_arms:
        for row in range(n.rows):
            value -= 0.5 * ((q[at.skill + row] - priors.skill_mean) / priors.skill_sd) ** 2
    return value


@jit
def _cleared(room):
    for each in (room.by_scale, room.by_run_scale, room.by_env, room.by_condition, room.by_cell, room.by_run, room.by_seed,
                 room.by_learner):
        each[:] = 0.0
    for each in (room.by_shifted, room.by_slope):
        each[:] = 0.0


@jit
def _log_effects(chain, has, effects):
    """Log density of all effects of a chain; there are none of a kind that it lacks, but for one environment's own."""
    value = _density(effects.theta[chain], False)
    if has.env:
        value += _density(effects.d[chain], True) + _density(effects.gc[chain], False) + _density(effects.b[chain], False)
    for each in (effects.l, effects.w, effects.u, effects.t, effects.v):
        value += _density(each[chain], False)
    return value


@jit
def _log_densities(q, value, n, has, at, maps, priors, effects, counts, room):
    """Of all chains [chains, size], to `value` [chains]."""
    for i in range(q.shape[0]):
        z, chain, own = q[i], min(i, effects.theta.shape[0] - 1), counts[min(i, counts.shape[0] - 1)]
        _scales(z, n, at, maps, room)
        _environments(z, chain, n, has, at, maps, effects, room)
        _conditions(z, chain, n, has, at, maps, effects, room)
        value[i] = _rows(z, chain, True, n, has, at, maps, effects, own, room, z)
        value[i] += _log_prior(z, n, has, at, maps, priors, room) + _log_effects(chain, has, effects)


@jit
def _trajectories(position, momentum, slope, stride, steps, n, has, at, maps, priors, effects, counts, room):
    """`Density.leapfrog` of all chains, all in place."""
    for i in range(position.shape[0]):
        z, g, chain, own = position[i], slope[i], min(i, effects.theta.shape[0] - 1), counts[min(i, counts.shape[0] - 1)]
        for _ in range(steps[i]):
            for j in range(z.shape[0]):
                momentum[i, j] += 0.5 * stride[i, j] * g[j]
                z[j] += stride[i, j] * momentum[i, j]
            g[:] = 0.0
            _cleared(room)
            _scales(z, n, at, maps, room)
            _environments(z, chain, n, has, at, maps, effects, room)
            _conditions(z, chain, n, has, at, maps, effects, room)
            _rows(z, chain, False, n, has, at, maps, effects, own, room, g)
            _back_to_conditions(chain, n, has, at, maps, effects, room, g)
            _back_to_environments(z, chain, n, has, at, maps, effects, room, g)
            _back_to_population(z, chain, n, has, at, maps, priors, effects, room, g)
            _back_to_scales(z, n, has, at, maps, priors, room, g)
            for j in range(z.shape[0]):
                momentum[i, j] += 0.5 * stride[i, j] * g[j]
