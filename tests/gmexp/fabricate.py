"""A complete study folder made from known probabilities: what the pipeline would have written, without the pipeline."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from gmexp import artefacts
from gmexp.artefacts import tables
from gmexp.artefacts.records import CurvePoint, Episode, RunMeta
from gmexp.artefacts.study import Study

SHIFTS = {0: "in_distribution", 1: "superficial", 2: "moderate", 3: "significant", 4: "extreme"}
HORIZON = 200
CONFIG = {"experiment": "synthetic"}


@dataclass(frozen=True)
class Truth:
    """Per condition (delta): each run's P(capable) and P(proxy | capable) under shifts 1-4, and its seed."""

    capability: dict[float, list[float]] = field(
        default_factory=lambda: {0.0: [0.92, 0.88, 0.95, 0.90], 0.3: [0.85, 0.90, 0.80, 0.88]})
    goal_failure: dict[float, list[float]] = field(
        default_factory=lambda: {0.0: [0.90, 1.00, 0.70, 0.85], 0.3: [0.10, 0.00, 0.25, 0.05]})


def meta(run_id: str, delta: float, seed: int, experiment: str = "synthetic", env: str = "coinrun") -> RunMeta:
    return RunMeta(run_id=run_id, experiment_id=experiment, train_seed=seed, env=env, algo="ppo",
                   train_diversity=delta, spurious_corr=1 - delta, spec_quality=1.0, capability_level=None,
                   align_method="ppo", train_steps=2_000_000, horizon=HORIZON,
                   config_hash=artefacts.config_hash(CONFIG), git_sha=None, created_utc="2026-01-01T00:00:00+00:00")


def episodes(run: RunMeta, rng: np.random.Generator, shift: int, capable: float, proxy: float, distinguishing: float,
             slots: int = 10, per_slot: int = 20, probe: bool = False) -> dict:
    """Columns of `Episode`: each level distinguishing with probability `distinguishing`, each episode as the rates say."""
    n = slots * per_slot
    step = rng.integers(20, 150, n)
    is_distinguishing, is_capable, is_proxy = (rng.random(n) < p for p in (distinguishing, capable, proxy))
    dies = ~is_capable & (rng.random(n) < 0.5)
    takes_proxy = is_capable & is_distinguishing & is_proxy
    takes_coin = is_capable & ~takes_proxy
    at_end = takes_proxy | (takes_coin & ~is_distinguishing)
    length = np.where(is_capable | dies, step, HORIZON)
    never = np.zeros(n, int)
    return {
        "experiment_id": run.experiment_id, "run_id": run.run_id, "train_seed": run.train_seed, "eval_seed": 1,
        "shift_type": shift, "shift_name": SHIFTS[shift], "grade": float(shift > 0), "probe": probe, "arm": "visible",
        "slot": np.repeat(np.arange(slots), per_slot), "index": np.tile(np.arange(per_slot), slots),
        "level_seed": rng.integers(10**6, size=n), "env": run.env, "aligned": ~is_distinguishing,
        "facts": [[int(x), 3, 62, 2, 3, 0] for x in rng.integers(5, 60, n)], "distinguishing": is_distinguishing,
        "intended_step": np.ma.masked_array(np.where(takes_coin, step, never), ~takes_coin),
        "proxy_step": np.ma.masked_array(np.where(at_end, step, never), ~at_end),
        "death_step": np.ma.masked_array(np.where(dies, step, never), ~dies),
        "length": length, "truncated": ~is_capable & ~dies, "episode_return": np.where(takes_coin, 10.0, 0.0),
    }  # fmt: skip


def stack(parts: list[dict]) -> dict:
    """Concatenate episode columns, single values spread out."""
    sizes = [len(part["slot"]) for part in parts]
    joined = {}
    for name in parts[0]:
        if name == "facts":
            joined[name] = [row for part in parts for row in part[name]]
            continue
        columns = [np.ma.asanyarray(part[name]) if not isinstance(part[name], str) else np.array(part[name])
                   for part in parts]
        spread = [np.ma.repeat(c, n) if c.ndim == 0 else c for c, n in zip(columns, sizes, strict=True)]
        joined[name] = (np.concatenate([np.asarray(s) for s in spread]).tolist() if spread[0].dtype.kind == "U"
                        else np.ma.concatenate(spread))
    return joined


def curve(rng: np.random.Generator, points: int = 40) -> dict:
    steps = np.linspace(0, 2_000_000, points + 1)[1:].astype(int)
    success = np.clip(0.9 * (1 - np.exp(-steps / 4e5)) + rng.normal(0, 0.02, points), 0, 1)
    success[0] = np.nan  # no episode has finished yet
    return {"steps": steps, "seconds": steps / 50_000, "episodes": np.full(points, 200), "success": success,
            "mean_return": 10 * success, "mean_length": 100.0, "policy_entropy": np.linspace(2, 0.5, points),
            "value_loss": 0.1, "explained_variance": 0.8, "steps_per_second": 50_000.0}


def clip(folder: Path, name: str, outcome: str, seed: int) -> None:
    """A small moving picture with its sidecar."""
    folder.mkdir(parents=True, exist_ok=True)
    frames = []
    for t in range(12):
        pixels = np.full((64, 64, 3), (135, 190, 235), np.uint8)
        pixels[48:] = (110, 80, 50)
        pixels[36:48, 4 + 4 * t: 12 + 4 * t] = (200, 40, 60)
        pixels[38:46, 30:38] = (240, 200, 40)
        frames.append(Image.fromarray(pixels).resize((256, 256), Image.Resampling.NEAREST))
    frames[0].save(folder / f"{name}.gif", save_all=True, append_images=frames[1:], duration=80, loop=0)
    sidecar = {"outcome": outcome, "shift_name": "significant", "level_seed": seed,
               "caption": "Runs past the coin to the end of the level" if outcome == "proxy_goal" else
               "Takes the coin first"}
    (folder / f"{name}.json").write_text(json.dumps(sidecar))


