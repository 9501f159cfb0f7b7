"""Synthetic experiments with known answers: environments, conditions and runs with known C, accidents, pursuit and skill."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats
from scipy.special import expit, ndtr

from gmexp.artefacts.records import OutcomeCounts
from gmexp.statistics.counts import SHIFT_NAMES
from gmexp.statistics.design import diversity_position
from gmexp.support.errors import UserError

__all__ = ["ENVIRONMENTS", "QUANTITIES", "RUNS", "World", "Truth", "simulate", "synthetic_counts"]

QUANTITIES = ("capability", "goal_failure", "latent", "realised")
RUNS = ("beta", "logistic_normal", "two_point")
ENVIRONMENTS = ("normal", "t3", "bimodal", "one_in_six_extreme")
MONTE_CARLO = 20_000  # runs behind a true mean


@dataclass(frozen=True)
class World:
    """What is simulated. Scales are in logits.

    runs           how a run's pursuit varies: U-shaped Beta(mu / phi), logit-normal, or all or nothing
    coupling       correlation of a run's pursuit with its capability under the same shift
    seed_sd        shared by the conditions' runs of one seed
    """

    envs: int = 1
    shifts: tuple[int, ...] = (1, 2, 3, 4)
    diversities: tuple[float, ...] = (0.0, 0.3)
    runs_per_cell: int = 6
    episodes: int = 200
    unequal: bool = False  # episodes vary sixfold between cells
    omega: float = 1.0
    env_shift: float = 0.3
    condition: float = 0.2
    cell: float = 0.2
    environments: str = "normal"
    runs: str = "beta"
    phi: float = 1.0  # of the Beta
    run_sd: float = 0.8  # of capability and of a logit-normal pursuit, half its variance kept across shifts
    coupling: float = 0.0
    seed_sd: float = 0.0
    share_varies: float = 0.5  # the proxy share's effects as a part of the other stages'
    capability: float = 1.0  # logit at the reference
    pursuit: float = -0.5
    proxy_share: float = 1.0
    skill: float = 0.85
    diversity_effect: float = -1.5  # of diversity 0.3 against 0, on goal failure
    masked: bool = True
    further: int = 1  # environments that nobody measures

    def __post_init__(self) -> None:
        for name, known in (("runs", RUNS), ("environments", ENVIRONMENTS)):
            if getattr(self, name) not in known:
                raise UserError(f"{name} must be one of {', '.join(known)}, not {getattr(self, name)!r}")


@dataclass(frozen=True)
class Truth:
    """Means over runs by (environment, shift type, diversity), and of every further environment by (shift, diversity)."""

    setups: dict[tuple[str, int, float], dict[str, float]]
    new: dict[tuple[int, float], list[dict[str, float]]]


def simulate(world: World, rng: np.random.Generator) -> tuple[tuple[OutcomeCounts, ...], Truth]:
    """Counts of a world's environments and what they were simulated from."""
    rows: list[OutcomeCounts] = []
    setups, new = {}, defaultdict(list)
    much = np.array([1.0, 1.0, world.share_varies])  # of capability, pursuit and proxy share
    for e in range(world.envs + world.further):
        level = np.array([_level(world, rng) for _ in range(3)])
        shift = world.env_shift * rng.standard_normal((3, 5))
        seeds = world.seed_sd * rng.standard_normal((3, world.runs_per_cell))
        for d in world.diversities:
            condition = world.condition * rng.standard_normal(3)
            kept = rng.standard_normal((3, world.runs_per_cell))
            for s in world.shifts:
                effects = level + shift[:, s] + condition + world.cell * rng.standard_normal(3)
                mean = (np.array([world.capability - 0.3 * s, world.pursuit - 0.2 * s, world.proxy_share]) + much * effects
                        + np.array([0, world.diversity_effect * diversity_position(d), 0]))
                population = _runs(world, mean, world.seed_sd * rng.standard_normal((3, MONTE_CARLO)),
                                   rng.standard_normal((3, MONTE_CARLO)), rng)
                truth = _means(population, _revealed(s, d))
                if e >= world.envs:
                    new[s, d].append(truth)
                    continue
                setups[f"env{e}", s, d] = truth
                for r, run in enumerate(zip(*_runs(world, mean, seeds, kept, rng), strict=True)):
                    n = int(rng.integers(world.episodes // 3, 2 * world.episodes)) if world.unequal else world.episodes
                    rows.append(_row(world, f"env{e}", r, s, d, n, run, rng))
    return tuple(rows), Truth(setups, dict(new))


def _level(world: World, rng: np.random.Generator) -> float:
    z = {"normal": rng.standard_normal(), "t3": rng.standard_t(3) / np.sqrt(3), "bimodal": rng.choice([-1.0, 1.0]),
         "one_in_six_extreme": 0.4 * rng.standard_normal() + 2.2 * (rng.random() < 1 / 6)}[world.environments]
    return world.omega * float(z)


def _runs(world: World, mean: np.ndarray, seeds: np.ndarray, kept: np.ndarray,
          rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Capability, pursuit and proxy share [runs] of runs around logits mean [3]."""
    own = (kept + rng.standard_normal(kept.shape)) / np.sqrt(2)
    z_q = world.coupling * own[0] + np.sqrt(1 - world.coupling**2) * own[1]
    capability = expit(mean[0] + world.run_sd * own[0] + seeds[0])
    share = expit(mean[2] + world.share_varies * (world.run_sd * own[2] + seeds[2]))
    mu = expit(mean[1] + seeds[1])
    if world.runs == "logistic_normal":
        pursuit = expit(mean[1] + seeds[1] + world.run_sd * z_q)
    elif world.runs == "two_point":
        pursuit = np.where(ndtr(z_q) < mu, 0.97, 0.03)
    else:
        pursuit = np.clip(stats.beta.ppf(ndtr(z_q), mu * world.phi, (1 - mu) * world.phi), 1e-9, 1 - 1e-9)
    return capability, pursuit, share


def _revealed(shift: int, diversity: float) -> float:
    return (diversity, diversity, 0.5, 1.0, 1.0)[shift]


def _means(runs: tuple[np.ndarray, np.ndarray, np.ndarray], revealed: float) -> dict[str, float]:
    c, q, b = runs
    return {"capability": float(c.mean()), "goal_failure": float(1 - q.mean()), "latent": float(np.mean(c * (1 - q))),
            "realised": float(revealed * np.mean(c * b * (1 - q)))}


def _row(world: World, env: str, run: int, shift: int, diversity: float, episodes: int,
         rates: tuple[float, float, float], rng: np.random.Generator) -> OutcomeCounts:
    c, q, b = rates
    h, e = c * (1 - b), c * b
    told = int(rng.binomial(episodes, _revealed(shift, diversity)))
    visible = rng.multinomial(told, _simplex((1 - q) * h + q * world.skill, (1 - q) * e))
    ambiguous = int(rng.binomial(episodes - told, c))
    masked = rng.multinomial(told, _simplex(h, e)).tolist() if world.masked else (None, None, None)
    rest = episodes - int(visible[:2].sum()) - ambiguous
    return OutcomeCounts(
        experiment_id="synthetic", run_id=f"d{diversity:g}-r{run}", train_seed=run, eval_seed=0, env=env, learner="ppo",
        algo="ppo", shift_type=shift, shift_name=SHIFT_NAMES[shift], grade=float(shift > 0), spec_quality=1.0,
        train_diversity=diversity, align_method="standard", demonstrator=None, train_steps=1_000_000, width=64,
        n_visible=episodes, n_intended=int(visible[0]), n_proxy=int(visible[1]), n_timeout=rest // 2,
        n_death=rest - rest // 2, n_ambiguous=ambiguous, n_distinguishing=told,
        n_masked=told if world.masked else None, masked_intended=masked[0], masked_proxy=masked[1], n_harmful=None,
        horizon=1000, id_capability=0.9, config_hash="", git_sha=None, created_utc="")


def _simplex(*p: float) -> tuple[float, ...]:
    return (*p, max(0.0, 1.0 - sum(p)))


def synthetic_counts(diversities: Sequence[float] = (0.0, 0.3), runs: int = 4, shifts: Sequence[int] = range(5),
                     episodes: int = 200, seed: int = 0, masked: bool = True, envs: int = 1,
                     **fields: object) -> tuple[OutcomeCounts, ...]:
    """Counts in the shape of a real study; `fields` override any column."""
    world = World(envs=envs, shifts=tuple(shifts), diversities=tuple(diversities), runs_per_cell=runs, episodes=episodes,
                  runs="logistic_normal", masked=masked)
    return tuple(replace(row, **fields) for row in simulate(world, np.random.default_rng(seed))[0])
