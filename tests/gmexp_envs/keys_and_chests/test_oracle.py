"""The fork's own levels, steps and frames (procgenAISC's many_chests and many_keys), recorded from its binary.

The record lies beside the repository, at ../shared/oracle (its README says what each array is), and is not part of it.
"""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from gmexp_envs.compiled.mersenne_twister import draw
from gmexp_envs.keys_and_chests import layout as L
from gmexp_envs.keys_and_chests.distribution import LevelDistribution
from gmexp_envs.keys_and_chests.engine import KeysAndChests
from gmexp_envs.keys_and_chests.procgen.compare import read_world
from gmexp_envs.procgen_family import binary as procgen

ORACLE = Path(__file__).parents[4] / "shared" / "oracle"
pytestmark = pytest.mark.skipif(not (ORACLE / "keys_and_chests.npz").is_file(), reason=f"there is no {ORACLE}")
EXACT = procgen.installed() and procgen.exact_pixels()
FILES = ("keys_and_chests", "keys_and_chests_penalties")
CASES = [(file, label, mode) for file in FILES for label in ("many_chests", "many_keys") for mode in ("easy", "hard")]


@pytest.fixture(scope="module", params=FILES)
def record(request):
    with np.load(ORACLE / f"{request.param}.npz") as file:
        return request.param, {name: file[name] for name in file.files}


def _distribution(file, label, mode, **options):
    penalties = {"key_penalty": 3, "step_penalty": 7} if file.endswith("penalties") else {}
    return LevelDistribution(mode=mode, rho=1.0 if label == "many_chests" else 0.0, placement="many_keys", **penalties,
                             **options)


def _compare_levels(record, label, mode, tweak=lambda env: None):
    """Names of what differs in the recorded levels."""
    file, data = record
    seeds = tuple(data["seeds"].tolist())
    of = {name.split(".")[-1]: data[name] for name in data if name.startswith(f"{label}.{mode}.level.")}
    env = KeysAndChests(len(seeds), [_distribution(file, label, mode, levels=seeds, sequential=True)], seed=0,
                        drawable=EXACT)
    env.reset()
    tweak(env)
    seen, facts = read_world(env.world), env.world.facts
    size = of["grid"].shape[1]
    unequal = {
        "grid": (seen.grid[:, :size, :size] != of["grid"]).any(), "background": (seen.background != of["background"]).any(),
        "background shift": (seen.background_shift != of["bg_pct_x"]).any(), "place": (seen.place != of["agent_xy"]).any(),
        "keys": (facts[:, L.NUM_KEYS] != of["num_keys"]).any()}
    for i, (first, last) in enumerate(zip(of["entity_first"][:-1], of["entity_first"][1:], strict=True)):
        kept = np.isin(of["entity_type"][first:last], (L.CHEST, L.KEY))
        expected = np.stack([of[f"entity_{name}"][first:last][kept] for name in ("x", "y", "rx", "ry")], 1)
        number = len(expected)
        types = np.stack([of[f"entity_{name}"][first:last][kept] for name in ("type", "image_theme")], 1)
        unequal["objects"] = (unequal.get("objects", False) or number != facts[i, L.NUM_OBJECTS]
                              or (seen.objects[i, :number] != expected).any() or (seen.kinds[i, :number] != types).any())
        words, drawn = env.world.twister[i].copy(), env.world.clock[i, L.DRAWN]
        following = [draw(words, (drawn + k) % L.WORDS)[0] for k in range(3)]
        unequal["generator"] = unequal.get("generator", False) or following != of["next_draws"][i].tolist()
    if EXACT:
        unequal["frames"] = (env.frames(np.arange(len(of["frame"]))) != of["frame"]).any()
    return {name for name, differs in unequal.items() if differs}


@pytest.mark.parametrize("label", ["many_chests", "many_keys"])
@pytest.mark.parametrize("mode", ["easy", "hard"])
class TestRecord:
    def test_levels(self, record, label, mode):
        if not any(name.startswith(f"{label}.{mode}.level.") for name in record[1]):
            pytest.skip("this file holds runs only")
        assert _compare_levels(record, label, mode) == set()

    def test_runs(self, record, label, mode):
        assert _compare_run(record, label, mode, _distribution(record[0], label, mode)) == set()


def _compare_run(record, label, mode, distribution):
    """Names of what differs while the recorded actions are replayed."""
    data = record[1]
    of = {name.split(".")[-1]: data[name] for name in data if name.startswith(f"{label}.{mode}.run.")}
    actions = of["action"].astype(np.int32)
    env = KeysAndChests(actions.shape[1], [distribution], seed=4242, drawable=EXACT)
    env.reset()
    unequal = set()
    for t in range(len(actions) + 1):
        if t > 0:
            step = env.step(actions[t - 1])
            ended = step.terminated | step.truncated
            expected = {"reward": (step.reward, of["reward"]), "ending": (ended, of["first"]),
                        "complete": (step.terminated, of["complete"])}
            unequal |= {name for name, (ours, theirs) in expected.items() if (ours != theirs[t - 1]).any()}
        seen, clock = read_world(env.world), env.world.clock
        unequal |= {name for name, ours in {
            "level_seed": seen.seed, "x": seen.place[:, 0], "y": seen.place[:, 1], "vx": seen.velocity[:, 0],
            "vy": seen.velocity[:, 1], "rotation": seen.rotation, "keys_left": clock[:, L.KEYS_LEFT],
            "chests_left": clock[:, L.CHESTS_LEFT]}.items() if (ours != of[name][t]).any()}
        shown = of["frame_step_slot"][:, 0] == t
        if EXACT and shown.any():
            slots = of["frame_step_slot"][shown, 1].astype(np.int64)
            if (env.frames(slots) != of["frame"][shown]).any():
                unequal.add("frames")
    return unequal


class TestNegativeControls:
    """A comparison that cannot fail shows nothing."""

    @pytest.mark.parametrize(("file", "label", "change", "differs"), [
        ("keys_and_chests", "many_keys", {"placement": "as_many"}, "keys_left"),
        ("keys_and_chests", "many_chests", {"rho": 0.0}, "chests_left"),
        ("keys_and_chests_penalties", "many_chests", {"key_penalty": 2}, "reward"),
        ("keys_and_chests_penalties", "many_keys", {"step_penalty": 8}, "reward")])
    def test_another_game_differs(self, file, label, change, differs):
        with np.load(ORACLE / f"{file}.npz") as data:
            record = file, {name: data[name] for name in data.files if name == "seeds" or ".run." in name}
        distribution = dataclasses.replace(_distribution(file, label, "hard"), **change)
        assert differs in _compare_run(record, label, "hard", distribution)

    @pytest.mark.parametrize(("column", "differs"), [("grid", "grid"), ("twister", "generator"), ("objects", "objects")])
    def test_one_bit_differs(self, column, differs):
        with np.load(ORACLE / "keys_and_chests.npz") as data:
            record = "keys_and_chests", {name: data[name] for name in data.files if ".run." not in name}

        def spoil(env):
            array = getattr(env.world, column)[0]
            if column == "grid":
                array[4, 4] ^= 1
            else:
                words = array.view(np.uint32).reshape(-1)
                words[(env.world.clock[0, L.DRAWN] + 1) % L.WORDS if column == "twister" else 0] ^= 4
        assert differs in _compare_levels(record, "many_keys", "hard", spoil)
