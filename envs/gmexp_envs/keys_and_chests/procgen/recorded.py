"""The native engine against data recorded from the fork's own many_chests and many_keys (procgenAISC), which no wheel has.

A file holds, per variant and mode, the state right after the reset of 200 levels, and 20 instances played for 300 steps:
actions, level seeds, rewards, endings, the agent's place after every step, and some frames. In a file whose name ends in
"penalties" keys and steps cost something.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from gmexp_envs.compiled.mersenne_twister import draw
from gmexp_envs.keys_and_chests import layout as L
from gmexp_envs.keys_and_chests.distribution import LevelDistribution
from gmexp_envs.keys_and_chests.engine import KeysAndChests
from gmexp_envs.keys_and_chests.procgen.compare import allocate, read_world, Seen
from gmexp_envs.procgen_family.binary import exact_pixels
from gmexp_envs.procgen_family.tally import Tally

VARIANTS = {"many_chests": {}, "many_keys": {"rho": 0.0, "placement": "many_keys"}}
PENALTIES = {"key_penalty": 3, "step_penalty": 7}
SEED = 4242  # rand_seed of the recorded runs
Spoil = Callable[[KeysAndChests], None]


def compare_recorded(tally: Tally, path: Path, spoil: Spoil | None = None, **changes: object) -> None:
    """Compare every variant of the file in every mode.

    Negative controls may `spoil` the native engine after the reset, or change its level distribution.
    """
    with np.load(path) as file:
        data = {name: file[name] for name in file.files}
    penalties = PENALTIES if path.stem.endswith("penalties") else {}
    for label, mode in dict.fromkeys(tuple(name.split(".")[:2]) for name in data if "." in name):
        if mode not in L.MODES:  # procgen's memory mode
            continue
        distribution = LevelDistribution(**{"mode": mode, **VARIANTS[label], **penalties, **changes})
        where = f"{label}.{mode}."
        if where + "level.grid" in data:
            of = {name.split(".")[-1]: array for name, array in data.items() if name.startswith(where + "level.")}
            _compare_levels(tally, distribution, data["seeds"], of, where + "level", spoil)
        if where + "run.action" in data:
            of = {name.split(".")[-1]: array for name, array in data.items() if name.startswith(where + "run.")}
            _compare_run(tally, distribution, of, where + "run", spoil)


def _compare_levels(tally: Tally, distribution: LevelDistribution, seeds: np.ndarray, of: Mapping[str, np.ndarray],
                    where: str, spoil: Spoil | None) -> None:
    env = KeysAndChests(len(seeds), [dataclasses.replace(distribution, levels=tuple(map(int, seeds)), sequential=True)], 0,
                        drawable=exact_pixels())
    env.reset()
    if spoil is not None:
        spoil(env)
    seen, facts, cells = read_world(env.world), env.world.facts, L.MODES[distribution.mode]
    expected = _recorded_objects(of, len(seeds))
    ours = {"grid": seen.grid[:, :cells, :cells], "agent_xy": seen.place, "background": seen.background,
            "bg_pct_x": seen.background_shift, "num_keys": facts[:, L.NUM_KEYS],
            "next_draws": np.stack([_next_outputs(env, e) for e in range(len(seeds))])}
    for name, array in ours.items():
        tally.equal(f"recorded {name}", array, of[name], where)
    tally.equal("recorded objects", seen.objects, expected.objects, where)
    tally.equal("recorded kinds", seen.kinds, expected.kinds, where)
    tally.compared["recorded levels"] += len(seeds)
    if exact_pixels() and "frame" in of:
        tally.equal("recorded frames", env.frames(np.arange(len(of["frame"]))), of["frame"], where)
        tally.compared["recorded frames"] += len(of["frame"])


def _recorded_objects(of: Mapping[str, np.ndarray], count: int) -> Seen:
    """Keys and chests of the recorded levels, as `read_world` has them; the other fields mean nothing."""
    seen = allocate(count)
    for e, (first, last) in enumerate(zip(of["entity_first"][:-1], of["entity_first"][1:], strict=True)):
        rows = np.arange(first, last)[np.isin(of["entity_type"][first:last], (L.CHEST, L.KEY))]
        for k, name in enumerate(("x", "y", "rx", "ry")):
            seen.objects[e, :len(rows), k] = of[f"entity_{name}"][rows]
        for k, name in enumerate(("type", "image_theme")):
            seen.kinds[e, :len(rows), k] = of[f"entity_{name}"][rows]
    return seen


def _next_outputs(env: KeysAndChests, e: int) -> np.ndarray:
    """The next three outputs of a level's generator."""
    words, drawn = env.world.twister[e].copy(), int(env.world.clock[e, L.DRAWN])
    return np.array([draw(words, (drawn + k) % L.WORDS)[0] for k in range(3)])


def _compare_run(tally: Tally, distribution: LevelDistribution, of: Mapping[str, np.ndarray], where: str,
                 spoil: Spoil | None) -> None:
    """Play the recorded actions on the streams of levels that the fork's rand_seed gives."""
    actions = of["action"].astype(np.int32)
    env = KeysAndChests(actions.shape[1], [distribution], SEED, drawable=exact_pixels())
    env.reset()
    if spoil is not None:
        spoil(env)
    clock = env.world.clock
    for t in range(len(actions) + 1):
        if t > 0:
            step = env.step(actions[t - 1])
            for name, ours, theirs in (("rewards", step.reward, "reward"),
                                       ("endings", step.terminated | step.truncated, "first"),
                                       ("completions", step.terminated, "complete")):
                tally.equal(f"recorded {name}", ours, of[theirs][t - 1], f"{where} step {t}")
            tally.compared["recorded steps"] += len(actions[t - 1])
        seen = read_world(env.world)
        for name, ours in (("level_seed", seen.seed), ("x", seen.place[:, 0]), ("y", seen.place[:, 1]),
                           ("vx", seen.velocity[:, 0]), ("vy", seen.velocity[:, 1]), ("rotation", seen.rotation),
                           ("keys_left", clock[:, L.KEYS_LEFT]), ("chests_left", clock[:, L.CHESTS_LEFT])):
            tally.equal(f"recorded {name}", ours, of[name][t], f"{where} step {t}")
        now = np.flatnonzero(of["frame_step_slot"][:, 0] == t)
        if exact_pixels() and len(now):
            slots = of["frame_step_slot"][now, 1].astype(np.int64)
            tally.equal("recorded frames", env.frames(slots), of["frame"][now], f"{where} step {t}")
            tally.compared["recorded frames"] += len(now)
