"""W&B gets copies, offline without an account, and its failures are never ours."""

import json
import os
import struct
import subprocess
import sys
import time
import types
from collections.abc import Iterator
from pathlib import Path

import pytest

from gmexp.artefacts import tracking
from gmexp.artefacts.study import Study
from gmexp.artefacts.table import Table
from gmexp.artefacts.tracking import Tracker, open_tracker
from gmexp.figures import catalogue
from gmexp.mitigations import stage
from gmexp.pages import mirror
from gmexp.pages.mirror import log_study
from gmexp.rates import mitigated, over_runs
from gmexp.rates.judged import judged
from gmexp.support.errors import UserError

from ..fabricate import Truth, fabricate, fabricate_model

wandb = pytest.importorskip("wandb")


@pytest.fixture(autouse=True)
def no_account(monkeypatch, tmp_path):
    """No key, no server and nothing outside the test's folder."""
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("DATA", "CACHE", "CONFIG"):
        monkeypatch.setenv(f"WANDB_{name}_DIR", str(tmp_path / name.lower()))


def records(path: Path) -> Iterator[bytes]:
    """The records of a .wandb file: a 7-byte header, then LevelDB's log format in blocks of 32 KiB."""
    data, position, parts = path.read_bytes(), 7, []
    while position + 7 <= len(data):
        room = 32768 - position % 32768
        if room < 7:
            position += room
            continue
        _, size, kind = struct.unpack_from("<IHB", data, position)
        parts.append(data[position + 7: position + 7 + size])
        position += 7 + size
        if kind in (1, 4):  # whole, or the last part
            yield b"".join(parts)
            parts = []


def logged(folder: Path) -> tuple[dict, set[str], set[str]]:
    """What `wandb sync` would send: the summary, the keys ever logged, the kinds of records.

    wandb's service process still writes for a moment after the run is finished: wait for its last record.
    """
    deadline = time.monotonic() + 30
    while "exit" not in (found := scan(folder))[2] and time.monotonic() < deadline:
        time.sleep(0.1)
    return found


def scan(folder: Path) -> tuple[dict, set[str], set[str]]:
    from wandb.proto import wandb_internal_pb2

    (path,) = folder.glob("wandb/offline-run-*/run-*.wandb")
    summary, keys, kinds = {}, set(), set()
    for data in records(path):
        record = wandb_internal_pb2.Record.FromString(data)
        kinds.add(record.WhichOneof("record_type"))
        summary |= {item.key or "/".join(item.nested_key): json.loads(item.value_json)
                    for item in record.summary.update}
        for item in record.history.item:
            key = item.key or "/".join(item.nested_key)
            keys |= {key, key.rpartition("/")[0]}  # a table or picture is an object of several entries
    return summary, keys, kinds


