"""The hierarchical beta-binomial: log density and its gradient, for several chains at once.

Stage k (capability, goal failure), run r trained under condition c, shift s:

    y ~ BetaBinomial(n, mu phi, (1 - mu) phi)
    logit mu = m[k] (alpha[k,s] + x[c] . beta[k] + w[k,c] + u[k,s,c]) + v[k,r]

    m = sqrt(1 + c^2 sigma^2) with c = 16 sqrt(3) / 15 pi makes alpha + x . beta + w + u the logit of the mean over
    runs, to about .01 and whatever sigma is (Zeger, Liang & Albert 1988, Biometrics 44): priors, literature and odds
    ratios speak about that mean, as they do without run effects.

    alpha ~ Logistic(0, 1), that is a mean uniform on (0, 1), or a robust mixture with a literature rate (`priors.py`)
    beta  ~ Normal(0, beta_sd)
    w     ~ Normal(0, omega[k]), omega ~ HalfNormal(omega_sd)   departures of conditions from the modifiers' lines, which
                                                                are their own least-squares fit: w is orthogonal to
                                                                1 and x over the measured conditions
    u     ~ Normal(0, tau[k,s]), tau ~ HalfNormal(tau_sd)       departures from additivity on the logit scale
    v     ~ Normal(0, sigma[k]), sigma ~ HalfNormal(sigma_sd)   one checkpoint under several shifts
    corr(v[0,r], v[1,r]) = rho,  p(rho) proportional to 1 - rho^2
    phi[k,s] ~ LogNormal(phi_log_mean, phi_log_sd)              runs differ, down to all or nothing

Without w, whatever all runs of a condition have in common under every shift and the lines miss would pass for the luck
of its runs, and the mean over runs would leave it out. Where the settings tell all conditions apart anyway, as they do
two, nothing is left for w, and there is none. That alpha and beta are those of the measured conditions, not of all that
could be, keeps the posterior round; `posterior.Posterior.line` adds what they differ by.

Each shift has a tau of its own: conditions may act alike under most shifts and each in its own way under one (supervision,
in our experiments), where one tau for all would let the many cells that agree pull the few that do not.

The beta integrates out exactly. w, u and v are t z, non-centred with t ~ Normal(0, sd) and scale |t|: the same
half-normal prior without the long tail that log |t| has near zero. The density does not change when t and its z
change sign together; `fold` picks the side t >= 0. Sampled coordinates are unconstrained:
alpha, beta, z_w, z_u, z_v, log phi, t_omega, t_tau, t_sigma, artanh rho.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.linalg import null_space
from scipy.special import digamma, expit, gammaln

from gmexp.statistics.config import CalibrationConfig
from gmexp.statistics.design import CAPABILITY, Design, GOAL
from gmexp.statistics.matrices import Matrix, compact, indicator, places
from gmexp.statistics.priors import literature_log_ratio, literature_pseudocounts

__all__ = ["Model", "Parameters", "marginal_factor", "orthogonal_to_lines", "with_intercept"]

ETA_LIMIT = 35.0  # beyond this the logistic function is 0 or 1 in double precision
LOG_PHI_LIMIT = 20.0
TINY = 1e-15
MARGINAL = (16 * np.sqrt(3) / (15 * np.pi)) ** 2  # c^2


def marginal_factor(sigma: np.ndarray) -> np.ndarray:
    """m: conditional logit = m x marginal logit + run effect."""
    return np.sqrt(1 + MARGINAL * sigma**2)


@dataclass(frozen=True)
class Parameters:
    """Constrained parameters. Leading axes are those of the vectors they were unpacked from, written [...]."""

    alpha: np.ndarray  # [..., 2, S]
    beta: np.ndarray  # [..., 2, K]
    w: np.ndarray  # [..., W] for the pairs of Model.condition_cells
    u: np.ndarray  # [..., U] for the cells of Model.cells
    v: np.ndarray  # [..., V] for the pairs of Model.run_slots
    phi: np.ndarray  # [..., 2, S]
    omega: np.ndarray  # [..., 2]
    tau: np.ndarray  # [..., 2, S]
    sigma: np.ndarray  # [..., 2]
    rho: np.ndarray  # [...]


@dataclass(frozen=True, slots=True)
class _Forward:
    """Intermediate values of the likelihood."""

    small: np.ndarray  # [3, chains, N]: mu phi, (1 - mu) phi, phi
    mu: np.ndarray  # [chains, N]
    nu: np.ndarray  # 1 - mu without cancellation
    marginal: np.ndarray  # logit of the mean over runs
    factor: np.ndarray | None  # m of the row's stage; None without run effects


class Model:
    """Log density of the unconstrained vector [chains, size] for one design."""

    def __init__(self, design: Design, config: CalibrationConfig) -> None:
        self.design, self.priors = design, config.priors
        self.S, self.K = len(design.shifts), len(design.covariates.names)
        cell = design.cell
        run_slot = np.stack([design.stage, design.run], axis=1)
        repeated = len(np.unique(run_slot, axis=0)) < len(run_slot)
        self.cells = _distinct(cell, _wanted(config.cell_effects, _several_conditions(cell)))  # [U, 3]
        self.condition_cells = _distinct(cell[:, [0, 2]], _wanted(config.condition_effects,
                                                                  _several_shifts(cell)))  # [W, 2]
        self.basis, basis_stage = orthogonal_to_lines(self.condition_cells, design.x)  # [Z, W]: w = t z @ basis
        if not len(self.basis):
            self.condition_cells = self.condition_cells[:0]
        self.tau_index = self.cells[:, 0] * self.S + self.cells[:, 1]  # [U] into tau
        self.departures = [(scale, z, index) for scale, z, index in (
            ("omega", "w", basis_stage), ("tau", "u", self.tau_index)) if len(index)]
        self.run_slots = _distinct(run_slot, _wanted(config.run_effects, repeated))  # [V, 2]
        self.pairs = self._stage_pairs()  # [P, 2] goal slot, capability slot of one run
        self.phi_width = 2 * self.S if config.phi_per_shift else 2
        self.slices = self._layout()
        self.size = self.slices["rho"].stop
        self.normal_mean, self.normal_sd = self._normal_priors()
        self.pseudo = literature_pseudocounts(design.shifts, config.a0 * config.priors.literature_n0).reshape(-1, 2)
        # fixed arrays of the likelihood
        self.fixed = self._fixed_map(cell)  # [2S + 2K + U, N]
        self.slot_to_row = places(run_slot, self.run_slots) if len(self.run_slots) else None  # [V, N]
        self.stage_to_row = indicator(design.stage, 2).T
        self.phi_index = design.stage * self.S + design.shift if config.phi_per_shift else design.stage
        self.row_to_phi = indicator(self.phi_index, self.phi_width)
        self.v_to_stage = indicator(self.run_slots[:, 0], 2)
        self.to_scale = [indicator(index, self.slices[scale].stop - self.slices[scale].start)
                         for scale, _, index in self.departures]
        self.added = np.stack([design.y, design.n - design.y, design.n]).astype(float)[:, None, :]  # [3, 1, N]

    def _stage_pairs(self) -> np.ndarray:
        slot_of = {(int(k), int(r)): i for i, (k, r) in enumerate(self.run_slots)}
        pairs = [(i, slot_of[CAPABILITY, r]) for (k, r), i in slot_of.items()
                 if k == GOAL and (CAPABILITY, r) in slot_of]
        return np.array(pairs, dtype=int).reshape(-1, 2)

    def _layout(self) -> dict[str, slice]:
        """Where each block of coordinates sits; 'normal' spans the blocks with a normal prior."""
        sizes = {"alpha": 2 * self.S, "beta": 2 * self.K, "w": len(self.basis), "u": len(self.cells),
                 "v": len(self.run_slots), "log_phi": self.phi_width, "omega": 2 if len(self.condition_cells) else 0,
                 "tau": 2 * self.S if len(self.cells) else 0, "sigma": 2 if len(self.run_slots) else 0,
                 "rho": 1 if len(self.pairs) else 0}
        ends = np.cumsum([0, *sizes.values()])
        blocks = {name: slice(int(a), int(b)) for name, a, b in zip(sizes, ends[:-1], ends[1:], strict=True)}
        return {"normal": slice(blocks["beta"].start, blocks["sigma"].stop), **blocks}

    def _normal_priors(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and sd of every coordinate with a normal prior."""
        p = self.priors
        prior = {"beta": (0, p.beta_sd), "w": (0, 1), "u": (0, 1), "v": (0, 1),
                 "log_phi": (p.phi_log_mean, p.phi_log_sd), "omega": (0, p.omega_sd), "tau": (0, p.tau_sd),
                 "sigma": (0, p.sigma_sd)}
        width = [self.slices[name].stop - self.slices[name].start for name in prior]
        mean, sd = np.array(list(prior.values()), dtype=float).T
        return np.repeat(mean, width), np.repeat(sd, width)

    def _fixed_map(self, cell: np.ndarray) -> Matrix:
        """Marginal logit of each row = (alpha, beta, w, u) @ map."""
        d, rows = self.design, np.arange(len(self.design.y))
        beta = np.zeros((2, self.K, len(rows)))
        beta[d.stage, :, rows] = d.x[d.condition]
        blocks = [indicator(d.stage * self.S + d.shift, 2 * self.S).T, beta.reshape(2 * self.K, len(rows))]
        if len(self.condition_cells):
            blocks.append(sparse.csr_array(self.basis) @ sparse.csr_array(places(cell[:, [0, 2]], self.condition_cells)))
        if len(self.cells):
            blocks.append(places(cell, self.cells))
        return compact(sparse.csr_array(sparse.vstack([sparse.csr_array(block) for block in blocks])))

    def log_density(self, q: np.ndarray) -> np.ndarray:
        """Log density [chains] at q [chains, size], up to a constant."""
        alpha = q[:, self.slices["alpha"]]
        logp = -2 * np.sum(np.logaddexp(0.5 * alpha, -0.5 * alpha), axis=1)
        if self.pseudo.any():
            logp += literature_log_ratio(alpha, self.pseudo)[0].sum(axis=1)
        logp -= 0.5 * np.sum(((q[:, self.slices["normal"]] - self.normal_mean) / self.normal_sd) ** 2, axis=1)
        if len(self.pairs):  # 1 - rho^2 from the prior, and the same again as Jacobian
            logp += 2 * np.log(np.maximum(1 - np.tanh(q[:, self.slices["rho"].start]) ** 2, TINY))
        small = self._forward(q, self._correlated(q)).small
        terms = gammaln(small + self.added) - gammaln(small)
        return logp + np.sum(terms[0] + terms[1] - terms[2], axis=1)

    def gradient(self, q: np.ndarray) -> np.ndarray:
        """Gradient [chains, size] of `log_density`."""
        s, grad, z_v = self.slices, np.empty_like(q), self._correlated(q)
        alpha = q[:, s["alpha"]]
        grad[:, s["alpha"]] = -np.tanh(0.5 * alpha)
        if self.pseudo.any():
            grad[:, s["alpha"]] += literature_log_ratio(alpha, self.pseudo)[1]
        grad[:, s["normal"]] = (self.normal_mean - q[:, s["normal"]]) / self.normal_sd**2
        if len(self.pairs):
            grad[:, s["rho"]] = -4 * np.tanh(q[:, s["rho"]])
        f = self._forward(q, z_v)
        mu, nu, phi = f.mu, f.nu, f.small[2]
        d_a, d_b, d_n = digamma(f.small + self.added) - digamma(f.small)
        grad[:, s["log_phi"]] += (phi * (mu * d_a + nu * d_b - d_n)) @ self.row_to_phi
        self._chain_rule(q, z_v, f, mu * nu * phi * (d_a - d_b), grad)
        return grad

    def fold(self, q: np.ndarray) -> np.ndarray:
        """Signs [chains, size] that bring q to scales t >= 0 without changing its density."""
        s, signs = self.slices, np.ones_like(q)
        for scale, z, index in (*self.departures, ("sigma", "v", self.run_slots[:, 0])):
            if len(index):
                signs[:, s[scale]] = np.where(q[:, s[scale]] < 0, -1.0, 1.0)
                signs[:, s[z]] = signs[:, s[scale]][:, index]
        if len(self.pairs):
            signs[:, s["rho"]] = signs[:, s["sigma"]].prod(axis=1, keepdims=True)
        return signs

    def _forward(self, q: np.ndarray, z_v: np.ndarray) -> _Forward:
        """From coordinates to the Beta parameters of every row."""
        s = self.slices
        fixed = np.concatenate([q[:, :s["beta"].stop], *(q[:, s[scale]][:, index] * q[:, s[z]]
                                                         for scale, z, index in self.departures)], axis=1)
        marginal, factor = fixed @ self.fixed, None
        eta = marginal
        if len(self.run_slots):
            t = q[:, s["sigma"]]
            factor = marginal_factor(t) @ self.stage_to_row
            eta = factor * marginal + (t[:, self.run_slots[:, 0]] * z_v) @ self.slot_to_row
        eta = np.minimum(np.maximum(eta, -ETA_LIMIT), ETA_LIMIT)
        mu, nu = expit(eta), expit(-eta)
        log_phi = np.minimum(np.maximum(q[:, s["log_phi"]], -LOG_PHI_LIMIT), LOG_PHI_LIMIT)
        small = np.empty((3, *eta.shape))
        small[2] = np.exp(log_phi)[:, self.phi_index]
        np.multiply(mu, small[2], out=small[0])
        np.multiply(nu, small[2], out=small[1])
        return _Forward(small, mu, nu, marginal, factor)

    def _chain_rule(self, q: np.ndarray, z_v: np.ndarray, f: _Forward, d_eta: np.ndarray, grad: np.ndarray) -> None:
        """Carry d/d eta [chains, N] over to the sampled coordinates, adding to grad in place."""
        s = self.slices
        d_fixed = (d_eta if f.factor is None else d_eta * f.factor) @ self.fixed.T
        grad[:, :s["beta"].stop] += d_fixed[:, :s["beta"].stop]
        end = s["beta"].stop
        for (scale, z, index), to_scale in zip(self.departures, self.to_scale, strict=True):
            start, end = end, end + len(index)
            grad[:, s[scale]] += (q[:, s[z]] * d_fixed[:, start:end]) @ to_scale
            grad[:, s[z]] += q[:, s[scale]][:, index] * d_fixed[:, start:end]
        if len(self.run_slots):
            t = q[:, s["sigma"]]
            d_v, z = d_eta @ self.slot_to_row.T, q[:, s["v"]]
            d_z = t[:, self.run_slots[:, 0]] * d_v  # for the correlated standard normals
            grad[:, s["sigma"]] += (z_v * d_v) @ self.v_to_stage
            grad[:, s["sigma"]] += MARGINAL * t / marginal_factor(t) * ((d_eta * f.marginal) @ self.stage_to_row.T)
            if len(self.pairs):
                # z_cap = rho z_goal + sqrt(1 - rho^2) e, and d rho / d artanh(rho) = 1 - rho^2
                first, second = self.pairs.T
                rho = np.tanh(q[:, s["rho"]])
                rest = np.sqrt(np.maximum(1 - rho**2, TINY))
                d_second = d_z[:, second]
                grad[:, s["rho"]] += np.sum(d_second * (rest**2 * z[:, first] - rho * rest * z[:, second]), axis=1,
                                            keepdims=True)
                d_z[:, first] += rho * d_second
                d_z[:, second] = rest * d_second
            grad[:, s["v"]] += d_z

    def _correlated(self, q: np.ndarray) -> np.ndarray:
        """Standard normal run effects [..., V], correlated between the stages of a run.

        Capability follows goal failure, which runs differ in more: so rho is free to move where the data say little of it.
        """
        z = q[..., self.slices["v"]]
        if not len(self.pairs):
            return z
        first, second = self.pairs.T
        rho = np.tanh(q[..., self.slices["rho"]])
        z = z.copy()
        z[..., second] = rho * z[..., first] + np.sqrt(np.maximum(1 - rho**2, TINY)) * z[..., second]
        return z

    def _w(self, q: np.ndarray, t_omega: np.ndarray) -> np.ndarray:
        """Departures of conditions [..., W]."""
        stage = self.departures[0][2] if len(self.basis) else np.zeros(0, int)
        return (t_omega[..., stage] * q[..., self.slices["w"]]) @ self.basis

    def unpack(self, q: np.ndarray) -> Parameters:
        """Constrained parameters from q [..., size]; absent effects have scale 0."""
        s, lead = self.slices, q.shape[:-1]
        zeros = np.zeros((*lead, 2))
        t_omega = q[..., s["omega"]] if len(self.condition_cells) else zeros
        t_tau = q[..., s["tau"]] if len(self.cells) else np.zeros((*lead, 2 * self.S))
        t_sigma = q[..., s["sigma"]] if len(self.run_slots) else zeros
        rho = np.zeros(lead)
        if len(self.pairs):
            rho = np.tanh(q[..., s["rho"]][..., 0]) * np.sign(t_sigma.prod(axis=-1))
        phi = np.exp(np.clip(q[..., s["log_phi"]], -LOG_PHI_LIMIT, LOG_PHI_LIMIT)).reshape(*lead, 2, -1)
        return Parameters(
            alpha=q[..., s["alpha"]].reshape(*lead, 2, self.S), beta=q[..., s["beta"]].reshape(*lead, 2, self.K),
            w=self._w(q, t_omega), u=t_tau[..., self.tau_index] * q[..., s["u"]],
            v=t_sigma[..., self.run_slots[:, 0]] * self._correlated(q),
            phi=np.broadcast_to(phi, (*lead, 2, self.S)), omega=np.abs(t_omega),
            tau=np.abs(t_tau).reshape(*lead, 2, self.S), sigma=np.abs(t_sigma), rho=rho)