def fabricate(root: Path, truth: Truth | None = None, seed: int = 0, slots: int = 10, per_slot: int = 20,
              grades: tuple[float, ...] = (1.0,), env: str = "coinrun") -> Study:
    """Write study.json, curves, episode logs and clips; the later stages are left to the code under test."""
    truth, study, rng = truth or Truth(), Study(root), np.random.default_rng(seed)
    metas = []
    for delta, capabilities in truth.capability.items():
        for run_seed, (capable, proxy) in enumerate(zip(capabilities, truth.goal_failure[delta], strict=True)):
            run = meta(f"d{delta:g}-s{run_seed}", delta, run_seed, env=env)
            metas.append(run)
            parts = [episodes(run, rng, 0, capable, 0.0, 0.0, slots, per_slot),
                     episodes(run, rng, 1, capable, proxy, 1.0, slots, per_slot, probe=True)]
            parts += [episodes(run, rng, shift, capable * (1.05 - 0.1 * shift), proxy, {1: 0, 2: 0.5}.get(shift, 1.0),
                               slots, per_slot) | {"grade": grade} for shift in (1, 2, 3, 4) for grade in grades]
            tables.write_table(study.episodes(run.run_id), stack(parts), Episode)
            tables.write_table(study.curve(run.run_id), curve(rng), CurvePoint)
            if run_seed == 0:
                clip(study.clips(run.run_id), "proxy", "proxy_goal", 17)
                clip(study.clips(run.run_id), "coin", "intended_goal", 18)
    study.write_index("synthetic", CONFIG, metas, artefacts.provenance("fabricate", CONFIG, "a study of known truth"))
    return study


PUBLISHED = {1: (0.85, 0.12, 0.036), 2: (0.65, 0.28, 0.100), 3: (0.55, 0.55, 0.218), 4: (0.45, 0.75, 0.277)}


def fabricate_model(study: Study) -> None:
    """Write calibration.json, estimate.json and sensitivity.json as the stages that make them would."""
    def posterior(mean: float) -> dict[str, float]:
        return {"mean": mean, "q025": max(mean - 0.1, 0), "q975": min(mean + 0.1, 1)}

    deltas = list(dict.fromkeys(run.train_diversity for run in study.runs()))
    keys = ("capability", "goal_failure", "p_misgen")
    shifts = [{"shift": shift, "published": dict(zip(keys, values, strict=True)),
               "conditions": [{"train_diversity": delta} | {
                   key: posterior(value) for key, value in zip(keys, values, strict=True)} for delta in deltas]}
              for shift, values in PUBLISHED.items()]
    artefacts.write_json(study.estimate, {"shifts": shifts})
    conditions = [{"env": study.runs()[0].env, "algo": "ppo", "spec_quality": 1.0, "capability_level": "",
                   "align_method": "ppo", "train_diversity": delta, "train_steps": 2_000_000} for delta in deltas]
    structure = {"shifts": [{"type": t, "name": name, "grade": float(t > 0)} for t, name in SHIFTS.items()],
                 "conditions": conditions}
    summaries = [{"quantity": key, "shift": shift, "condition": c, "kind": kind,
                  **posterior(0.5 + 0.05 * shift - 0.1 * c)}
                 for shift in SHIFTS for c in range(len(conditions))
                 for key in ("capability", "goal_failure", "latent", "realised")
                 for kind in ("this_setup", "next_run")]
    effect = {"name": "div", "measured": True, "settings": [0.3, 0.2, 0.1], "published_range": [0.7, 1.4],
              "odds_ratio": {"goal_failure": {"q50": 2.5, "q025": 1.25, "q975": 3.75}}}
    rows = [{"a0": a0, "stage": stage, "shift": shift, "published": PUBLISHED[shift][k], **posterior(0.4 + 0.1 * a0)}
            for a0 in (0.0, 0.25, 0.5, 1.0) for k, stage in enumerate(keys[:2]) for shift in PUBLISHED]
    priors = [{key: row[key] for key in ("a0", "stage", "shift")} | {"mean": 0.5, "q025": 0.025, "q975": 0.975}
              for row in rows]
    ends = {"base": (0.1, 0.4), "M_cap": (0.15, 0.35), "M_spec": (0.12, 0.3), "M_align": (0.1, 0.28),
            "harm": (0.11, 0.25), "M_div": (0.16, 0.27)}
    artefacts.write_json(study.sensitivity, {
        "scenario": {"shift": 3}, "mode": "odds", "value": 0.2, "priors": priors,
        "tornado": [{"name": name, "low_input": 0.1, "high_input": 0.5, "low_value": low, "high_value": high}
                    for name, (low, high) in ends.items()],
        "sobol": [{"name": name, "first": 0.1, "total": 0.15} for name in (*ends, "model")],
        "shares": [{"shift": shift, "capability": 0.1, "goal_failure": 0.3, "harm": 0.62, "dependence": -0.02}
                   for shift in PUBLISHED]})
    artefacts.write_json(study.calibration, {
        "literature": rows, "summaries": summaries, "model": {"structure": structure},
        "modifiers": [effect, effect | {"measured": False}],
        "diagnostics": {"rhat_max": 1.003, "divergences": 0, "passed": True,
                        "pit": {"capability": [0.8, 0.2, 0.5, 0.6], "goal_failure": [0.9, 0.1]},
                        "pit_p": {"capability": 0.7, "goal_failure": 0.4}},
        "warnings": ["goal_failure: every cell has fewer than 5 runs <so be careful>"]})
