"""The native Maze against data recorded from the fork's own variants (procgenAISC), which no wheel has.

The file holds, per variant and mode, the state right after the reset of 200 levels, and 20 instances played for 300 steps:
actions, level seeds, rewards, endings, the agent's place after every step, and some frames.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from gmexp_envs.maze import layout as L
from gmexp_envs.maze.distribution import MazeDistribution
from gmexp_envs.maze.engine import Maze
from gmexp_envs.procgen_family.binary import exact_pixels
from gmexp_envs.procgen_family.state import twister_after
from gmexp_envs.procgen_family.tally import Tally

ODD_PIXELS = 3  # of a frame with a line, at its smoothed edge: the fork's sprite is in no wheel, and ours a description
VARIANTS = {
    "maze": {"rho": 0.0},
    "maze_aisc_r0": {},
    **{f"maze_aisc_r{r}": {"rho": 0.0, "placement": "region", "region": r} for r in (1, 3, 5, 10)},
    "maze_yellowline": {"game": "line_and_gem"},
    "maze_redline_yellowgem": {"game": "line_and_gem", "rho": 0.0},
    "maze_yellowstar_redgem": {"game": "star_and_gem", "rho": 0.0},
    "maze_fixed_size": {"rho": 0.0, "sizes": (25, 25)},
}


def compare_recorded(tally: Tally, path: Path) -> None:
    """Compare every variant of the file in every mode."""
    with np.load(path) as file:
        data = {name: file[name] for name in file.files}
    for label, mode in dict.fromkeys(tuple(name.split(".")[:2]) for name in data if "." in name):
        distribution = MazeDistribution(**{"mode": mode, "placement": "uniform", **VARIANTS[label]})
        _compare_levels(tally, distribution, data, f"{label}.{mode}.level.")
        if f"{label}.{mode}.run.action" in data:
            _compare_run(tally, distribution, data, f"{label}.{mode}.run.")


def _compare_frames(tally: Tally, ours: np.ndarray, theirs: np.ndarray, distribution: MazeDistribution, where: str) -> None:
    if exact_pixels():
        odd = (ours != theirs).any(axis=-1).sum(axis=(1, 2))
        tally.differ("recorded frames", (odd > (ODD_PIXELS if distribution.game == "line_and_gem" else 0)).sum(), where)
        tally.compared["recorded frames"] += len(ours)


def _compare_levels(tally: Tally, distribution: MazeDistribution, data: Mapping[str, np.ndarray], where: str) -> None:
    seeds = data["seeds"]
    env = Maze(len(seeds), [dataclasses.replace(distribution, levels=tuple(map(int, seeds)), sequential=True)], 0, "pixels")
    frames = env.reset()
    clock, facts, side = env.world.clock, env.world.facts, L.SIZES[distribution.mode]
    following = [_next_outputs(int(seed), int(drawn)) for seed, drawn in zip(seeds, facts[:, L.DRAWN], strict=True)]
    ours = {
        "grid": env.world.grid[:, :side, :side], "agent_xy": clock[:, [L.X, L.Y]] + 0.5,
        "goal_xy": facts[:, [L.GOAL_X, L.GOAL_Y]], "maze_dim": facts[:, L.SIZE], "background": facts[:, L.BACKGROUND],
        "bg_pct_x": env.world.gains[:, L.BACKGROUND_SHIFT], "next_draws": np.array(following)}
    second = facts[:, L.SECOND_IMAGE, None] >= 0
    ours["second_xy"] = np.where(second, facts[:, [L.PROXY_X, L.PROXY_Y]], -1)
    for name, array in ours.items():
        tally.equal(f"recorded {name}", array, data[where + name], where)
    tally.compared["recorded levels"] += len(seeds)
    if where + "frame" in data:
        recorded = data[where + "frame"]
        _compare_frames(tally, frames[:len(recorded)], recorded, distribution, where)


def _next_outputs(seed: int, taken: int) -> np.ndarray:
    """The next three outputs of a level's generator."""
    generator = np.random.MT19937()
    words, position = twister_after(seed, taken)
    generator.state = {"bit_generator": "MT19937", "state": {"key": words, "pos": position}}
    return generator.random_raw(3).astype(np.uint32)


def _compare_run(tally: Tally, distribution: MazeDistribution, data: Mapping[str, np.ndarray], where: str) -> None:
    """Replay each instance's actions on the levels that it played."""
    actions, level_seeds = data[where + "action"], data[where + "level_seed"]
    steps, n = actions.shape
    ended = np.vstack([np.zeros((1, n), bool), data[where + "first"].astype(bool)])
    played = [[int(level_seeds[t, e]) for t in range(steps + 1) if t == 0 or ended[t, e]] for e in range(n)]
    most = max(map(len, played))
    levels = [tuple(seeds + [seeds[-1]] * (most - len(seeds))) for seeds in played]
    env = Maze(n, [dataclasses.replace(distribution, levels=seeds, sequential=True) for seeds in levels], 0, "pixels")
    frames = env.reset()
    shown = data[where + "frame_step_slot"]
    for t in range(steps + 1):
        if t > 0:
            frames, reward, terminated, truncated = env.step(actions[t - 1].astype(np.int32))
            tally.equal("recorded rewards", reward, data[where + "reward"][t - 1], f"{where}step {t}")
            tally.equal("recorded endings", terminated | truncated, data[where + "first"][t - 1], f"{where}step {t}")
            tally.equal("recorded completions", terminated, data[where + "complete"][t - 1], f"{where}step {t}")
            tally.compared["recorded steps"] += n
        clock = env.world.clock
        for name, array in (("x", clock[:, L.X] + 0.5), ("y", clock[:, L.Y] + 0.5), ("mirrored", clock[:, L.MIRRORED]),
                            ("level_seed", env.world.facts[:, L.SEED])):
            tally.equal(f"recorded {name}", array, data[where + name][t], f"{where}step {t}")
        now = np.flatnonzero(shown[:, 0] == t)
        if len(now):
            _compare_frames(tally, frames[shown[now, 1]], data[where + "frame"][now], distribution, f"{where}step {t}")
