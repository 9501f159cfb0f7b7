"""A whole study: complete, repeatable, killable, and alone in its folder."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gmexp import artefacts
from gmexp.artefacts import tables
from gmexp.artefacts.records import OutcomeCounts
from gmexp.artefacts.study import Study
from gmexp.cli.config import load
from gmexp.cli.main import main
from gmexp.pipeline import training_runs
from gmexp.rates import over_runs
from gmexp.support import progress
from gmexp.training.run import describe

from .artefacts.wandb_server import Server
from .tiny import AGENT, ITERATION, SAMPLER, assert_equal_runs

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name != "posix", reason="needs signals")]

STUDY = ["run", "experiment=quickstart", *AGENT, *SAMPLER, f"steps={20 * ITERATION}", "seeds=[0,1]", "evaluation.episodes=8",
         "evaluation.slots=8", "evaluation.clips=1", "workers=2", "checkpoint_seconds=0", "env.horizon=200"]  # fmt: skip
MADE_BY_CLOCK = ("created_utc", "git_sha")


def counts(study: Study) -> list[dict]:
    rows = tables.read_records(study.counts, OutcomeCounts)
    return [{k: v for k, v in dataclasses.asdict(row).items() if k not in MADE_BY_CLOCK} for row in rows]


def assert_equal_studies(first: Study, second: Study) -> None:
    assert [run.run_id for run in first.runs()] == [run.run_id for run in second.runs()]
    for run in first.runs():
        assert_equal_runs(first.run(run.run_id), second.run(run.run_id))
    assert counts(first) == counts(second)
    assert over_runs.read_rates(first.rates) == over_runs.read_rates(second.rates)


@pytest.fixture(autouse=True)
def no_progress(monkeypatch):
    """On a slow machine a line of progress would come between those that are asserted."""
    monkeypatch.setattr(progress, "LINE_SECONDS", float("inf"))


@pytest.fixture(scope="module")
def whole(once) -> Study:
    """An uninterrupted study, made once for all workers. Read only, but for running it again."""
    return Study(once("whole", _make_whole))


def _make_whole(root: Path) -> None:
    assert main([*STUDY, f"out={root}"]) == 0


# --- processes --------------------------------------------------------------------------------------------------------

def start(root: Path) -> subprocess.Popen:
    """`gmexp run` as a process group of its own, with what it says kept in files beside the study; it hears Ctrl-C even
    where the tests themselves run in the background, which do not."""
    return subprocess.Popen([sys.executable, "-m", "gmexp", *STUDY, f"out={root}"], start_new_session=True,
                            stdout=subprocess.DEVNULL, stderr=open(f"{root}.err", "w"),
                            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))


def wait_for(root: Path, pattern: str, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + 600
    while not any(root.glob(pattern)):
        assert process.poll() is None, Path(f"{root}.err").read_text()
        assert time.monotonic() < deadline
        time.sleep(0.005)


def group(process: subprocess.Popen) -> list[int]:
    """Living processes of the group that `start` made, zombies aside."""
    living = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rpartition(")")[2].split()
        except OSError:  # gone meanwhile
            continue
        if int(fields[2]) == process.pid and fields[0] not in "ZX":
            living.append(int(entry.parent.name))
    return living


def all_end(process: subprocess.Popen, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while group(process) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not group(process)


# --- tests ------------------------------------------------------------------------------------------------------------

def test_a_study_leaves_every_artefact(whole):
    for path in (whole.index, whole.counts, whole.rates, whole.calibration, whole.calibration.with_suffix(".npz"),
                 whole.estimate, whole.sensitivity, whole.report):
        assert path.stat().st_size > 0
    assert {p.suffix for p in whole.figures.iterdir()} == {".png", ".svg"}
    runs = whole.runs()
    assert len(runs) == 4 and {run.train_diversity for run in runs} == {0.0, 0.3}
    for run in runs:
        assert sorted(p.name for p in whole.run(run.run_id).iterdir() if p != whole.clips(run.run_id)) == [
            "attribution.parquet", "best", "checkpoint.npz", "critic.parquet", "curve.parquet", "episodes.parquet",
            "run.json"]
    assert not list(whole.root.rglob("*.tmp"))
    assert {(row["shift_type"], row["probe"]) for row in counts(whole)} == {
        (0, False), (0, True), (1, False), (1, True), (2, False), (3, False), (4, False)}
    assert all(row["n_visible"] == 8 for row in counts(whole))
    shifts = artefacts.read_json(whole.estimate, required=("shifts", "provenance"))["shifts"]
    assert [row["shift"] for row in shifts] == [1, 2, 3, 4]


def test_a_run_trained_again_has_the_same_counts(whole, tmp_path, capsys):
    run = whole.runs()[1].run_id
    assert main(["verify", "run", f"study={whole.root}", f"run={run}"]) == 0
    assert f"{run}: 7 rows of counts, all the same" in capsys.readouterr().out
    copy = Study(tmp_path / "copy")
    rows = tables.read_records(whole.counts, OutcomeCounts)
    changed = next(row for row in rows if row.run_id == run and row.n_timeout)
    rows[rows.index(changed)] = dataclasses.replace(changed, n_timeout=changed.n_timeout - 1, n_death=changed.n_death + 1)
    tables.write_table(copy.counts, rows, OutcomeCounts)
    artefacts.write_json(copy.index, artefacts.read_json(whole.index))
    assert main(["verify", "run", f"study={copy.root}", f"run={run}"]) == 1
    said = capsys.readouterr().out
    assert "7 now, 1 different\nshift" in said and "made on" in said and "; here: " in said
    assert f"n_timeout {changed.n_timeout} instead of {changed.n_timeout - 1}" in said
    assert main(["verify", "run", f"study={copy.root}", "run=nobody"]) == 2


def test_the_second_time_nothing_is_trained(whole, capsys):
    def stamps() -> dict:
        return {p: p.stat().st_mtime_ns for p in whole.root.rglob("runs/*/*")}

    before, counted = stamps(), counts(whole)
    assert main([*STUDY, f"out={whole.root}"]) == 0
    assert stamps() == before and counts(whole) == counted
    assert str(whole.report) in capsys.readouterr().out


def test_a_study_interrupted_and_killed_goes_on_and_ends_the_same(whole, tmp_path, capsys):
    root = tmp_path / "study"
    process = start(root)
    wait_for(root, "runs/*/resume.npz", process)
    assert main([*STUDY, f"out={root}"]) == 2  # while it runs, nobody else may
    err = capsys.readouterr().err
    assert "another gmexp run" in err and err.count("\n") == 1
    os.killpg(process.pid, signal.SIGINT)  # Ctrl-C reaches the whole group
    assert process.wait(60) == 130
    assert all_end(process, 3)
    said = [line for line in Path(f"{root}.err").read_text().splitlines() if not line.startswith("train 4 runs")]
    assert said == ["gmexp run: stopped; the same command goes on where it was"]

    process = start(root)
    wait_for(root, "runs/*/run.json", process)
    os.kill(process.pid, signal.SIGKILL)  # the parent alone: its workers must notice
    process.wait(10)
    assert all_end(process, 5)
    assert len(list(root.glob("runs/*/run.json"))) < 4
    (root / "runs" / ".left.npz.0123456789abcdef.gmexp.tmp").write_text("half of something")
    of_others = root / "runs" / ".left.npz.0123456789ab.tmp"
    of_others.write_text("another program's")

    assert main([*STUDY, f"out={root}"]) == 0
    assert_equal_studies(Study(root), whole)
    assert list(root.rglob("*.tmp")) == [of_others]


def test_a_failing_run_is_named_and_the_others_are_analysed(tmp_path, capsys):
    command = [*STUDY, f"steps={ITERATION}", "shift=none", f"out={tmp_path}"]  # and so no calibration
    planned = [describe(item).run_id for item in training_runs(load("run", command[1:]))]
    study = Study(tmp_path)
    study.run(planned[2]).parent.mkdir()
    study.run(planned[2]).write_text("in the way")
    assert main(command) == 1
    err = capsys.readouterr().err
    assert f"1 of 4 runs failed; the same command tries them again and keeps the others:\n  {planned[2]}: cannot" in err
    assert "Traceback" not in err and f"(log: {study.log(planned[2])})" in err
    assert " failed: cannot write to" in study.log(planned[2]).read_text()
    assert study.log(planned[0]).read_text().rstrip().endswith(" evaluated")
    assert [run.run_id for run in study.runs()] == [run_id for run_id in planned if run_id != planned[2]]
    (failed,) = study.read_index()["failed"]
    assert failed["run_id"] == planned[2] and "cannot write to" in failed["reason"]
    assert study.report.is_file()

    study.run(planned[2]).unlink()
    assert main(command) == 0
    assert [run.run_id for run in study.runs()] == planned and not study.read_index()["failed"]


def test_a_study_of_which_nothing_is_left_says_so(tmp_path, capsys):
    command = [*STUDY, "agent.learning_rate=1e30", "seeds=[0]", f"out={tmp_path}"]
    assert main(command) == 1
    err = capsys.readouterr().err
    assert "2 of 2 runs failed" in err and err.count("training diverged") == 2 and "Traceback" not in err
    assert not Study(tmp_path).index.exists()


def test_wandb_gets_a_copy_offline(tmp_path, monkeypatch):
    pytest.importorskip("wandb")
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    for name in ("DIR", "DATA_DIR", "CACHE_DIR", "CONFIG_DIR"):
        monkeypatch.setenv(f"WANDB_{name}", str(tmp_path / "wandb"))
    root = tmp_path / "study"
    assert main([*STUDY, f"steps={ITERATION}", "seeds=[0]", "logger=wandb", f"out={root}"]) == 0
    logged = sorted(path.relative_to(root).parts for path in root.rglob("offline-run-*/*.wandb"))
    assert len(logged) == 3 and sum(parts[0] == "runs" for parts in logged) == 2  # two runs and the study
    assert Study(root).report.is_file()
    server = synced(root)
    kinds = {name: run["jobType"] for name, run in server.runs.items()}
    assert sorted(kinds.values()) == ["study", "train", "train"]
    assert {run["groupName"] for run in server.runs.values()} == {"quickstart"}
    for name, summary in server.summaries.items():
        prefix = "delta=0/" if kinds[name] == "study" else ""
        assert {f"{prefix}shift3/{rate}{end}" for rate in ("capability", "realised")
                for end in ("", "_low", "_high")} <= set(summary)
        assert ("report" if kinds[name] == "study" else "episodes") in summary
    deltas = [json.loads(run["config"])["delta"]["value"] for name, run in server.runs.items() if kinds[name] == "train"]
    assert sorted(deltas) == [0.0, 0.3]


def synced(root: Path) -> Server:
    """A server that got what the manual's `wandb sync` sends of a study."""
    manual = (Path(__file__).parents[2] / "docs" / "reference" / "studies.md").read_text()
    patterns = re.search(r"^wandb sync (.+)$", manual, re.M)[1].replace("outputs/quickstart/", "").split()
    records = [str(path) for pattern in patterns for path in sorted(root.glob(pattern))]
    with Server() as server:
        environment = os.environ | {"WANDB_BASE_URL": server.url, "WANDB_API_KEY": "a" * 40}
        subprocess.run([sys.executable, "-m", "wandb", "sync", *records], env=environment, check=True, capture_output=True)
    return server


def test_without_wandb_installed_only_its_logger_is_missing(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "wandb", None)
    command = ["train", *AGENT, f"steps={ITERATION}", f"out={tmp_path}"]
    assert main(command) == 0
    capsys.readouterr()
    assert main([*command, "logger=wandb"]) == 2
    err = capsys.readouterr().err
    assert "needs the package wandb" in err and err.count("\n") == 1
