"""Runs elsewhere than in this process: all done, failures named, and a lost machine costs nothing but time.

The tests of Ray and Slurm run where these are installed: pip install -c constraints.txt -e '.[sweep,dev]', then
pytest tests/gmexp/training/test_launchers.py.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from gmexp import artefacts
from gmexp.artefacts import tables
from gmexp.artefacts.records import CurvePoint
from gmexp.artefacts.study import Study
from gmexp.cli import sweep
from gmexp.cli.config import load
from gmexp.cli.main import main
from gmexp.pipeline import training_runs
from gmexp.support import limits
from gmexp.support.errors import UserError
from gmexp.training import launchers, notes, train, workers
from gmexp.training import slurm as slurm_jobs
from gmexp.training.config import LauncherConfig
from gmexp.training.run import describe

from .test_workers import act
from ..tiny import AGENT, ITERATION, SAMPLER, assert_equal_runs

SWEEP = ["-m", "experiment=quickstart", "env.diversity=0,0.5", *AGENT, *SAMPLER, "evaluation.episodes=8",
         "evaluation.slots=8", "evaluation.clips=0", "shift=none", "measures=[]", "env.horizon=200", "checkpoint_seconds=0"]
SEEDS_OF_47 = ",".join(map(str, range(47)))
NEEDS = "needs {0}: pip install {0}"


def launch(name: str, words: list[str], tmp_path: Path, **settings) -> tuple[dict, list[int], list[int]]:
    """The tasks of `test_workers` through a launcher -> failures, reported progress, settled counts."""
    config = LauncherConfig(name, **{"memory_gb": 0.2, "retries": 0, "cluster": None, "options": {}} | settings)
    told, settled = [], []
    failures = launchers.launch(config, [(word, tmp_path / word) for word in words], act, None, tmp_path / "scratch",
                                told.append, settled.append)
    assert not (tmp_path / "scratch").exists()
    return failures, told, settled


def check_failures(failures: dict, tmp_path: Path) -> None:
    assert {p.name for p in tmp_path.iterdir()} >= set("ab")
    assert sorted(failures) == [1, 3]
    assert failures[1] == ("no such thing", None)
    assert failures[3].reason == "ZeroDivisionError: one over nothing" and "Traceback" in failures[3].details


# --- here -------------------------------------------------------------------------------------------------------------

def test_concurrency_fits_the_machine(monkeypatch):
    monkeypatch.setattr(workers, "available_cores", lambda: 8)
    monkeypatch.setattr(workers, "available_memory", lambda: 5e9)
    assert workers.fitting(100, 1e9) == 5
    assert workers.fitting(100, 1e8) == 8
    assert workers.fitting(3, 1e8) == 3
    assert workers.fitting(100, 1e10) == 1


def test_available_memory_is_some():
    assert limits.available_memory() > 2**20


@pytest.mark.slow
def test_local_tasks_are_done_and_failures_are_apart(tmp_path):
    failures, told, settled = launch("local", ["a", "refuse", "b", "crash"], tmp_path)
    check_failures(failures, tmp_path)
    assert sum(told) == 4 and settled[-1] == 4


def test_notes_add_up_and_a_task_begun_again_takes_its_work_back(tmp_path, monkeypatch):
    monkeypatch.setattr(notes, "REPORT_SECONDS", 0)
    told = []
    watch = notes.Watch(tmp_path, told.append)
    first, second = notes.Note(tmp_path / "0.done"), notes.Note(tmp_path / "1.done")
    first(5), first(5), second(7)
    watch.look()
    notes.Note(tmp_path / "0.done")(4)
    watch.look()
    assert told == [17, -6]


@pytest.mark.slow
def test_an_engine_that_is_not_installed_is_named(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    for launcher in ("ray", "slurm"):
        assert main(["run", "experiment=quickstart", f"launcher={launcher}", f"out={tmp_path}"]) == 2
        err = capsys.readouterr().err
        assert "pip install" in err and err.count("\n") == 1


# --- Ray --------------------------------------------------------------------------------------------------------------

@pytest.fixture
def cluster(monkeypatch):
    """A Ray cluster of several node processes: a head that computes nothing and two nodes of one core each."""
    pytest.importorskip("ray", reason=NEEDS.format("ray"))
    for name, value in {"RAY_USAGE_STATS_ENABLED": "0", "RAY_health_check_period_ms": "500",
                        "RAY_health_check_failure_threshold": "3", "RAY_worker_niceness": "0"}.items():
        monkeypatch.setenv(name, value)
    from ray.cluster_utils import Cluster

    size = {"object_store_memory": 10**8, "memory": 4 * 2**30}
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **size})
    cluster.workers = [cluster.add_node(num_cpus=1, **size) for _ in range(2)]
    yield cluster
    cluster.shutdown()


@pytest.mark.slow
def test_ray_does_all_tasks_and_failures_are_apart(tmp_path, cluster):
    failures, _, settled = launch("ray", ["a", "refuse", "b", "crash", "die"], tmp_path, cluster=cluster.address,
                                  retries=1)
    assert "lost 2 times on Ray" in failures.pop(4).reason
    check_failures(failures, tmp_path)
    assert settled[-1] == 5


@pytest.mark.slow
def test_a_cluster_that_is_not_there_is_one_line(tmp_path):
    pytest.importorskip("ray", reason=NEEDS.format("ray"))
    with pytest.raises(UserError, match="cannot reach a Ray cluster at launcher.cluster=127.0.0.1:1"):
        launch("ray", ["a"], tmp_path, cluster="127.0.0.1:1")


def survive_a_loss(tmp_path: Path, launcher: Sequence[str], lose: Callable[[int], object]) -> None:
    """48 runs from one command, one of them long: while it trains `lose` takes its process, and what that runs on, away;
    it goes on from its last state, and the study is complete."""
    root = tmp_path / "study"
    arguments = ["experiment=quickstart", *AGENT, *SAMPLER, "evaluation.episodes=8", "evaluation.slots=8",
                 "evaluation.clips=0", "shift=none", "measures=[]", "env.horizon=50", "checkpoint_seconds=0",
                 f"conditions=[{{env.diversity: 0.5, steps: {40 * ITERATION}, seeds: [0]}}, {{seeds: [{SEEDS_OF_47}]}}]",
                 f"steps={ITERATION}", f"out={root}"]
    planned = training_runs(load("run", arguments))
    study, long = Study(root), describe(planned[0]).run_id
    process = subprocess.Popen([sys.executable, "-m", "gmexp", "run", *arguments, *launcher], stdout=subprocess.DEVNULL,
                               stderr=open(tmp_path / "err", "w"))
    saved = study.run(long) / "resume.npz"
    wait_until(saved.is_file, process, tmp_path / "err")
    seconds = saved_seconds(saved)
    lose(int(study.log(long).read_text().split()[2]))
    assert process.wait(900) == 0, (tmp_path / "err").read_text()

    assert {run.run_id for run in study.runs()} == {describe(run).run_id for run in planned} and len(planned) == 48
    assert study.report.is_file() and not study.scratch.exists()
    for run in study.runs():
        said = study.log(run.run_id).read_text()
        assert said.count(" trains to ") == 1 + (run.run_id == long) and said.rstrip().endswith(" evaluated")
    points = tables.read_records(study.run(long) / "curve.parquet", CurvePoint)  # went on: what the clock said is there
    assert seconds and [point.seconds for point in points][: len(seconds)] == seconds
    assert_equal_runs(study.run(long), train.train(dataclasses.replace(planned[0], out=str(tmp_path / "whole"))))


@pytest.mark.slow
def test_48_runs_survive_the_loss_of_a_ray_node(tmp_path, cluster):
    def lose(at_work: int) -> None:
        (lost,) = [node for node in cluster.workers if at_work in tasks_of(node)]
        cluster.remove_node(lost, allow_graceful=False)
        with contextlib.suppress(ProcessLookupError):  # a lost machine takes everything with it, at once
            os.kill(at_work, signal.SIGKILL)

    survive_a_loss(tmp_path, ["launcher=ray", f"launcher.cluster={cluster.address}", "launcher.memory_gb=0.5"], lose)


@pytest.mark.slow
def test_ray_ends_the_tasks_of_a_driver_that_was_killed(tmp_path, cluster):
    process = subprocess.Popen(
        [sys.executable, "-m", "gmexp", "run", *SWEEP, "seed=0", f"steps={10**4 * ITERATION}", f"out={tmp_path / 'study'}",
         "launcher=ray", f"launcher.cluster={cluster.address}", "launcher.memory_gb=0.5"],
        stdout=subprocess.DEVNULL, stderr=open(tmp_path / "err", "w"))
    wait_until(lambda: any(tmp_path.glob("study/runs/*/resume.npz")), process, tmp_path / "err")
    assert any(map(tasks_of, cluster.workers))
    process.kill()
    process.wait()
    deadline = time.monotonic() + 30
    while any(map(tasks_of, cluster.workers)):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def saved_seconds(path: Path) -> list[float]:
    """The clock in the learning curve of a saved state."""
    return [point["seconds"] for point in json.loads(str(artefacts.read_npz(path)[f"{train.OWN}curve"]))]


def tasks_of(node) -> list[int]:
    """Processes of a Ray node that are at a task."""
    raylet = node.all_processes["raylet"][0].process.pid
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(entry.read_text().rpartition(")")[2].split()[1])
            at_task = (entry.parent / "cmdline").read_bytes().startswith(b"ray::far")
        except OSError:  # gone meanwhile
            continue
        if parent == raylet and at_task:
            found.append(int(entry.parent.name))
    return found


def wait_until(condition, process: subprocess.Popen, said: Path) -> None:
    deadline = time.monotonic() + 300
    while not condition():
        assert process.poll() is None, said.read_text()
        assert time.monotonic() < deadline, said.read_text()
        time.sleep(0.01)


@pytest.mark.slow
def test_a_run_that_asks_for_more_than_any_node_has_is_refused(tmp_path, cluster):
    with pytest.raises(UserError, match=r"launcher.memory_gb = 64 is more than any node .* has: the largest has 4\.0"):
        launch("ray", ["a"], tmp_path, cluster=cluster.address, memory_gb=64.0)
    assert not (tmp_path / "a").exists()


# --- Slurm ------------------------------------------------------------------------------------------------------------

@pytest.mark.slow
def test_submitit_does_all_tasks_and_failures_are_apart(tmp_path):
    pytest.importorskip("submitit", reason=NEEDS.format("submitit"))
    failures, _, settled = launch("slurm", ["a", "refuse", "b", "crash", "die"], tmp_path, cluster="local",
                                  options={"timeout_min": 5})
    assert "lost 1 times on Slurm: job" in failures.pop(4).reason
    check_failures(failures, tmp_path)
    assert settled[-1] == 5


@pytest.mark.slow
def test_a_lost_job_is_submitted_again_and_no_more_run_side_by_side_than_asked(tmp_path):
    pytest.importorskip("submitit", reason=NEEDS.format("submitit"))
    config = LauncherConfig("slurm", 0.2, 1, "local", {"timeout_min": 5})
    tasks = [("die once" if name == "b" else "time", tmp_path / name) for name in "abc"]
    assert not launchers.launch(config, tasks, act, 1, tmp_path / "scratch", lambda n: None, lambda n: None)
    begun, ended = zip(*(map(float, (tmp_path / name).read_text().split()) for name in "ac"), strict=True)
    assert max(begun) >= min(ended) and (tmp_path / "b").is_file() and not (tmp_path / "scratch").exists()


@pytest.mark.slow
def test_a_sweep_through_submitit_is_the_sweep_done_here(tmp_path):
    pytest.importorskip("submitit", reason=NEEDS.format("submitit"))
    command = [*SWEEP, "seed=0", f"steps={4 * ITERATION}"]
    for name, extra in {"here": [], "there": ["launcher=slurm", "launcher.cluster=local"]}.items():
        assert main(["run", *command, *extra, f"out={tmp_path / name}"]) == 0
    here, there = Study(tmp_path / "here"), Study(tmp_path / "there")
    assert [run.run_id for run in here.runs()] == [run.run_id for run in there.runs()]
    for run in here.runs():
        assert_equal_runs(here.run(run.run_id), there.run(run.run_id))


@pytest.mark.slow
@pytest.mark.skipif("GMEXP_CLUSTER" not in os.environ, reason="48 processes with torch, three minutes: make cluster")
def test_48_runs_survive_the_loss_of_a_slurm_job(tmp_path):
    """Of submitit's local executor, which starts a process for each job: one is killed, and what watches over it says so."""
    pytest.importorskip("submitit", reason=NEEDS.format("submitit"))
    survive_a_loss(tmp_path, ["launcher=slurm", "launcher.cluster=local", "workers=2"],
                   lambda at_work: os.kill(at_work, signal.SIGKILL))