def apart(program: str, *arguments: object, **environment: str) -> subprocess.CompletedProcess:
    """Run a program that talks to wandb in its own process: wandb keeps settings between runs of one."""
    return subprocess.run([sys.executable, "-c", "import sys\nfrom gmexp.artefacts import tracking\n"
                           "from gmexp.artefacts.tracking import open_tracker\n" + program, *map(str, arguments)],
                          env=os.environ | environment, capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Study:
    study = fabricate(tmp_path_factory.mktemp("small"), slots=2, per_slot=5,
                      truth=Truth({0.0: [1.0], 0.3: [1.0]}, {0.0: [1.0], 0.3: [0.0]}))
    over_runs.build(study.root)
    fabricate_model(study)
    catalogue.draw_all(study.root)
    return study


@pytest.mark.slow
def test_a_study_is_mirrored_offline(small, tmp_path, capfd):
    with open_tracker("wandb", "offline", "gmexp-test", group="g", name="n", config={"delta": 0.0},
                      dir=tmp_path) as tracker:
        tracker.log({"success": 0.5, "mean_return": None}, step=1000)
        log_study(tracker, small.root)
    summary, keys, kinds = logged(tmp_path)
    cell = next(c for c in over_runs.read_rates(small.rates).cells
                if (c.condition, c.shift_type, c.probe) == ("delta=0.3", 3, False))
    assert summary["delta=0.3/shift3/goal_failure"] == cell.goal_failure.mean
    assert summary["delta=0.3/shift3/goal_failure_low"] == cell.goal_failure.low
    assert summary["delta=0.3/shift3/capability_high"] == cell.capability.high
    assert {"delta=0/shift1_probe/realised", "estimate/shift3/published/goal_failure",
            "estimate/shift3/delta=0.3/capability/q025"} <= set(summary)
    assert "delta=0/shift0/goal_failure" not in summary
    assert {"success", "rates", "counts", "episodes/d0-s0", "figures/rates"} <= keys and "mean_return" not in keys
    assert {"run", "history", "summary", "exit"} <= kinds
    assert "warning" not in capfd.readouterr().err


@pytest.mark.slow
def test_a_single_condition_needs_no_prefix(small):
    cells = [c for c in judged(over_runs.read_rates(small.rates)) if c.condition == "delta=0"]
    metrics = mirror.rate_metrics(cells)
    assert {"shift3/goal_failure", "shift3/goal_failure_low", "shift3/goal_failure_high", "shift3/realised"} <= set(metrics)
    assert not any("latent" in name for name in metrics)  # of both arms only
    assert all(isinstance(value, float) for value in metrics.values())


@pytest.mark.slow
def test_what_mitigations_do_is_mirrored(tmp_path):
    study = fabricate(tmp_path, slots=2, per_slot=5, truth=Truth({0.0: [1.0] * 3, 0.3: [1.0] * 3},
                                                                 {0.0: [1.0, 1.0, 0.5], 0.3: [0.0, 0.5, 0.0]}))
    over_runs.build(study.root)
    found = stage.conclude(study)
    row = next(row for row in found.rows if row.method == "adversarial_training" and row.shift_type == 3)
    metrics, flat = mirror.mitigation_metrics(found), mitigated.flat(found)
    reduction, low, high = row.risk.relative
    assert low < reduction < high and 0 < reduction <= 1
    assert [metrics[f"mitigations/adversarial_training/shift3/reduction{end}"] for end in ("", "_low", "_high")] == [
        reduction, low, high]
    (same,) = (each for each in flat if each["shift_type"] == 3)
    assert (same["risk_reduction"], same["risk_base"], same["pairs"]) == (reduction, row.risk.base, 3)
    assert same["control_risk_reduction"] is None and same["price_helped"] == 0.0
    assert len({tuple(each) for each in flat}) == 1  # one set of columns

    class Recording(Tracker):
        tables, files = {}, []

        def table(self, name, table):
            self.tables[name] = table

        def artefact(self, path, *_):
            self.files.append(path)

    log_study(Recording(), study.root)
    assert len(Recording.tables["mitigations"]) == len(flat) and "mitigated_runs" not in Recording.tables
    assert study.mitigations in Recording.files


def pretend_wandb(monkeypatch, **functions) -> None:
    settings = type("Settings", (dict,), {"model_fields": {}})
    monkeypatch.setitem(sys.modules, "wandb", types.SimpleNamespace(__spec__=object(), Settings=settings, **functions))


class Broken:
    """A wandb run whose every method fails."""

    def __init__(self, calls: list[str]) -> None:
        self.calls = calls

    def __getattr__(self, name: str):
        def fail(*_, **__):
            self.calls.append(name)
            raise ConnectionError("the network is gone\nwith details")
        return fail


@pytest.mark.slow
def test_a_dying_wandb_warns_once_and_costs_nothing(small, tmp_path, monkeypatch, capsys):
    calls = []
    pretend_wandb(monkeypatch, init=lambda **_: Broken(calls), teardown=lambda: calls.append("teardown"))
    with open_tracker("wandb", dir=tmp_path) as tracker:
        tracker.log({"a": 1.0}, 1)
        tracker.log({"a": 1.0}, 2)
        tracker.summary({"b": 1.0})
        log_study(tracker, small.root)
    assert calls == ["log", "finish", "teardown"]
    error = capsys.readouterr().err
    assert error == ("warning: W&B failed (the network is gone); carrying on without it, the artefacts on disk are "
                     "complete\n")


def test_a_wandb_that_cannot_start_is_done_without(tmp_path, monkeypatch, capsys):
    def refuse(**_):
        raise RuntimeError("no such project")

    pretend_wandb(monkeypatch, init=refuse)
    with open_tracker("wandb", "online", dir=tmp_path) as tracker:
        tracker.log({"a": 1.0}, 1)
        tracker.figure(tmp_path / "absent.png")
    first, second = capsys.readouterr().err.splitlines()
    assert "online could not start (no such project); logging offline instead" in first
    assert "offline could not start (no such project)" in second


ONLINE = """
tracking.PATIENCE["init_timeout"] = 2.0
with open_tracker("wandb", "online", "gmexp-test", dir=sys.argv[1]) as tracker:
    tracker.log({"a": 1.0}, 1)
print("the run is complete")
"""


@pytest.mark.slow
def test_without_a_server_online_goes_offline(tmp_path):
    done = apart(ONLINE, tmp_path, WANDB_BASE_URL="http://127.0.0.1:9", WANDB_API_KEY="a" * 40)
    assert done.returncode == 0 and done.stdout == "the run is complete\n"
    assert done.stderr.count("warning: W&B online could not start") == 1 and "Traceback" not in done.stderr
    assert "a" in logged(tmp_path)[1]


@pytest.mark.slow
@pytest.mark.parametrize("id", ["some-id", "a/b #1", "é" * 300])
def test_without_a_server_a_run_with_an_id_goes_offline_too(tmp_path, id):
    """W&B's service calls the id of the run that could not start in use."""
    program = ONLINE.replace("dir=sys.argv[1]", f"dir=sys.argv[1], id={id!r}, name={id!r}, group={id!r}")
    done = apart(program, tmp_path, WANDB_BASE_URL="http://127.0.0.1:9", WANDB_API_KEY="a" * 40)
    assert done.returncode == 0 and done.stdout == "the run is complete\n"
    assert done.stderr.count("warning: W&B online could not start") == done.stderr.count("warning") == 1
    assert "a" in logged(tmp_path)[1]


@pytest.mark.slow
def test_names_of_any_length_are_taken(small, tmp_path, capfd):
    with open_tracker("wandb", "offline", "gmexp-test", dir=tmp_path) as tracker:
        tracker.artefact(small.rates, "rates", "é/" * 100)
        tracker.log({"a": 1.0}, 1)
    assert "warning" not in capfd.readouterr().err
    assert len(tracking.shortened("x" * 300)) == 128 and tracking.shortened("x" * 128) == "x" * 128


@pytest.mark.parametrize("variable", [{"WANDB_MODE": "disabled"}, {"WANDB_DISABLED": "true"}])
def test_wandb_switched_off_by_the_environment_stays_off(tmp_path, monkeypatch, variable):
    for name, value in variable.items():
        monkeypatch.setenv(name, value)
    assert type(open_tracker("wandb", "online", dir=tmp_path)) is Tracker


KILLED = """
import psutil
with open_tracker("wandb", "offline", "gmexp-test", dir=sys.argv[1]) as tracker:
    tracker.log({"a": 1.0}, 1)
    for child in psutil.Process().children(recursive=True):
        child.kill()
        child.wait()
    for step in range(2, 50):
        tracker.log({"a": 1.0}, step)
print("the run is complete")
"""


@pytest.mark.slow
def test_losing_the_service_process_loses_nothing_else(tmp_path):
    done = apart(KILLED, tmp_path)
    assert done.returncode == 0 and done.stdout == "the run is complete\n"
    assert done.stderr.count("warning: W&B failed") == 1 and "Traceback" not in done.stderr


def test_only_artefacts_are_uploaded(tmp_path):
    for name in ("checkpoint.npz", "episodes/coin.gif", ".curve.parquet.123.tmp", "wandb/run-1/run.wandb",
                 "tensorboard/events"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    assert [file.name for file in tracking._artefacts_in(tmp_path)] == ["checkpoint.npz", "coin.gif"]


def test_without_wandb_installed(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match="pip install") as error:
        open_tracker("wandb", dir=tmp_path)
    assert "\n" not in str(error.value)
    assert type(open_tracker("none")) is Tracker


@pytest.mark.parametrize("arguments", [("comet",), ("wandb", "sometimes")])
def test_unknown_choices_are_named(arguments):
    with pytest.raises(UserError, match="should be one of"):
        open_tracker(*arguments)


def test_logging_nowhere_touches_nothing(tmp_path):
    with open_tracker() as tracker:
        tracker.log({"a": 1.0}, 1)
        tracker.table("t", Table.from_pydict({"a": [1]}))
        tracker.figure(tmp_path / "absent.png")
        tracker.artefact(tmp_path / "absent", "kind", "name")
        log_study(tracker, tmp_path / "absent")
    assert not list(tmp_path.iterdir())