def _wanted(setting: bool | None, automatic: bool) -> bool:
    return automatic if setting is None else setting


def _several_conditions(cell: np.ndarray) -> bool:
    """Whether any (stage, shift) was measured under more than one condition."""
    return len(np.unique(cell, axis=0)) > len(np.unique(cell[:, :2], axis=0))


def _several_shifts(cell: np.ndarray) -> bool:
    """Whether any (stage, condition) was measured under more than one shift."""
    return len(np.unique(cell, axis=0)) > len(np.unique(cell[:, [0, 2]], axis=0))


def orthogonal_to_lines(condition_cells: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(basis [Z, W], stage [Z]): orthonormal rows that span what lines in x [C, K] cannot fit of the (stage, condition)
    pairs [W, 2]."""
    rows, stages = [np.zeros((0, len(condition_cells)))], []
    for stage in np.unique(condition_cells[:, 0]):
        mine = np.flatnonzero(condition_cells[:, 0] == stage)
        left = null_space(with_intercept(x[condition_cells[mine, 1]]).T).T
        block = np.zeros((len(left), len(condition_cells)))
        block[:, mine] = left
        rows.append(block)
        stages += [stage] * len(left)
    return np.concatenate(rows), np.array(stages, int)


def with_intercept(x: np.ndarray) -> np.ndarray:
    """x [..., K] with a column of ones before it."""
    return np.concatenate([np.ones((*x.shape[:-1], 1)), x], axis=-1)


def _distinct(rows: np.ndarray, wanted: bool) -> np.ndarray:
    return np.unique(rows, axis=0) if wanted else rows[:0]
