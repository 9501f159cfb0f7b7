"""The classes of inputs that need no study: what is made of a generator, what it is given to, and what must hold of what is
taken."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import random
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from gmexp import artefacts
from gmexp.artefacts import tables
from gmexp.artefacts.records import CurvePoint, OutcomeCounts, RunMeta, column_names
from gmexp.statistics.counts import read_counts
from gmexp.statistics.meta import METHODS, meta
from gmexp.support.text import NotPlain, as_plain_name, as_value

from . import harness, mutate

MEMORY = "/dev/shm"  # where files cost microseconds
FOLDER = Path(tempfile.mkdtemp(prefix="gmexp-fuzz-", dir=MEMORY if os.path.isdir(MEMORY) else None))
DOCUMENT = {"experiment": "e", "config": {"a": [1, 2.5, None, True], "b": {"c": "ü"}}, "runs": [{"run_id": "r",
        "seed": 3}] * 3,
            "x": [0.1] * 20, "provenance": {"command": "c", "versions": {"numpy": "1"}}}
SETTINGS = ("shift", "spec_quality", "capability", "diversity", "alignment", "m_spec", "m_cap", "m_div", "m_align",
            "grade", "mode",
            "harm", "spec_map", "strict", "rl_to_llm", "calibration", "kind", "format", "method", "hksj", "level", "y",
            "v", "file",
            "name", "item", "domain", "period", "episodes", "draws", "shfit", "")
_COUNTS = (("experiment_id", "run_id", "train_seed", "shift_type", "n_episodes", "n_visible", "n_intended", "n_proxy",
           "n_timeout",
           "n_death", "n_ambiguous", "train_diversity", "spec_quality"),
          ("e", "a", "0", "1", "20", "20", "5", "5", "5", "5", "0", "0.0", "1"),
          ("e", "a", "0", "3", "20", "20", "9", "1", "5", "5", "0", "0.0", "1"),
          ("e", "b", "1", "3", "20", "20", "2", "8", "5", "5", "0", "0.3", "0.5"))
KNOWN = [k for k, name in enumerate(_COUNTS[0]) if name in column_names(OutcomeCounts)]  # the schema of counts is in motion
COUNTS = [[row[k] for k in KNOWN] for row in _COUNTS]
STUDIES = (("y", "v"), ("0.1", "0.01"), ("0.3", "0.02"), ("-0.2", "0.05"), ("0.15", "0.01"))
POINT = CurvePoint(100, 1.0, 0, None, None, None, 2.0, 0.5, None, 100.0)


def finite(content: Any) -> bool:
    """Whether all numbers of a document are numbers."""
    if isinstance(content, dict):
        return all(map(finite, content.values()))
    if isinstance(content, list | tuple):
        return all(map(finite, content))
    return not isinstance(content, float) or math.isfinite(content)


def in_file(name: str, data: bytes) -> Path:
    path = FOLDER / name
    path.write_bytes(data)
    return path


def texts(rng: random.Random) -> None:
    """A word as a value of every kind: it has the kind, and text stands as it is."""
    text = "".join(rng.choice(mutate.TEXTS + mutate.NUMBERS) for _ in range(rng.choice((1, 1, 2, 3))))
    kind = rng.choice((str, int, float, bool, str | None, float | None, list[str], list[int], list[float], dict[str, Any]))
    try:
        value = as_value(kind, text)
    except NotPlain:
        assert kind == dict[str, Any]
        return
    except ValueError as error:
        raise harness.Refused(str(error).splitlines()[0] if str(error) else "") from None
    if kind is str:
        assert value == text
    if kind in (int, float, bool):
        assert type(value) is kind and math.isfinite(value) and (kind is not int or abs(value) <= 2**63)
    assert finite(value)


def names(rng: random.Random) -> None:
    """A name from a file: what is taken leads nowhere."""
    name = "".join(rng.choice(mutate.TEXTS) for _ in range(rng.choice((1, 1, 2))))
    taken = as_plain_name(name, "an id")
    inside = (FOLDER / "runs" / taken).resolve()
    assert inside.parent == (FOLDER / "runs").resolve() and taken == name


def documents(rng: random.Random) -> None:
    """JSON: what is taken is an object of finite numbers, no deeper than it may be, and can be written again."""
    path = in_file("document.json", mutate.as_json(rng, mutate.mutated_document(rng, DOCUMENT)))
    content = artefacts.read_json(path, required=("runs",) if rng.random() < 0.5 else ())
    assert isinstance(content, dict) and finite(content)
    artefacts.encode_json(content)


RECORD = artefacts.plain(RunMeta("r", "e", 0, "coinrun", "ppo", 0.0, 1.0, 1.0, None, None, 10, 20, "h", None, "t"))


def records(rng: random.Random) -> None:
    """A record in JSON: what is taken has every field of its type."""
    from gmexp.artefacts.decode import decode

    content = artefacts.parse_json(mutate.as_json(rng, mutate.mutated_document(rng, RECORD)), "meta.json")
    meta = decode(RunMeta, content, "meta.json")
    assert type(meta.train_seed) is int and type(meta.spec_quality) is float and math.isfinite(meta.spec_quality)
    as_plain_name(meta.run_id, "an id")


def _npz() -> bytes:
    path = artefacts.write_npz(FOLDER / "made.npz", {
        "weights": np.arange(12, dtype=np.float32).reshape(3, 4), "flags": np.array([True, False]), "about": np.array("{}"),
        "counts": np.arange(5)})
    return path.read_bytes()


NPZ = _npz()


def arrays(rng: random.Random) -> None:
    """An .npz: what is taken are plain arrays no larger than the file."""
    found = artefacts.unpack_npz(mutate.mutated_bytes(rng, NPZ), "a.npz", ("weights",) if rng.random() < 0.5 else ())
    for array in found.values():
        assert array.dtype.kind in "biufU" and array.nbytes <= 4 * len(NPZ)


def _parquet() -> bytes:
    return tables.write_table(FOLDER / "made.parquet", [POINT] * 40, CurvePoint).read_bytes()


PARQUET = _parquet()


def parquets(rng: random.Random) -> None:
    """A parquet file, its bytes or its columns out of place: what is taken is a whole table of finite numbers."""
    if rng.random() < 0.7:
        path = in_file("curve.parquet", mutate.mutated_bytes(rng, PARQUET))
    else:
        table, path = pq.read_table(pa.BufferReader(PARQUET)), FOLDER / "curve.parquet"
        column = rng.choice(table.column_names)
        odd = rng.choice(([None] * 40, ["x"] * 40, [math.nan] * 40, [2**62] * 40, [[1]] * 40, [{"a": 1}] * 40,
        [b"\xff"] * 40))
        table = rng.choice((lambda: table.drop_columns([column]), lambda: table.slice(0, 0),
                            lambda: table.append_column(rng.choice(("x", column)), pa.array(odd)),
                            lambda: table.set_column(0, column, pa.array(odd))))()
        pq.write_table(table, path)
    for row in tables.read_records(path, CurvePoint):
        assert finite(artefacts.plain(row)) and type(row.steps) is int


def counts(rng: random.Random) -> None:
    """Counts in a CSV: every row is there, and says what it does not know by None."""
    rows = mutate.mutated_rows(rng, COUNTS)
    data = mutate.as_csv(rng, rows)
    taken = read_counts(in_file("counts.csv", data))
    text = data.decode("utf-8-sig")
    separator = max(",;\t|", key=text.splitlines()[0].count)
    lines = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator) if any(map(str.strip, row))]
    assert len(taken) == len(lines) - 1 and all(finite(artefacts.plain(row)) for row in taken)


def tables_of_text(rng: random.Random) -> None:
    """Any CSV: what is taken has as many cells in every row."""
    table = artefacts.read_csv(in_file("any.csv", mutate.as_csv(rng, mutate.mutated_rows(rng, STUDIES))), ("y",))
    assert all(len(row) == len(table.header) for row in table.rows) and "y" in table.header


def numbers(rng: random.Random, count: int) -> list[float]:
    scale = 10.0 ** rng.choice((0, 0, 0, -3, 3, -150, 150, -300, 300))
    drawn = [rng.choice((rng.gauss(0, 1), rng.random(), 0.0, 1.0)) * scale for _ in range(count)]
    if rng.random() < 0.1:
        drawn = [drawn[0]] * count
    if rng.random() < 0.1:
        drawn[rng.randrange(count)] = rng.choice((math.nan, math.inf, -1.0, 0.0, 1e308, 5e-324))
    return drawn


def meta_analyses(rng: random.Random) -> None:
    """Estimates and variances: an analysis that is given has numbers, in order, and no interval without width."""
    count = rng.choice((1, 2, 2, 3, 5, 12))
    y, v = numbers(rng, count), [abs(x) for x in numbers(rng, rng.choice((count, count, count, count + 1)))]
    level = rng.choice((0.95, 0.95, 0.95, 0.5, 0.999, 0.0, 1.0, math.nan))
    result = meta(y, v, rng.choice(METHODS), rng.random() < 0.5, level)
    assert all(map(math.isfinite, (result.mu, result.se, result.low, result.high, result.tau2, result.q, result.q_p)))
    below_resolution = result.se <= np.spacing(abs(result.mu))  # of the numbers themselves
    assert (result.low < result.high or below_resolution) and result.low <= result.mu <= result.high
    assert result.tau2 >= 0 and 0 <= result.i2 <= 1


def words(rng: random.Random, keys: Sequence[str]) -> list[str]:
    """Arguments of a light verb."""
    usual = {"shift": ("1", "2", "3", "4", "0"), "capability": ("human", "superhuman", "below_human"),
    "format": ("json",) * 5,
             "mode": ("published", "odds", "calibrated"), "alignment": ("standard", "behavioral_cloning"),
             "y": ("0.1,0.2,0.4", "1,1,1", "0"), "v": ("0.01,0.02,0.01", "1e-300,1,1", "0")}
    found = []
    for key in rng.sample(keys, rng.randrange(0, 6)):
        value = rng.choice(usual.get(key, ("0.5", "0", "1"))) if rng.random() < 0.7 else rng.choice(
            mutate.TEXTS + mutate.NUMBERS)
        found.append(f"{key}={value}" if rng.random() < 0.97 else value)
    return found


def calculator(rng: random.Random) -> None:
    """The calculator's verbs: what is printed as JSON are numbers, probabilities within 0 and 1."""
    verb = rng.choice(("estimate",) * 5 + ("tables", "audit", "scenarios", "predict"))
    given = words(rng, SETTINGS)
    if verb == "estimate" and not any(item.startswith("shift=") for item in given):
        given.append(f"shift={rng.randrange(1, 5)}")
    said = harness.command([verb, *given])
    if "format=json" in given and "--help" not in given:
        content = json.loads(said, parse_constant=lambda name: _no(name))
        if verb == "estimate":
            assert 0 <= content["value"] and ("mode=published" in given or content["value"] <= 1)