@pytest.mark.slow
def test_an_exception_here_ends_submitits_jobs(tmp_path):
    pytest.importorskip("submitit", reason=NEEDS.format("submitit"))

    def stop(amount: int) -> None:
        if (tmp_path / "sleep").is_file():
            raise KeyboardInterrupt

    config = LauncherConfig("slurm", 0.2, 0, "local", {"timeout_min": 5})
    with pytest.raises(KeyboardInterrupt):
        launchers.launch(config, [("sleep", tmp_path / "sleep")], act, None, tmp_path / "scratch", stop, stop)
    assert not slurm_jobs.processes(tmp_path / "scratch" / "local") and not (tmp_path / "scratch").exists()


@pytest.mark.slow
def test_a_driver_that_was_killed_ends_its_jobs_when_it_is_started_again(tmp_path):
    pytest.importorskip("submitit", reason=NEEDS.format("submitit"))
    root = tmp_path / "study"
    arguments = [*SWEEP, "seed=0", f"steps={120 * ITERATION}", f"out={root}"]
    jobs = Study(root).scratch / "local"

    def start() -> subprocess.Popen:
        return subprocess.Popen(
            [sys.executable, "-m", "gmexp", "run", *arguments, "launcher=slurm", "launcher.cluster=local"],
            stdout=subprocess.DEVNULL, stderr=open(tmp_path / "err", "w"))

    process = start()
    wait_until(lambda: any(root.glob("runs/*/resume.npz")) and len(slurm_jobs.processes(jobs)) >= 2, process,
               tmp_path / "err")  # a run or two, and what watches over each
    process.kill()
    process.wait()
    first = set(slurm_jobs.processes(jobs))
    for job in first:
        os.kill(int(job), signal.SIGSTOP)  # so that they are not done by themselves meanwhile
    saved = {path.parent: saved_seconds(path) for path in root.glob("runs/*/resume.npz")}
    assert len(first) >= 2 and saved

    process = start()
    second = []
    wait_until(lambda: second.extend(set(slurm_jobs.processes(jobs)) - first) or second, process, tmp_path / "err")
    assert not first & set(slurm_jobs.processes(jobs))
    assert process.wait(600) == 0, (tmp_path / "err").read_text()
    study = Study(root)
    planned = training_runs(sweep.load(arguments[1:]))
    assert {run.run_id for run in study.runs()} == {describe(run).run_id for run in planned} and len(planned) == 2
    assert study.report.is_file() and not study.scratch.exists()
    for config in planned:
        folder = study.run(describe(config).run_id)
        points = tables.read_records(folder / "curve.parquet", CurvePoint)
        assert [point.seconds for point in points][: len(saved.get(folder, []))] == saved.get(folder, [])  # went on
        assert_equal_runs(folder, train.train(dataclasses.replace(config, out=str(tmp_path / "whole"))))


