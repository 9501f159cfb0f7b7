"""Whole studies, killed at random moments in random ways, and started again until they are done.

What they end with is what an undisturbed study ends with, bit for bit but for clocks; nothing is left over, and nothing of
other programs in the folder is touched.
"""

from __future__ import annotations

import dataclasses
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from gmexp import artefacts
from gmexp.artefacts import tables
from gmexp.artefacts.records import CurvePoint, Episode, OutcomeCounts

from ..gmexp.tiny import AGENT, SAMPLER

STUDY = ("run", "experiment=quickstart", *AGENT, *SAMPLER, "steps=4096", "seeds=[0,1]",
         "conditions=[{env.diversity:0.3}]", "evaluation.episodes=8", "evaluation.slots=8", "env.horizon=200",
         "evaluation.clips=1", "workers=2", "checkpoint_seconds=0")
# How a study is ended -> its exit codes. Of a Ctrl-C in code that an import makes (a dataclass's), Python dies by the signal
# although `guarded` has caught it; to a shell that is 130 as well.
ENDS = {"SIGKILL": (-9,), "SIGKILL of all": (-9,), "SIGTERM": (-15,), "SIGINT of all": (130, -2), "disk full": (1, 2)}
OF_OTHERS = (".note.tmp", "runs/.weights.npz.0123456789ab.tmp", "mine.txt", ".scratch/kept", "figures/.sketch.svg.swp")
CLOCKS = {CurvePoint: ("seconds", "steps_per_second"), OutcomeCounts: ("created_utc", "git_sha"), Episode: ()}
BY_CLOCKS = ("learning.json", "study.json", "run.json", "report.html")  # files that say when and how fast, and pages of them
PATIENCE = 3600.0  # seconds in which an undisturbed study is done, on a machine that others use too
STUB = Path(__file__).with_name("full_disk")  # a folder with a sitecustomize.py


def start(root: Path, writes: int | None = None) -> subprocess.Popen[bytes]:
    """`gmexp run` in a process group of its own; with `writes`, the disk is full after so many."""
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join([*([str(STUB)] if writes is not None else []), *sys.path]))
    if writes is not None:
        environment["GMEXP_TEST_WRITES"] = str(writes)
    with open(f"{root}.err", "ab") as err:
        return subprocess.Popen([sys.executable, "-m", "gmexp", *STUDY, f"out={root}"], start_new_session=True,
                                stdout=subprocess.DEVNULL, stderr=err, env=environment,
                                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))


def disturb(root: Path, way: str, seconds: float, rng: random.Random) -> int:
    """Start the study and end it in a way, after so many seconds -> its exit code; negative where a signal ended it."""
    process = start(root, rng.randrange(1, 60) if way == "disk full" else None)
    try:
        process.wait(PATIENCE if way == "disk full" else seconds)
    except subprocess.TimeoutExpired:
        number = {"SIGKILL": signal.SIGKILL, "SIGTERM": signal.SIGTERM, "SIGINT": signal.SIGINT}[way.split()[0]]
        (os.killpg if way.endswith("of all") else os.kill)(process.pid, number)
        process.wait(30)
    assert all_gone(process.pid, 15), "processes are left of a killed study"
    return process.returncode


def all_gone(group: int, seconds: float) -> bool:
    """Whether every process of a group ends within so long."""
    deadline = time.monotonic() + seconds
    while any(_alive(group)):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _alive(group: int) -> Iterator[int]:
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rpartition(")")[2].split()
        except OSError:  # gone meanwhile
            continue
        if int(fields[2]) == group and fields[0] not in "ZX":
            yield int(entry.parent.name)


# --- what a study ends with -------------------------------------------------------------------------------------------

def content(root: Path) -> dict[str, Any]:
    """What every file of a study says, by its place, but for clocks."""
    return {str(path.relative_to(root)): _content(path) for path in sorted(root.rglob("*"))
            if path.is_file() and str(path.relative_to(root)) not in OF_OTHERS}


def _content(path: Path) -> Any:
    if path.name in BY_CLOCKS or path.suffix == ".log" or path.parent.name == "figures":
        return None  # that it is there is enough: it is drawn from the others
    if path.suffix == ".json":
        return {key: value for key, value in artefacts.read_json(path).items() if key != "provenance"}
    if path.suffix == ".parquet":
        table = tables.read_any_table(path)
        clocks = {name for names in CLOCKS.values() for name in names}
        return table.drop_columns([name for name in table.column_names if name in clocks]).to_pydict()
    return path.read_bytes()


def plant(root: Path) -> dict[str, bytes]:
    """Put other programs' files into a folder."""
    for name in OF_OTHERS:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(os.urandom(64))
    return {name: (root / name).read_bytes() for name in OF_OTHERS}


@dataclasses.dataclass
class Report:
    """Kills by their way, and studies that came to their end."""

    kills: Counter[str] = dataclasses.field(default_factory=Counter)
    missed: int = 0  # the study was done before
    studies: int = 0


def run(folder: Path, kills: int, seed: int, say: Callable[[str], None] = print) -> Report:
    """Kill studies so many times -> what was done; AssertionError where anything was lost, left or touched."""
    rng, report = random.Random(seed), Report()
    began = time.monotonic()
    process = start(folder / "whole")
    assert process.wait(PATIENCE) == 0, Path(f"{folder / 'whole'}.err").read_text()
    length = time.monotonic() - began
    expected = content(folder / "whole")
    say(f"undisturbed: {length:.0f} s, {len(expected)} files; seed {seed}")
    while report.kills.total() < kills:
        root = folder / f"study{report.studies}"
        planted = plant(root)
        of_this = rng.randrange(1, 8)  # then it may end
        while of_this and report.kills.total() < kills:
            way, seconds = rng.choice(list(ENDS)), rng.random() * length
            code = disturb(root, way, seconds, rng)
            if code == 0:
                report.missed += 1
                break
            assert code in ENDS[way], (way, code, _said(root))
            assert "Traceback" not in _said(root), _said(root)
            report.kills[way] += 1
            of_this -= 1
        process = start(root)
        assert process.wait(PATIENCE) == 0, _said(root)
        assert content(root) == expected, _difference(content(root), expected)
        assert {name: (root / name).read_bytes() for name in OF_OTHERS} == planted, "files of others were touched"
        report.studies += 1
        shutil.rmtree(root)
        say(f"{report.kills.total()} kills, {report.studies} studies, all ended the same")
    return report


def _said(root: Path) -> str:
    return Path(f"{root}.err").read_text(errors="replace")[-3000:]


def _difference(found: dict[str, Any], expected: dict[str, Any]) -> str:
    apart = sorted(found.keys() ^ expected.keys()) or [name for name in expected if found[name] != expected[name]]
    return f"other than undisturbed: {', '.join(apart[:10])}"
