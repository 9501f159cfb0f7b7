"""The trained agent that comes with the package (`run=shipped`): `gmexp watch`, `evaluate` and `measure` work at once.

A small network (64 and 64 units) after a million steps of PPO on easy CoinRun, where the goals never part (delta = 0), train
seed 0: `gmexp train experiment=shipped agent.width=64 agent.hidden=64 steps=1000000 seed=0`. It is one run and weak: an
example, no result. Its counts are those of `gmexp evaluate` and `gmexp rates study=outputs/shipped`.
"""

from __future__ import annotations

from pathlib import Path

from gmexp.artefacts import read_json
from gmexp.artefacts.reader import read_bytes
from gmexp.artefacts.study import Study
from gmexp.artefacts.writer import write_bytes

__all__ = ["COPY", "FOLDER", "SHIPPED", "counts", "writable"]

SHIPPED = "shipped"  # in place of a run's folder; a folder of that name is ./shipped
FOLDER = Path(__file__).parent / "data" / "shipped"
COPY = Path("outputs", "shipped")
FILES = ("checkpoint.npz", "curve.parquet", "run.json")


def counts() -> Path:
    """What it did under the shifts, as evaluated before it was shipped: a `counts.parquet`."""
    return Study(FOLDER).counts


def writable(run: str | Path) -> str | Path:
    """A run's folder that may be written to: for `shipped` a copy in outputs/shipped, a study of one run, made when it is
    not there; any other run as it is."""
    if str(run) != SHIPPED:
        return run
    folder = Study(COPY).run(read_json(FOLDER / "run.json", required=("meta",))["meta"]["run_id"])
    for name in FILES:
        if not (folder / name).is_file():
            write_bytes(folder / name, read_bytes(FOLDER / name))
    return folder
