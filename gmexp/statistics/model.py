"""The hierarchical model as a log density with its gradient, vectorised over chains.

Of run r in environment e, trained under condition c, at shift level s, with its stages k:

    masked[r,s]  ~ Multinomial(n; h, e, 1 - h - e)          h = C (1 - b), e = C b     C capability, b proxy share
    visible[r,s] ~ Multinomial(n; (1-q) h + q a, (1-q) e, rest)    q pursuit, a skill: P(intended | pursued)
    logit (C, b, q)[k,r,s] = M[k,c,s] + v[k,r] + coupling + Normal(0, run_shift[k,s])
    M[k,c,s] = alpha[k,s] + g[k,e,s] + d[k,e] + l[k,learner] + (beta[k] + b[k,e]) x_c + w[k,c] + u[k,c,s]
    v[k,r]   ~ Normal(t[k,e,seed], run);  coupling = sum over earlier stages j of gamma[k,j] (their logit - M[j,c,s])

d is Student's t with 4 degrees of freedom; g sums to zero over shifts, which are a fixed set; the others are normal. A
run's pursuit is logit-normal rather than Beta: as U-shaped where runs are all or nothing, and the coupling of stages
within a run and shift is then a plain regression. Where there is no masked arm, C is the share of episodes that reached a
goal, q = 1 - P(proxy first | a goal reached), and b and a are absent.

Geometry. An effect's z is its standardised deviation u where its sd is small beside 1 / pull, what data alone leave open of
its value, and the value in units of that where sd is large: with a = pull sd, t = sqrt(1 + a^2),
    value = mean + sd u,    z = t u + pull (a / t) (mean - centre)
Were the data normal around `centre`, the posterior of z would have one mean and unit variance at every sd and mean: no
funnel where a scale comes near zero, as both fixed choices and those in between (Gorinova et al. 2020) have. With one
environment, what its own level says of the population's is sampled as a deviation from the former. An environment's level is
sampled at the middle of its conditions and with the effect of its usual learner, and with several environments a run's with
its condition's, a cell's without: what data tell. A standard deviation is bend log(1 + e^x): its logarithm below, where it
may vanish, itself above, where data bound it, from a tenth of a logit on, later where few effects do. One that no data
inform is sampled as its logarithm throughout. Every shift's run_shift has a coordinate of its own, and not its ratio to the
others', since data may bound one and leave the others open.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from gmexp.statistics.config import CalibrationConfig
from gmexp.statistics.design import TWO_ARMS, Design
from gmexp.statistics.hmc import Density
from gmexp.statistics.matrices import Matrix, indicator

__all__ = ["BEND", "SCALES", "Model", "Pulls", "contrasts", "coordinate", "counted"]

Pulls = dict[str, np.ndarray]  # of every effect: pull and centre [1 or chains, 2, K, 1 or size]
SCALES = ("env", "env_shift", "slope", "learner", "condition", "cell", "seed", "run")
ENV, ENV_SHIFT, SLOPE, LEARNER, CONDITION, CELL, SEED, RUN = range(len(SCALES))
LIMIT = 30.0  # of log scales and logits
BEND, NO_BEND = 0.1, 1e3  # logits: where a scale's coordinate turns from its logarithm to itself,
BENT = 3.0  # for scales of fewer than 30 effects at this over their number
START = 0.3  # logits: where scales begin
T_ENV = 4  # degrees of freedom of environments' levels


def contrasts(shifts: int) -> np.ndarray:
    """[S, S - 1]: orthonormal columns that sum to zero."""
    return np.linalg.qr(np.concatenate([np.ones((shifts, 1)), np.eye(shifts)[:, :-1]], axis=1))[0][:, 1:]


@dataclass
class _Node:
    """An effect [n, K, size] with its mean and log sd, broadcastable; `pull` and `centre` [1 or n, K, 1 or size] as in the
    module's text. Its deviation is normal or, if `heavy`, Student's t."""

    mean: np.ndarray
    log_sd: np.ndarray
    pull: np.ndarray
    centre: np.ndarray
    z: np.ndarray
    heavy: bool = False

    def __post_init__(self) -> None:
        # without gaps: where a strided array is followed by its result in memory, numpy falls back to another exp, whose
        # last bits differ
        self.sd = np.exp(np.ascontiguousarray(self.log_sd))
        a = self.pull * self.sd
        self.stretch = np.sqrt(1 + a * a)
        self.lean = a / self.stretch
        self.follows = self.pull * self.lean  # how far z goes with the mean
        self.off = self.mean - self.centre
        self.u = (self.z - self.follows * self.off) / self.stretch  # standardised deviation
        self.value = self.mean + self.sd * self.u

    def log_density(self) -> np.ndarray:
        """[n], of z."""
        square = (T_ENV + 1) / 2 * np.log1p(self.u**2 / T_ENV) if self.heavy else 0.5 * self.u**2
        return -np.sum(square + np.log(np.ascontiguousarray(self.stretch)), axis=(1, 2))

    def back(self, d_value: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Slopes by z, mean and log sd, of the node's density plus what `d_value` passes on."""
        by_u = self.sd * d_value
        du = by_u - ((T_ENV + 1) * self.u / (T_ENV + self.u**2) if self.heavy else self.u)
        dz, square = du / self.stretch, self.lean * self.lean
        by_log = self.u * by_u - dz * (self.follows * (1 - square) * self.off) - square * (self.u * du + 1)
        return dz, d_value - self.follows * dz, by_log

    def coordinate(self, pull: np.ndarray, centre: np.ndarray) -> np.ndarray:
        """z of the same effects with another pull and centre."""
        a = pull * self.sd
        stretch = np.sqrt(1 + a * a)
        return stretch * self.u + pull * a / stretch * (self.mean - centre)