SQUEUE = """#!/bin/sh
echo 99
test -e {0}/cancelled || echo 77
"""
SCANCEL = """#!/bin/sh
echo "$@" >> {0}/cancelled
"""


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """A Slurm in which jobs 77 and 99 are queued and 77 and 78 were submitted by an earlier launch -> its commands."""
    for name in ("77", "78"):
        artefacts.write_text(tmp_path / "scratch" / "slurm" / f"{name}_submission.sh", "")

    def command(name: str, text: str) -> None:
        (tmp_path / name).write_text(text.format(tmp_path))
        (tmp_path / name).chmod(0o755)

    command("squeue", SQUEUE), command("scancel", SCANCEL)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(slurm_jobs, "POLL_SECONDS", 0.01)
    return command


def test_jobs_that_are_left_on_slurm_are_cancelled_first_whatever_the_launcher(tmp_path, slurm):
    launch("local", ["a"], tmp_path)
    assert (tmp_path / "a").is_file() and set((tmp_path / "cancelled").read_text().split()) == {"77"}


@pytest.mark.parametrize(("name", "text", "expected"), [
    ("scancel", "#!/bin/sh\n", "end 77"), ("squeue", "#!/bin/sh\nexit 1\n", "cannot ask Slurm")])
def test_jobs_that_do_not_end_are_one_line(tmp_path, slurm, monkeypatch, name, text, expected):
    slurm(name, text)
    monkeypatch.setattr(slurm_jobs, "GONE_SECONDS", 0.1)
    with pytest.raises(UserError, match=expected):
        launch("local", ["a"], tmp_path)
    assert not (tmp_path / "a").exists() and (tmp_path / "scratch").is_dir()


@pytest.mark.slow
def test_the_slurm_configuration_is_what_submitit_understands(monkeypatch, tmp_path):
    """Up to the script that sbatch would get; sbatch itself is not here."""
    submitit = pytest.importorskip("submitit", reason=NEEDS.format("submitit"))
    scripts = []

    def submit(self, command: str):
        scripts.append(self._make_submission_file_text(command, "0"))
        raise submitit.core.utils.FailedJobError("no Slurm here")

    monkeypatch.setattr(submitit.SlurmExecutor, "affinity", classmethod(lambda cls: 2))
    monkeypatch.setattr(submitit.SlurmExecutor, "_submit_command", submit)
    monkeypatch.setattr("shutil.which", lambda name, *_: f"/bin/{name}")
    options = "launcher.options={slurm_partition:long}"
    config = load("run", ["experiment=quickstart", "launcher=slurm", options]).launcher
    with pytest.raises(UserError, match="cannot submit"):
        launchers.launch(config, [("a", tmp_path / "a")], act, 7, tmp_path / "scratch", lambda n: None, lambda n: None)
    assert "--partition=long" in scripts[0] and "--time=240" in scripts[0] and "--mem=2GB" in scripts[0]
