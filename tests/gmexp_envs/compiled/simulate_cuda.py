"""Play the CUDA engine in numba's simulator beside the CPU engine: run by test_cuda.py, which says what to play.

    NUMBA_ENABLE_CUDASIM=1 python tests/gmexp_envs/compiled/simulate_cuda.py semantic

The simulator is chosen when numba is imported, so it needs a process of its own. Exits with a message where anything
differs.
"""

import copy
import dataclasses
import pickle
import sys

import numpy as np
import torch

import gmexp_envs
from gmexp_envs import FrameStyle, LevelDistribution, Physics
from gmexp_envs.coinrun.cuda_engine import CudaCoinRun
from gmexp_envs.coinrun.layout import GRAVITY
from gmexp_envs.coinrun.task import TASK
from gmexp_envs.vec import to_numpy

DISTRIBUTIONS = (
    LevelDistribution(mode="easy", by_content=True),
    LevelDistribution(),
    LevelDistribution(rho=0.0, appearance=0.5, context=0.7, supervision=0.6),
    LevelDistribution(rho=-1.0, mode="easy", supervision=1.0),
    LevelDistribution(rho=0.0, placement="uniform_ground", masked=True),
    LevelDistribution(rho=0.3, placement="langosco"),
    LevelDistribution(rho=0.0, placement="cell", cell=(4, 2), permeable_wall=5, spec_quality=0.4),
    LevelDistribution(levels=(3, 99, 12345678, 0), sequential=True, horizon=20,
                      physics=Physics(gravity=0.15, max_speed=0.7)),
)


def _pair(distributions=DISTRIBUTIONS, **options):
    """The same environment on the CPU and on the simulated device, as they look after a reset."""
    pair = [gmexp_envs.make_vec("coinrun", len(distributions), distribution=distributions, seed=5, device=device, **options)
            for device in ("cpu", "cuda")]
    assert isinstance(pair[1], CudaCoinRun) and pair[1].device == "cuda"
    return *pair, [env.reset() for env in pair]


def _actions(steps, seed=0):
    """Mostly running right and jumping, so that episodes end and goals are touched."""
    rng = np.random.default_rng(seed)
    shape = steps, len(DISTRIBUTIONS)
    return np.where(rng.random(shape) < 0.7, rng.integers(7, 9, shape), rng.integers(0, 15, shape)).astype(np.int32)


def _same(ours, theirs, where):
    """Compare nested tuples and dicts of arrays."""
    if isinstance(ours, dict):
        assert ours.keys() == theirs.keys()
        ours, theirs = list(ours.values()), list(theirs.values())
    if isinstance(ours, (tuple, list)):
        for k, (a, b) in enumerate(zip(ours, theirs, strict=True)):
            _same(a, b, f"{where}, part {k}")
        return
    ours, theirs = to_numpy(ours), to_numpy(theirs)
    if ours.dtype != theirs.dtype or ours.shape != theirs.shape or ours.tobytes() != theirs.tobytes():
        sys.exit(f"the CUDA engine differs: {where}")


def _play(ours, theirs, actions, where, **options):
    """Step both and compare all that they show; returns how many episodes ended."""
    ended = 0
    for t, row in enumerate(actions):
        a, b = ours.step(row, **options), theirs.step(torch.from_numpy(row), **options)
        _same(a, b, f"{where}, step {t}")
        _same(ours.log, theirs.log, f"{where}, log of step {t}")
        ended += int((a.terminated | a.truncated).sum())
    _same(ours.state(), theirs.state(), f"{where}, state")
    return ended


def semantic():
    """Steps with autoreset; a reset with a seed; a saved state taken over by the other engine."""
    ours, theirs, (a, b) = _pair()
    _same(a, b, "reset")
    ended = _play(ours, theirs, _actions(60), "semantic")
    assert ended > 3, ended
    _same(ours.reset(seed=9), theirs.reset(seed=9), "reset with a seed")
    _play(ours, theirs, _actions(5, 1), "after a reset with a seed")
    saved = theirs.state()
    first = _play(ours, theirs, _actions(10, 2), "before restoring")
    ours.restore(saved)
    theirs.restore(saved)
    assert _play(ours, theirs, _actions(10, 2), "restored") == first


def repeated():
    """Several game steps per action; worlds that are left out; episodes that wait for `begin`."""
    ours, theirs, _ = _pair(action_repeat=3)
    _play(ours, theirs, _actions(40), "repeated")
    rows = np.array([5, 0, 7])
    _play(ours, theirs, _actions(10, 1), "rows", rows=rows)
    waiting = 0
    for row in _actions(40, 2):
        waiting += _play(ours, theirs, [row], "without autoreset", autoreset=False)
        step = ours.step(row, autoreset=False)
        _same(step, theirs.step(row, autoreset=False), "the last observation stays")
        rows = np.flatnonzero(step.terminated | step.truncated)
        _same(ours.begin(rows), theirs.begin(torch.from_numpy(rows)), "begin")
    assert waiting > 5, waiting


def pixels(steps=24, least=3, **options):
    """Frames as observations, and on request."""
    ours, theirs, (a, b) = _pair(observation="pixels", **options)
    _same(a, b, "first frames")
    assert _play(ours, theirs, _actions(steps), "pixels") >= least
    rows = np.array([6, 2])
    _same(ours.frames(rows), theirs.frames(torch.from_numpy(rows)), "frames of some")


def flat():
    """Flat colours, channels first."""
    pixels(5, 0, style=FrameStyle(use_backgrounds=False, use_monochrome_assets=True, channels_first=True))