class Model(Density):
    """Log density and gradient at q [chains, size]; `slices` says where each block of coordinates sits."""

    def __init__(self, design: Design, config: CalibrationConfig) -> None:
        d = self.design = design
        self.priors = config.priors
        self.K, self.S, self.E, self.C = len(d.stages), len(d.shifts), len(d.envs), len(d.conditions)
        self.N, self.R, self.X = len(d.run), len(d.run_condition), d.x.shape[1]
        self.two_arms = d.estimand == TWO_ARMS
        self.H = contrasts(self.S)
        self.cells = np.unique(np.stack([d.condition, d.shift], axis=1), axis=0)  # [cells, 2]
        place = {tuple(cell): i for i, cell in enumerate(self.cells.tolist())}
        self.cell = np.array([place[cell] for cell in zip(d.condition.tolist(), d.shift.tolist(), strict=True)])
        self.pairs = [(k, j) for k in range(self.K) for j in range(k)]
        self._arms()
        several = np.bincount(d.run, minlength=self.R).max() > 1
        self.has = {
            "env": self.E > 1,
            "l": len(d.learners) > 1,
            "t": bool((d.run_seed >= 0).any()) and several,
            "v": bool(several),
            "w": self.C - self.E - (np.linalg.matrix_rank(np.nan_to_num(d.x) - np.nanmean(d.x, axis=0)) if self.X else 0)
            > 0,
            "u": len(self.cells) > len(np.unique(np.stack([d.condition_env[self.cells[:, 0]], self.cells[:, 1]]), axis=1).T)
            and len(self.cells) > self.C,
        }
        self.apart = self.has["env"] and self.has["v"]  # conditions are sampled with their runs, apart from their cells
        self._maps()
        informed = [self.has["env"]] * 3 + [self.has[name] for name in ("l", "w", "u", "t", "v")]
        many = np.array([self.E, self.E * (self.S - 1), self.E * self.X, len(d.learners), self.C, len(self.cells),
                         self.seeds, self.R])
        self.bend = np.where(informed, np.clip(BENT / np.maximum(many, 1), BEND, 1.0), NO_BEND)  # of every scale
        self._layout()
        self.pulls = self._first_pulls()

    def _arms(self) -> None:
        d = self.design
        if self.two_arms:
            self.masked, self.visible = d.masked.T.astype(float), d.visible.T.astype(float)
        else:
            self.success = np.stack([d.reached[:, 0], d.visible[:, 0]]).astype(float)
            self.failure = np.stack([d.reached[:, 1], d.visible[:, 1]]).astype(float)

    def _maps(self) -> None:
        d = self.design
        self.unknown = np.argwhere(np.isnan(d.x))
        self.x = np.where(np.isnan(d.x), np.nanmean(d.x, axis=0) if self.X else 0, d.x)
        self.x_sd = np.nanstd(d.x, axis=0) if self.X else np.zeros(0)
        self.cell_env = d.condition_env[self.cells[:, 0]]
        self.to_cell, self.to_run = indicator(self.cell, len(self.cells)), indicator(d.run, self.R)
        self.to_shift = indicator(d.shift, self.S)
        self.cell_to_env_shift = indicator(self.cell_env * self.S + self.cells[:, 1], self.E * self.S)
        self.cell_to_condition = indicator(self.cells[:, 0], self.C)
        self.condition_to_env = indicator(d.condition_env, self.E)
        self.condition_to_learner = indicator(d.condition_learner, len(d.learners))
        self.run_to_condition = indicator(d.run_condition, self.C)
        runs = np.zeros((self.E, len(d.learners)))
        np.add.at(runs, (d.condition_env[d.run_condition], d.condition_learner[d.run_condition]), 1)
        self.middle = np.zeros((self.E, self.X))  # of the settings of an environment's runs
        np.add.at(self.middle, d.condition_env[d.run_condition], self.x[d.run_condition])
        self.middle /= runs.sum(axis=1)[:, None]
        self.usual = runs.argmax(axis=1) * self.has["l"]  # [E] the learner of most of an environment's runs
        self.env_to_learner = indicator(self.usual, len(d.learners))
        self.seeds = int(d.run_seed.max()) + 1
        self.run_to_seed = indicator(np.maximum(d.run_seed, 0), max(self.seeds, 1))

    def _layout(self) -> None:
        K, S, E, has = self.K, self.S, self.E, self.has
        shapes = {"scales": (K, len(SCALES)), "run_shift": (K, S), "coupling": (len(self.pairs),), "level": (K, 1),
                  "c": (K, S - 1), "beta": (K, self.X), "d": (K, E), "gc": (K, E * (S - 1)), "b": (K, E * self.X),
                  "l": (K, len(self.design.learners) * has["l"]), "w": (K, self.C * has["w"]),
                  "u": (K, len(self.cells) * has["u"]), "t": (K, self.seeds * has["t"]), "v": (K, self.R * has["v"]),
                  "theta": (K, self.N), "skill": (self.N * self.two_arms,), "x": (len(self.unknown),)}
        ends = np.cumsum([0, *(int(np.prod(shape)) for shape in shapes.values())])
        self.shapes = shapes
        self.slices = {name: slice(int(a), int(b)) for name, a, b in zip(shapes, ends[:-1], ends[1:], strict=True)}
        self.size = int(ends[-1])

    def _first_pulls(self) -> Pulls:
        """Before anything is sampled: centres by the shares that were counted, pulls by how much those tell, each sd being
        START."""
        d = self.design
        rows, told = counted(d)
        cell = _means(rows, self.to_cell)
        condition = _means(cell, self.cell_to_condition)
        run = _means(rows - cell[:, self.cell], self.to_run)
        at = (condition[:, self.cells[:, 0]], condition[:, d.run_condition]) if self.apart else (0.0, 0.0)
        of_cell, of_run = _told(told, self.to_cell), _told(told, self.to_run)
        of_condition = _told(of_cell, self.cell_to_condition)
        of_shift = _told(of_cell, self.cell_to_env_shift).reshape(self.K, self.E, self.S).mean(axis=2, keepdims=True)
        of_slope = self._by_slopes(of_condition[None], self.x[None] ** 2)[0]
        found = {"d": (_told(of_condition, self.condition_to_env), _means(condition, self.condition_to_env)),
                 "gc": (of_shift.repeat(self.S - 1, axis=2).reshape(self.K, -1), 0.0),
                 "b": (of_slope.reshape(self.K, -1), 0.0),
                 "l": (_told(of_condition, self.condition_to_learner), 0.0),
                 "w": (of_condition, condition), "u": (of_cell, cell - at[0]),
                 "t": (_told(of_run, self.run_to_seed), 0.0), "v": (of_run, run + at[1]), "theta": (told, rows)}
        return {name: np.stack([np.sqrt(much), np.broadcast_to(centre, much.shape)])[None, :, :, :self.shapes[name][1]]
                for name, (much, centre) in found.items()}

    def log_density(self, q: np.ndarray) -> np.ndarray:
        """Log density [chains] at q [chains, size], up to a constant."""
        return self._evaluate(q, False)[0]

    def gradient(self, q: np.ndarray) -> np.ndarray:
        """Gradient [chains, size] of `log_density`."""
        return self._evaluate(q, True)[1]

    def start(self, rng: np.random.Generator, chains: int) -> np.ndarray:
        """Where chains begin: scales below their priors', levels near zero."""
        q = 0.3 * rng.standard_normal((chains, self.size))
        q[:, self.slices["scales"]] += np.tile(coordinate(START, self.bend), self.K)
        q[:, self.slices["run_shift"]] += coordinate(START, BEND)
        return q

    def _nodes(self, q: np.ndarray) -> dict[str, np.ndarray | _Node]:
        """From coordinates to every effect, parents first."""
        n, K, S, E, d = len(q), self.K, self.S, self.E, self.design
        z = {name: q[:, part].reshape(n, *self.shapes[name]) for name, part in self.slices.items()}
        logs, run_logs = _log_scale(z["scales"], self.bend), _log_scale(z["run_shift"], BEND)
        f: dict[str, np.ndarray | _Node] = {"z": z, "logs": logs, "scale": np.exp(logs), "run_logs": run_logs}

        def node(name: str, mean: np.ndarray | float, which: int) -> _Node:
            f[name] = _Node(np.broadcast_to(mean, z[name].shape), logs[:, :, which, None],
                            *self.pulls[name].transpose(1, 0, 2, 3), z[name], name == "d")
            return f[name]

        scale = f["scale"]
        learner = node("l", 0.0, LEARNER).value if self.has["l"] else None
        own = np.zeros((1, 1, E))  # of the learner that an environment's level is sampled with
        if self.has["env"]:
            if learner is not None:
                own = learner[:, :, self.usual]
            f["A"], f["c"], f["beta"] = z["level"], z["c"], z["beta"]
            gc = node("gc", np.tile(z["c"], (1, 1, E)), ENV_SHIFT).value
            slope = node("b", np.tile(z["beta"], (1, 1, E)), SLOPE).value
            there = self._at_middle(slope)
            level = node("d", z["level"] + own + there, ENV).value - there
        else:  # the environment's own level, and the population's as a deviation from it
            gc, slope = z["gc"], z["b"]
            level = z["d"] - self._at_middle(slope)
            f["A"] = level - scale[:, :, ENV, None] * z["level"]
            f["c"] = gc - scale[:, :, ENV_SHIFT, None] * z["c"]
            f["beta"] = slope - scale[:, :, SLOPE, None] * z["beta"]
        f["alpha"] = f["A"] + f["c"] @ self.H.T
        f["gc_value"], f["slope"] = gc.reshape(n, K, E, S - 1), slope.reshape(n, K, E, self.X)
        f["env"] = (level - own)[..., None] + f["gc_value"] @ self.H.T  # [n, K, E, S]
        x = np.broadcast_to(self.x, (n, *self.x.shape)).copy()
        x[:, self.unknown[:, 0], self.unknown[:, 1]] += self.x_sd[self.unknown[:, 1]] * z["x"]
        f["x"] = x
        w = level[:, :, d.condition_env] + np.einsum("nkcj,ncj->nkc", f["slope"][:, :, d.condition_env], x)
        if learner is not None:
            w = w + learner[:, :, d.condition_learner] - own[:, :, d.condition_env]
        if self.has["w"]:
            w = node("w", w, CONDITION).value
        shifted = (f["gc_value"] @ self.H.T).reshape(n, K, E * S)
        m, at = shifted[:, :, self.cell_env * S + self.cells[:, 1]], w[:, :, self.cells[:, 0]]
        if not self.apart:
            m = m + at
        if self.has["u"]:
            m = node("u", m, CELL).value
        f["M"] = m + at if self.apart else m
        mean = f["M"][:, :, self.cell]
        if self.has["v"]:
            t = 0.0
            if self.has["t"]:
                t = node("t", 0.0, SEED).value[:, :, np.maximum(d.run_seed, 0)] * (d.run_seed >= 0)
            if self.apart:
                at = w[:, :, d.run_condition]
                mean = mean + (node("v", t + at, RUN).value - at)[:, :, d.run]
            else:
                mean = mean + node("v", t, RUN).value[:, :, d.run]
        self._rows(f, mean)
        return f

    def _at_middle(self, slope: np.ndarray) -> np.ndarray:
        """What slopes [n, K, E * X] make of a level at the middle of an environment's conditions."""
        return (slope.reshape(*slope.shape[:2], self.E, self.X) * self.middle).sum(axis=3)

    def _rows(self, f: dict, mean: np.ndarray) -> None:
        """Logits of every run at every level, each stage after those before it."""
        d, z = self.design, f["z"]
        log_sd = f["run_logs"][:, :, d.shift]
        f["theta"], f["deviation"] = [], []
        for k in range(self.K):
            m = mean[:, k]
            for pair, (later, j) in enumerate(self.pairs):
                if later == k:
                    m = m + z["coupling"][:, pair, None] * f["deviation"][j]
            part = _Node(m[:, None], log_sd[:, k, None], *self.pulls["theta"][:, :, k:k + 1].transpose(1, 0, 2, 3),
                         z["theta"][:, k, None])
            f["theta"].append(part)
            f["deviation"].append(part.value[:, 0] - f["M"][:, k][:, self.cell])

    def _evaluate(self, q: np.ndarray, slope: bool) -> tuple[np.ndarray | None, np.ndarray | None]:
        f = self._nodes(q)
        value, d_theta, d_skill = self._likelihood([part.value[:, 0] for part in f["theta"]], f["z"]["skill"], slope)
        if not slope:
            nodes = [f[name] for name in ("d", "gc", "b", "l", "w", "u", "t", "v") if name in f] + f["theta"]
            return value + self._prior(f) + sum(part.log_density() for part in nodes), None
        return None, self._backward(f, d_theta, d_skill)

    def _likelihood(self, theta: list[np.ndarray], skill: np.ndarray,
                    slope: bool) -> tuple[np.ndarray, list[np.ndarray], np.ndarray]:
        """Log likelihood [n], or its slopes by the logits."""
        theta = [np.clip(t, -LIMIT, LIMIT) for t in theta]
        if not self.two_arms:
            if slope:
                return (
                    None,
                    [y - (y + m) * expit(t) for t, y, m in zip(theta, self.success, self.failure, strict=True)],
                    skill,
                )
            return sum(-(y * np.logaddexp(0, -t) + m * np.logaddexp(0, t)).sum(axis=1)
                       for t, y, m in zip(theta, self.success, self.failure, strict=True)), None, None
        (c, c0), (b, b0), (p, p0), (a, a0) = (_yes_no(t) for t in (*theta, np.clip(skill, -LIMIT, LIMIT)))
        h = c * b0
        intended, rest = p0 * h + p * a, p0 * c0 + p * a0
        (mi, mp, m0), (vi, vp, v0) = self.masked, self.visible
        if not slope:
            log_c, log_c0, log_b, log_b0, log_p0 = (np.log(np.maximum(v, 1e-300)) for v in (c, c0, b, b0, p0))
            return (
                (
                    (mi + mp + vp) * log_c
                    + mi * log_b0
                    + (mp + vp) * log_b
                    + m0 * log_c0
                    + vp * log_p0
                    + vi * np.log(np.maximum(intended, 1e-300))
                    + v0 * np.log(np.maximum(rest, 1e-300))
                ).sum(axis=1),
                None,
                None,
            )
        ri, r0 = vi / np.maximum(intended, 1e-300), v0 / np.maximum(rest, 1e-300)
        d_c = (mi + mp + vp) * c0 - m0 * c + p0 * c * c0 * (ri * b0 - r0)
        d_b = (mp + vp) * b0 - mi * b - ri * p0 * h * b
        d_p = p * p0 * (ri * (a - h) + r0 * (a0 - c0)) - vp * p
        return None, [d_c, d_b, d_p], p * a * a0 * (ri - r0)

    def _prior(self, f: dict) -> np.ndarray:
        """[n] all that is not the density of a node."""
        z, p = f["z"], self.priors
        value = -2 * np.logaddexp(0.5 * f["alpha"], -0.5 * f["alpha"]).sum(axis=(1, 2))
        value += _log_half_t(f["logs"], np.array(p.scales)).sum(axis=(1, 2))
        value += _log_half_t(f["run_logs"].mean(axis=2), p.run_shift).sum(axis=1)
        value += sum(np.log(_scale_slope(z[name])).sum(axis=(1, 2)) for name in ("scales", "run_shift"))
        value -= 0.5 * ((f["run_logs"] @ self.H / p.run_shift_ratio) ** 2).sum(axis=(1, 2))
        value -= 0.5 * ((z["coupling"] / p.coupling) ** 2).sum(axis=1)
        value -= 0.5 * ((f["beta"] / p.beta) ** 2).sum(axis=(1, 2)) + 0.5 * (z["x"] ** 2).sum(axis=1)
        value -= 0.5 * (((z["skill"] - p.skill_mean) / p.skill_sd) ** 2).sum(axis=1)
        if self.has["env"]:
            return value
        value -= (T_ENV + 1) / 2 * np.log1p(z["level"] ** 2 / T_ENV).sum(axis=(1, 2))
        return value - 0.5 * (z["c"] ** 2).sum(axis=(1, 2)) - 0.5 * (z["beta"] ** 2).sum(axis=(1, 2))

    def _backward(self, f: dict, d_theta: list[np.ndarray], d_skill: np.ndarray) -> np.ndarray:
        """Carry slopes by the logits back to the coordinates, children first."""
        n, K, d, z, p = len(d_skill), self.K, self.design, f["z"], self.priors
        g = {name: np.zeros((n, *shape)) for name, shape in self.shapes.items()}
        mean, d_cell, by_log = np.empty((n, K, self.N)), np.zeros((n, K, self.N)), np.empty((n, K, self.S))
        passed = [slope.copy() for slope in d_theta]
        for k in reversed(range(K)):
            dz, dm, ds = f["theta"][k].back(passed[k][:, None])
            g["theta"][:, k], mean[:, k] = dz[:, 0], dm[:, 0]
            by_log[:, k] = ds[:, 0] @ self.to_shift
            for pair, (later, j) in enumerate(self.pairs):
                if later == k:
                    g["coupling"][:, pair] += (dm[:, 0] * f["deviation"][j]).sum(axis=1)
                    passed[j] += z["coupling"][:, pair, None] * dm[:, 0]
                    d_cell[:, j] -= z["coupling"][:, pair, None] * dm[:, 0]
        if self.has["v"]:
            dv = _fold(mean, self.to_run)
            dt = self._pull(f, g, "v", RUN, dv)
            if self.has["t"]:
                self._pull(f, g, "t", SEED, _fold(dt * (d.run_seed >= 0), self.run_to_seed))
        d_m = dm = _fold(mean + d_cell, self.to_cell)
        if self.has["u"]:
            dm = self._pull(f, g, "u", CELL, dm)
        d_env = _fold(dm, self.cell_to_env_shift).reshape(n, K, self.E, self.S)
        if self.apart:
            dw = _fold(d_m, self.cell_to_condition) + _fold(dt - dv, self.run_to_condition)
        else:
            dw = _fold(dm, self.cell_to_condition)
        if self.has["w"]:
            dw = self._pull(f, g, "w", CONDITION, dw)
        d_slope = self._by_slopes(dw, f["x"])
        dx = np.einsum("nkc,nkcj->ncj", dw, f["slope"][:, :, d.condition_env])[:, self.unknown[:, 0], self.unknown[:, 1]]
        g["x"] = dx * self.x_sd[self.unknown[:, 1]] - z["x"]
        g["skill"] = d_skill - (z["skill"] - p.skill_mean) / p.skill_sd**2
        d_d = _fold(dw, self.condition_to_env)
        passed_on = self._pull(f, g, "d", ENV, d_d) if self.has["env"] else d_d
        d_slope += (passed_on - d_d)[..., None] * self.middle
        if self.has["l"]:
            d_own = _fold(passed_on - d_d, self.env_to_learner)
            self._pull(f, g, "l", LEARNER, _fold(dw, self.condition_to_learner) + d_own)
        self._population(f, g, passed_on, d_env, d_slope)
        g["coupling"] -= z["coupling"] / p.coupling**2
        centre = f["run_logs"].mean(axis=2, keepdims=True)
        ratios = f["run_logs"] @ self.H / p.run_shift_ratio**2
        g["run_shift"] = by_log + _half_t_slope(centre, p.run_shift) / self.S - ratios @ self.H.T
        g["scales"] += _half_t_slope(f["logs"], np.array(p.scales))
        for name in ("scales", "run_shift"):  # so far by the log scale
            slope = _scale_slope(z[name])
            g[name] = g[name] * slope + expit(-z[name]) - slope
        return np.concatenate([g[name].reshape(n, -1) for name in self.slices], axis=1)

    def _by_slopes(self, of_condition: np.ndarray, x: np.ndarray) -> np.ndarray:
        """[n, K, E, X]: sums over an environment's conditions of values [n, K, C] times settings [n or 1, C, X]."""
        if not self.X:
            return np.zeros((*of_condition.shape[:2], self.E, 0))
        return np.stack([_fold(of_condition * x[:, None, :, j], self.condition_to_env) for j in range(self.X)], axis=3)

    def _pull(self, f: dict, g: dict, name: str, which: int, d_value: np.ndarray) -> np.ndarray:
        """Take a node's slopes into g; returns that by its mean."""
        g[name], d_mean, d_log = f[name].back(d_value)
        g["scales"][:, :, which] += d_log.sum(axis=2)
        return d_mean

    def _population(self, f: dict, g: dict, d_d: np.ndarray, d_env: np.ndarray, d_slope: np.ndarray) -> None:
        """The same for environments and what they come from. `d_d` is by the means of their levels; of one, by its level."""
        n, K, z, scale = len(d_env), self.K, f["z"], f["scale"]
        d_alpha, d_beta = -np.tanh(0.5 * f["alpha"]), -f["beta"] / self.priors.beta**2
        d_level, d_c = d_alpha.sum(axis=2, keepdims=True), d_alpha @ self.H
        d_gc, d_b = (d_env @ self.H).reshape(n, K, -1), d_slope.reshape(n, K, -1)
        if self.has["env"]:
            g["level"] = d_level + d_d.sum(axis=2, keepdims=True)
            g["c"] = d_c + self._pull(f, g, "gc", ENV_SHIFT, d_gc).reshape(n, K, self.E, -1).sum(axis=2)
            g["beta"] = d_beta + self._pull(f, g, "b", SLOPE, d_b).reshape(n, K, self.E, -1).sum(axis=2)
            return
        g["d"] = d_d + d_level
        d_b -= (g["d"][..., None] * self.middle).reshape(n, K, -1)
        g["gc"], g["b"] = d_gc + d_c, d_b + d_beta
        for name, which, slope in (("level", ENV, d_level), ("c", ENV_SHIFT, d_c), ("beta", SLOPE, d_beta)):
            g[name] = -scale[:, :, which, None] * slope
            g["scales"][:, :, which] += (g[name] * z[name]).sum(axis=2)
        g["level"] -= (T_ENV + 1) * z["level"] / (T_ENV + z["level"] ** 2)
        g["c"] -= z["c"]
        g["beta"] -= z["beta"]

    def tuned(self, draws: np.ndarray) -> Pulls:
        """Pull and centre of every effect from pilot draws [draws, size].

        Of several environments data may say much of one, of its conditions or cells, and hardly anything of another, so each
        has pulls of its own; of one environment, runs' logits have one for each shift.
        """
        f, d = self._nodes(draws), self.design
        pulls = dict(self.pulls)
        groups = {"theta": d.shift}
        if self.apart:
            groups = {"d": np.arange(self.E), "w": d.condition_env, "u": self.cell_env, "v": d.run_condition,
                      "theta": self.cell}

        def found(name: str, part: _Node) -> np.ndarray:
            group = groups.get(name, np.zeros(part.z.shape[2], int))
            pull = _pull_of(part, indicator(group, int(group.max()) + 1), self.apart)[:, group]
            return np.stack([pull, part.value.mean(axis=0)])[None]

        for name in self.pulls:
            parts = f.get(name)
            if name == "theta":
                pulls[name] = np.concatenate([found(name, part) for part in parts], axis=2)
            elif isinstance(parts, _Node) and parts.z.shape[2]:
                pulls[name] = found(name, parts)
        return pulls

    def recoded(self, q: np.ndarray, pulls: Pulls) -> np.ndarray:
        """The same effects in the coordinates of other pulls."""
        f, q = self._nodes(q), q.copy()
        for name, each in pulls.items():
            parts = f.get(name)
            if name == "theta":
                z = np.stack([part.coordinate(*each[0, :, k])[:, 0] for k, part in enumerate(parts)], axis=1)
            elif isinstance(parts, _Node):
                z = parts.coordinate(*each[0])
            else:
                continue
            q[:, self.slices[name]] = z.reshape(len(q), -1)
        return q

    def unpack(self, q: np.ndarray) -> dict[str, np.ndarray]:
        """What a `Posterior` keeps of q [draws, size]."""
        f, n = self._nodes(q), len(q)
        learner = f["l"].value if self.has["l"] else np.zeros((n, self.K, len(self.design.learners)))
        return {"alpha": f["alpha"], "beta": f["beta"], "scales": f["scale"], "run_shift": np.exp(f["run_logs"]),
                "coupling": f["z"]["coupling"], "env": f["env"], "slope": f["slope"], "learner": learner, "cell": f["M"]}