def meta_words(rng: random.Random) -> None:
    """`gmexp meta` by words or from a file."""
    given = words(rng, ("y", "v", "method", "hksj", "level", "format", "file"))
    if rng.random() < 0.5:
        path = in_file("studies.csv", mutate.as_csv(rng, mutate.mutated_rows(rng, STUDIES)))
        given = [item for item in given if not item.startswith(("y=", "v=", "file="))] + [f"file={path}"]
    elif not any(item.startswith("y=") for item in given):
        count = rng.choice((1, 2, 3, 6))
        given += ["y=" + ",".join(map(repr, numbers(rng, count))), "v=" + ",".join(map(repr, map(abs, numbers(rng, count))))]
    said = harness.command(["meta", *given])
    if "format=json" in given and "--help" not in given:
        json.loads(said, parse_constant=lambda name: _no(name))


def _no(name: str) -> float:
    raise AssertionError(f"the output holds {name}, which is no JSON")


CLASSES: dict[str, tuple[harness.Act, float]] = {  # and their shares of the time
    "texts": (texts, 2), "names": (names, 1), "JSON": (documents, 6), "records": (records, 4), "npz": (arrays, 5),
    "parquet": (parquets, 5), "CSV": (tables_of_text, 2), "counts": (counts, 4), "meta": (meta_analyses, 5),
    "calculator": (calculator, 5), "meta by words": (meta_words, 3)}
