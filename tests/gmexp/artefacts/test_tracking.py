"""W&B online and off against a server of our own that is well, refuses, is slow or dies: nothing is lost, no run is stopped.

What was recorded is read by W&B itself: `wandb sync` sends it to a server that is well.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from .wandb_server import Server

pytest.importorskip("wandb")
pytestmark = pytest.mark.slow

PROGRAM = """
import sys
from gmexp.artefacts import tracking
from gmexp.artefacts.table import Table
tracking.PATIENCE.update(init_timeout=4.0, login_timeout=4.0, finish_timeout=8.0, call_timeout=15.0)
with tracking.open_tracker("wandb", sys.argv[2], "gmexp-test", dir=sys.argv[1], id="one", name="a run", group="a study",
                           entity="us", job_type="train", tags=["x"], notes="why", config={"delta": 0.3}) as tracker:
    for step in (1, 2, 3):
        tracker.log({"success": step / 4}, step)
    tracker.table("episodes", Table.from_pydict({"seed": [1, 2]}))
    tracker.summary({"shift3/goal_failure": 0.25})
print("the run is complete")
"""


@pytest.fixture
def environment(tmp_path):
    """No account and no settings of the user's; every file in the test's folder."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
    folders = {f"WANDB_{name}_DIR": str(tmp_path / name.lower()) for name in ("DATA", "CACHE", "CONFIG")}
    return kept | folders | {"HOME": str(tmp_path), "WANDB_API_KEY": "a" * 40}


def track(folder: Path, server: Server, environment: dict[str, str], mode: str = "online") -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-c", PROGRAM, str(folder), mode], capture_output=True, text=True, timeout=180,
                          env=environment | {"WANDB_BASE_URL": server.url})


def sync(folder: Path, environment: dict[str, str]) -> Server:
    """What W&B's own reader sends of a folder to a server that is well."""
    with Server() as server:
        done = subprocess.run([sys.executable, "-m", "wandb", "sync", *map(str, sorted(folder.glob("wandb/offline-run-*")))],
                              capture_output=True, text=True, env=environment | {"WANDB_BASE_URL": server.url}, timeout=180)
        assert done.returncode == 0, done.stderr
    return server


def assert_all_is_there(server: Server) -> None:
    assert server.summary["shift3/goal_failure"] == 0.25 and server.summary["success"] == 0.75
    assert server.summary["episodes"]["nrows"] == 2
    history = [json.loads(line) for line in server.streamed["wandb-history.jsonl"]]
    assert [row["success"] for row in history if "success" in row] == [0.25, 0.5, 0.75]
    (run,) = server.runs.values()
    assert (run["groupName"], run["jobType"], run["tags"], run["notes"]) == ("a study", "train", ["x"], "why")
    assert json.loads(run["config"])["delta"]["value"] == 0.3


def test_online(tmp_path, environment):
    with Server() as server:
        done = track(tmp_path, server, environment)
    assert done.returncode == 0 and done.stdout == "the run is complete\n" and "warning" not in done.stderr
    assert_all_is_there(server)


def test_sessions_of_one_id_are_one_run(tmp_path, environment):
    with Server() as server:
        for _ in range(2):
            assert track(tmp_path, server, environment).returncode == 0
    assert len(server.runs) == 1


def test_offline_and_synced(tmp_path, environment):
    with Server() as server:
        assert track(tmp_path, server, environment, "offline").returncode == 0
        assert not server.operations and not server.streamed  # W&B's own telemetry apart
    assert_all_is_there(sync(tmp_path, environment))


@pytest.mark.parametrize("mood", ["refuses", "slow", "dies", "dies after 6"])
def test_a_bad_day_costs_nothing(mood, tmp_path, environment):
    with Server(mood) as server:
        done = track(tmp_path, server, environment)
    assert server.requests
    assert done.returncode == 0 and done.stdout == "the run is complete\n"
    assert done.stderr.count("warning: W&B") <= 1 and "Traceback" not in done.stderr
    assert_all_is_there(sync(tmp_path, environment))