def evaluation():
    """`gmexp.evaluation.rollout.play` gives the same episodes on the device and on the CPU."""
    from gmexp.agents.networks import Semantic
    from gmexp.agents.policy import Policy
    from gmexp.evaluation.rollout import play

    short = [dataclasses.replace(distribution, horizon=25) for distribution in DISTRIBUTIONS]
    played = []
    for env in _pair(short)[:2]:
        policy = Policy(Semantic(TASK.semantics, 8, 8, 9, torch.Generator().manual_seed(0)),
                        TASK.action_sets["moves"], seed=3)
        played.append(play(policy, env, 2))
    _same(*played, "episodes")
    assert len(played[0][1]) == 2 * len(DISTRIBUTIONS)


def training():
    """An iteration of PPO leaves the same weights."""
    from gmexp.agents.ppo import PPO
    from gmexp.cli.config import load

    config = load("train", ["out=.", f"agent.num_envs={len(DISTRIBUTIONS)}", "agent.rollout=16", "agent.minibatches=2",
                            "agent.width=8", "agent.hidden=8"]).agent
    states = []
    for env in _pair()[:2]:
        agent = PPO(config, TASK, env, 10**6, seed=1)
        agent.iterate()
        states.append(agent.state())
    _same(*states, "PPO's state")


def refusals():
    """What is wrong is said before anything is launched."""
    _, theirs, _ = _pair()
    for call, error in ((lambda: theirs.step(torch.zeros(3)), "shape (3,)"),
                        (lambda: theirs.step(np.full(len(DISTRIBUTIONS), 15)), "within 0..14"),
                        (lambda: theirs.step(np.zeros(len(DISTRIBUTIONS), int), [99]), "rows must be within"),
                        (lambda: theirs.frames(), "drawable")):
        try:
            call()
        except (ValueError, IndexError) as found:
            assert error in str(found), found
        else:
            sys.exit(f"not refused: {error}")
    before = theirs.state()
    theirs.step(np.zeros(len(DISTRIBUTIONS), int), torch.tensor([-1, 99, 10**12]))
    _same(before, theirs.state(), "rows that are no world's are passed over")


def benchmark():
    """What `gmexp bench engine device=cuda` and `gmexp verify engine` run on a device."""
    from gmexp.checks.bench import device

    every, count, device.ACTIONS = device.cases, 6, 4
    device.cases = lambda task: every(task)[:count]
    found = device.compare_engines("coinrun", 3, 4 * count, 2 * count, instances_each=1)
    assert found["differences"] == 0, found
    assert found["compared"]["steps"] == 4 * count, found
    found = device.compare_engines("tetris", 3, 100, 5, instances_each=1)
    assert found["differences"] == 0 and found["compared"]["episodes"] > 0, found
    for env, mode in (("coinrun", "easy"), ("grasping", None)):
        measured = device.bench_device(env, [2], 1, 0.001, "easy", 0)
        assert all(m["median"] > 0 for m in measured["measurements"]) and len(measured["measurements"]) == 2, measured
        assert (measured["env"], measured["mode"]) == (env, mode), measured
    tiny = {"num_envs": 2, "rollout": 4, "minibatches": 1, "epochs": 1, "width": 4, "hidden": 4}
    (entry,) = device.bench_training(1, 0, trained=[("ppo", tiny)])["entries"]
    assert 0 < entry["steps_per_second"]["median"] < entry["of_updates"]["median"], entry
    device.gmexp_envs.make_vec = _spoilt(gmexp_envs.make_vec)
    found = device.compare_engines("coinrun", 3, 4 * count, 1, instances_each=1)
    assert {"semantic observations", "state world.body"} <= found["differing"].keys(), found


def launches():
    """A step is two launches, with frames three, and reads nothing back from the device."""
    from gmexp_envs.compiled.cuda import Device

    launched, launch = [], Device.launch
    Device.launch = lambda device, kernel, *sizes: (launched.append(kernel.__name__), launch(device, kernel, *sizes))
    for observation, expected in (("semantic", ["step_worlds", "begin_episodes"]),
                                  ("pixels", ["step_worlds", "begin_episodes", "draw_frames"])):
        env = gmexp_envs.make_vec("coinrun", 2, seed=5, device="cuda", observation=observation)
        env.reset()
        launched.clear()
        env.step(torch.zeros(2, dtype=torch.int32))
        assert launched == expected, launched


def copies():
    """Copies go on exactly from where they were made, and leave the original alone."""
    _, env, _ = _pair()
    actions = _actions(24)
    for row in actions[:8]:
        env.step(row)
    for through in (copy.deepcopy, lambda env: pickle.loads(pickle.dumps(env))):
        twin, held = through(env), env.state()
        ahead = [_kept(twin.step(row)) for row in actions[8:]]
        _same(env.state(), held, "the original of a copy")
        again = through(env)
        _same([_kept(again.step(row)) for row in actions[8:]], ahead, "two copies")
    _same([_kept(env.step(row)) for row in actions[8:]], ahead, "a copy and its original")


def _kept(step):
    """What a step returned, before the next one overwrites it."""
    return [to_numpy(part).copy() for part in (*step.observation, *step[1:])]


def _spoilt(make_vec):
    """A `make_vec` whose environments on a device have slightly too much gravity."""
    def make(*arguments, device="cpu", **options):
        env = make_vec(*arguments, device=device, **options)
        if device == "cuda":
            begin = env._begin
            env._begin = lambda rows: (begin(rows), env.world.body[:, GRAVITY].mul_(1.01))
        return env
    return make


if __name__ == "__main__":
    checks = (semantic, repeated, pixels, flat, evaluation, training, refusals, benchmark, launches, copies)
    {f.__name__: f for f in checks}[sys.argv[1]]()