def counted(design: Design) -> tuple[np.ndarray, np.ndarray]:
    """[K, N] logits of the stages' shares in every row, with half an episode more of either kind, and the information of
    each."""
    def share(yes: np.ndarray, no: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        yes, no = yes + 0.5, no + 0.5
        return np.log(yes / no), yes * no / (yes + no)

    if design.estimand != TWO_ARMS:
        return share(*(np.stack([design.reached[:, i], design.visible[:, i]]).astype(float) for i in range(2)))
    (mi, mp, m0), (vi, vp, v0) = design.masked.T.astype(float), design.visible.T.astype(float)
    log_kept = np.log((vp + 0.5) / (vi + vp + v0 + 1)) - np.log((mp + 0.5) / (mi + mp + m0 + 1))
    p = 1 - np.exp(np.clip(log_kept, np.log(0.05), np.log(0.95)))
    pursuit = np.log(p / (1 - p)), p**2 / (1 / (vp + 0.5) + 1 / (mp + 0.5))
    return tuple(np.stack(each) for each in zip(share(mi + mp, m0), share(mp, mi), pursuit, strict=True))


def _fold(values: np.ndarray, to: Matrix) -> np.ndarray:
    """Sums of values [n, K, rows] by the columns of a zero-one matrix [rows, columns]."""
    n, K, rows = values.shape
    return np.asarray(values.reshape(n * K, rows) @ to).reshape(n, K, -1)


def _means(values: np.ndarray, to: Matrix) -> np.ndarray:
    """Means of values [K, rows] by the columns of a zero-one matrix [rows, columns]; 0 of none."""
    return _fold(values[None], to)[0] / np.maximum(np.asarray(to.sum(axis=0)), 1)


def _told(much: np.ndarray, to: Matrix) -> np.ndarray:
    """Information of a mean's parts, each START away from it."""
    return _fold(1 / (1 / np.maximum(much, 1e-9) + START**2)[None], to)[0]


def _pull_of(part: _Node, groups: Matrix, several: bool) -> np.ndarray:
    """[K, groups] for groups [size, groups] of effects, from the share of their variance that the data leave.

    What is left is that of the deviation; with `several` environments at most the value's own, too, since the deviation
    carries the mean's. But it is never less than how far values follow their means: where data have no end on one side, as
    where something never happened, values and means go there together."""
    value, mean = (x - x.mean(axis=0) for x in (part.value, np.broadcast_to(part.mean, part.value.shape)))
    own = (value - mean).var(axis=0)
    if several:
        own = np.minimum(own, value.var(axis=0))
    prior = np.broadcast_to((part.sd**2).mean(axis=0), own.shape)
    own, prior, along, mean = (np.asarray(x @ groups) for x in (own, prior, (value * mean).mean(axis=0), mean.var(axis=0)))
    left = np.clip(np.maximum(own / prior, along / np.maximum(mean, 1e-12)), 1e-3, 0.99)
    return np.sqrt((1 - left) / left * np.asarray(groups.sum(axis=0)) / prior)


def _yes_no(logits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rates of these logits and one minus them, by one exponential."""
    least = np.exp(-np.abs(logits))
    most = 1 / (1 + least)
    least *= most
    above = logits > 0
    return np.where(above, most, least), np.where(above, least, most)


def _log_scale(x: np.ndarray, bend: np.ndarray | float) -> np.ndarray:
    """Log of the scale at its coordinate."""
    x = np.clip(x, -LIMIT, 1e6)
    return np.log(bend) + np.log(np.logaddexp(0, x))


def coordinate(scale: np.ndarray | float, bend: np.ndarray | float) -> np.ndarray:
    """Where a scale lies in the sampler's coordinates."""
    ratio = scale / bend
    return np.where(ratio > 30, ratio, np.log(np.expm1(np.minimum(ratio, 30))))


def _scale_slope(x: np.ndarray) -> np.ndarray:
    """Its derivative."""
    x = np.clip(x, -LIMIT, 1e6)
    return expit(x) / np.logaddexp(0, x)


def _log_half_t(log_scale: np.ndarray, width: np.ndarray | float) -> np.ndarray:
    """Log density of the log of a half-Student variable with three degrees of freedom."""
    return log_scale - 2 * np.log1p(np.exp(2 * np.minimum(log_scale, LIMIT)) / (3 * np.square(width)))


def _half_t_slope(log_scale: np.ndarray, width: np.ndarray | float) -> np.ndarray:
    square = np.exp(2 * np.minimum(log_scale, LIMIT)) / (3 * np.square(width))
    return 1 - 4 * square / (1 + square)
