"""The benchmark runs, says what it measured, and what it could not; how fast anything is, is not tested."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch

from gmexp.agents.ppo import Progress
from gmexp.artefacts import read_json
from gmexp.checks.bench import engine, race, starting, training
from gmexp.checks.bench.baselines import BASELINES, Baseline, Settings, Unavailable
from gmexp.cli import bench
from gmexp.figures.bench import write_on_gpu
from gmexp.support.errors import UserError
from gmexp_envs.procgen_family import binary as procgen

RESULTS = Path(__file__).parents[3] / "results/bench"

TINY = ["num_envs=[2,4]", "rounds=2", "seconds=0.001"]
needs_procgen = pytest.mark.skipif(not procgen.installed(), reason="procgen is not installed: nothing to compare with")


@pytest.mark.slow
@needs_procgen
@pytest.mark.parametrize("mode", ["easy", "hard"])
def test_a_tiny_benchmark(mode, tmp_path, capsys):
    assert bench.main(["engine", *TINY, f"mode={mode}", f"out={tmp_path}", "format=json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report == read_json(tmp_path / f"engine-{mode}.json")
    assert {"command", "hardware", "versions", "created_utc"} <= report["provenance"].keys()
    present = [c["name"] for c in report["baselines"] if c["missing"] is None]
    assert [c["name"] for c in report["baselines"]] == list(BASELINES)
    assert {"procgen", "semantic", "pixels"} <= set(present)
    assert {(m["baseline"], m["num_envs"]) for m in report["measurements"]} == {(c, n) for c in present for n in (2, 4)}
    for m in report["measurements"]:
        assert len(m["rounds"]) == 2
        for r in m["rounds"]:
            assert r["steps"] > 0 and r["steps"] % m["num_envs"] == 0
        for key in ("steps_per_cpu_second", "steps_per_second"):
            assert 0 < m[key]["low"] <= m[key]["median"] <= m[key]["high"]
    for ratios in (report["ratios"], report["ratios_per_second"]):
        assert {"semantic_vs_procgen", "pixels_vs_procgen"} <= ratios.keys()
        assert "procgen_vs_procgen" not in ratios and min(ratios.values()) > 0
    assert report["scaling"] == {}  # too few to be compared
    for suffix, head in (("png", b"\x89PNG"), ("svg", b"<?xml")):
        assert (tmp_path / f"engine-{mode}.{suffix}").read_bytes().startswith(head)


@pytest.mark.slow
@needs_procgen
def test_another_environment(tmp_path, capsys):
    assert bench.main(["engine", "env=maze", *TINY, f"out={tmp_path}", "format=json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["env"] == "maze" and report == read_json(tmp_path / "engine-maze-easy.json")
    assert min(report["ratios"]["semantic_vs_procgen"], report["ratios"]["pixels_vs_procgen"]) > 0


def test_an_environment_without_a_peer_is_measured_alone(tmp_path, capsys):
    assert bench.main(["engine", "env=tetris", "num_envs=[2,256,512]", "rounds=2", "seconds=0.001", f"out={tmp_path}"]) == 0
    said, report = capsys.readouterr().out, read_json(tmp_path / "engine-tetris.json")
    assert "has no such game" in said and report["mode"] is None and report["ratios"] == {}
    assert {m["baseline"] for m in report["measurements"]} == {"pixels", "semantic"}
    assert min(report["scaling"].values()) > 0 and len(report["scaling"]) == 2
    assert (tmp_path / "engine-tetris.svg").is_file()


@pytest.mark.slow
def test_how_long_commands_and_environments_take_to_start(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(starting, "TRAIN", "train steps=nothing")  # what fails is said
    assert bench.main(["start", "envs=[grasping]", "rounds=1", f"out={tmp_path}", "format=json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report.items() <= read_json(tmp_path / "start.json").items()
    found = {(e["name"], e["cold"]): e for e in report["entries"]}
    assert len(found) == len(starting.COMMANDS) + 2 + 2
    cold, warm = found["first step of grasping", True], found["first step of grasping", False]
    assert cold["missing"] is None and 0 < warm["cpu_seconds"]["median"] < cold["cpu_seconds"]["median"]
    assert "steps" in found["gmexp train steps=nothing", False]["missing"]


def test_scaling_is_the_ratio_of_speeds_in_the_same_round():
    slow, fast = np.array([[100, 1.0, 9.0], [100, 2.0, 9.0]]), np.array([[400, 2.0, 9.0], [400, 4.0, 9.0]])
    measured = {("semantic", 64): fast, ("semantic", 256): slow, ("semantic", 4096): fast}
    assert engine._scaling(measured, ["semantic"], [64, 256, 4096]) == {"semantic_4096_vs_256": 2.0}
    assert engine._scaling(measured, ["semantic"], [64, 4096]) == {}
    assert engine._scaling(measured, [], [64, 256, 4096]) == {}


@pytest.mark.slow
@needs_procgen
def test_who_is_missing_is_named(tmp_path, capsys, monkeypatch):
    def absent(num_envs, settings):
        raise Unavailable("not installed")

    monkeypatch.setitem(engine.BASELINES, "envpool", Baseline("EnvPool", ("envpool",), absent))
    assert bench.main(["engine", *TINY, f"out={tmp_path}"]) == 0
    out = capsys.readouterr().out
    assert "EnvPool               not installed" in out and "envpool_vs_procgen" not in out
    assert "semantic_vs_procgen" in out


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_without_a_device_the_gpu_is_not_measured(tmp_path, capsys):
    for what in (["engine"], ["engine", "env=tetris"], ["train"]):
        with pytest.raises(UserError, match="device 'cuda' cannot be used here: .*CUDA"):
            bench.main([*what, "device=cuda", f"out={tmp_path}"])
    assert not list(tmp_path.iterdir())
    with pytest.raises(Unavailable, match="not measured: .*CUDA"):
        BASELINES["cuda_semantic"].start(4, Settings("easy", 1, 0))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="not measured: there is no CUDA device")
@pytest.mark.slow
def test_on_a_device_the_engine_is_the_cpus(tmp_path, capsys):
    assert bench.main(["engine", "device=cuda", *TINY, "compared=65536", f"out={tmp_path}", "format=json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["equality"]["differences"] == 0 and report["equality"]["compared"]["steps"] >= 65536
    assert {(m["observation"], m["num_envs"]) for m in report["measurements"]} == {
        (observation, n) for observation in ("semantic", "pixels") for n in (2, 4)}


def test_what_was_measured_on_a_gpu_is_told_and_drawn(tmp_path):
    """Of the committed reports."""
    for path in sorted(RESULTS.glob("*-cuda*.json")):
        shutil.copy(path, tmp_path)
    text = bench._device_text(read_json(tmp_path / "engine-cuda-maze-easy.json"))
    assert "maze, easy, on NVIDIA H100" in text and "CPU and GPU: 0 differences in 262,800 steps" in text
    assert len(text.splitlines()) == 2 + 10 + 1
    lines = bench._trained_text(read_json(tmp_path / "train-cuda.json")).splitlines()
    assert len(lines) == 3 + 7 and lines[4].split()[:3] == ["ppo", "num_envs=4096", "4,096"]
    drawn = write_on_gpu(tmp_path)
    assert [path.name for path in drawn] == ["engine-cuda.svg", "engine-cuda.png"]
    assert drawn[0].read_bytes() == (RESULTS / "engine-cuda.svg").read_bytes()
    assert write_on_gpu(tmp_path / "empty") == []


@pytest.mark.parametrize("args", [[], ["num_envs=8"], ["engine", "num_envs=[]"], ["engine", "num_envs=[0]"],
                                  ["engine", "rounds=0"], ["engine", "seconds=0"], ["engine", "mode=extreme"],
                                  ["engine", "treads=2"], ["engine", "device=tpu"]])
def test_mistakes_are_one_line(args):
    with pytest.raises(UserError) as caught:
        bench.main(args)
    assert "\n" not in str(caught.value)


def test_without_procgen(monkeypatch):
    def missing():
        raise procgen.ProcgenUnavailable("procgen is not installed: pip install ...")

    monkeypatch.setattr(procgen, "package_folder", missing)
    with pytest.raises(UserError, match="not installed"):
        bench.main(["engine"])


# --- training ---------------------------------------------------------------------------------------------------------

@pytest.mark.slow
@needs_procgen
def test_a_tiny_training_benchmark(tmp_path, capsys):
    pytest.importorskip("stable_baselines3")
    tiny = ["num_envs=8", "rollout=8", "minibatches=2", "width=8", "hidden=8", "rounds=2"]
    assert bench.main(["train", *tiny, f"out={tmp_path}", "format=json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report == read_json(tmp_path / "train.json")
    assert [m["baseline"] for m in report["measurements"]] == list(training.BASELINES)
    for m in report["measurements"]:
        assert 0 < m["steps_per_cpu_second"]["low"] <= m["steps_per_cpu_second"]["high"] and m["peak_memory_mib"] > 50
    assert set(report["ratios"]) == {f"ppo_vs_{name}" for name in training.BASELINES if name != "ppo"}
    assert (tmp_path / "train.png").read_bytes().startswith(b"\x89PNG")


def test_dense_and_sparse_trainers_are_the_same_training():
    """The plain loop differs from ours in nothing but how it computes the first layer."""
    torch.set_num_threads(1)
    settings = training.Settings(num_envs=8, rollout=16, epochs=1, minibatches=2, width=8, hidden=8, seed=0)
    weights = []
    for start in (training.ppo, training.plain):
        agent = start(training._config(settings), training._env(settings), 10**6, settings.seed)
        agent.iterate()
        assert agent.steps == 8 * 16
        weights.append(agent.network.state_dict())
    assert weights[0].keys() == weights[1].keys()
    for name in weights[0]:
        torch.testing.assert_close(weights[0][name], weights[1][name], rtol=1e-3, atol=1e-4)


class Learner:
    """A trainer whose episodes succeed ever more often: half of them from the 20th iteration on."""

    def __init__(self, config, env, total_steps, seed):
        self.steps, self.total_steps = 0, total_steps

    @property
    def finished(self):
        return self.steps >= self.total_steps

    def iterate(self):
        self.steps += 100
        return Progress(10, 0.5 if self.steps >= 2000 else 0.0, 1.0, 10.0, 1.0, 1.0, 0.0)


class Sent(list):
    def send(self, item):
        self.append(item)


@pytest.mark.slow
@pytest.mark.parametrize(("until", "budget", "steps"), [(0.25, 10_000, 2900), (0.25, 2500, None), (0.75, 10_000, None)])
def test_the_race_ends_when_enough_recent_episodes_succeed(monkeypatch, until, budget, steps):
    monkeypatch.setitem(training.AGENTS, "ppo", Learner)
    race._run("ppo", until, budget, 0, sent := Sent())
    *iterations, result = sent
    assert sum(iterations) == result["steps"] == (steps or budget)
    assert (result["seconds"] is None) == (result["cpu_seconds"] is None) == (steps is None)


@pytest.mark.slow
def test_racers_that_cannot_start_or_arrive_are_reported(monkeypatch):
    report = race.race(0.99, 16_384, 0, names=("ppo",))
    (entry,) = report["entries"]
    assert entry["steps"] == 16_384 and entry["seconds"] is None and 0 <= entry["success"] < 0.99
    monkeypatch.setitem(training.AGENTS, "sb3", lambda *arguments: (_ for _ in ()).throw(ModuleNotFoundError("no sb3")))
    race._run("sb3", 0.5, 100, 0, sent := Sent())
    assert sent == [{"missing": "ModuleNotFoundError: no sb3"}]


@pytest.mark.parametrize("args", [["train", "minibatches=7"], ["train", "rounds=0"], ["train", "envs=3"], ["run"]])
def test_mistakes_in_training_benchmarks_are_one_line(args):
    with pytest.raises(UserError) as caught:
        bench.main(args)
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_calibrations_by_the_number_of_runs(tmp_path, capsys):
    options = ["runs=[3,8]", "envs=1", "warmup=100", "draws=20", "attempts=2", f"out={tmp_path}"]  # the first is too small
    assert bench.main(["calibrate", *options, "format=json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report == {key: value for key, value in read_json(tmp_path / "calibrate.json").items() if key in report}
    assert [entry["runs"] for entry in report["entries"]] == [4, 8]  # of four diversities, at least one each
    for entry in report["entries"]:
        assert 0 < entry["sampling_s"] <= entry["seconds"] and entry["cpu_s"] > 0 and entry["peak_memory_mib"] > 50
        assert entry["missing"] is None and entry["draws"] == 40
    assert "peak MiB" in bench._calibration_text(report)


@pytest.mark.slow
def test_a_benchmarks_processes_end_with_it(tmp_path):
    code = ("import time\n"
            "from gmexp.support.parents import begun\n"
            "def play(connection):\n"
            "    connection.send('playing')\n"
            "    time.sleep(600)\n"
            "if __name__ == '__main__':\n"
            "    process, connection = begun(play, ())\n"
            "    connection.recv()\n"
            "    print(process.pid, flush=True)\n"
            "    process.join()\n")
    script = tmp_path / "bench.py"  # a process finds its function there
    script.write_text(code)
    parent = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True)
    try:
        player = psutil.Process(int(parent.stdout.readline()))
    finally:
        parent.kill()
        parent.wait()
    assert not psutil.wait_procs([player], timeout=10)[1]
