"""Artefacts are whole or absent, checked on reading, and carry their provenance."""

import dataclasses
import errno
import io
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gmexp import artefacts
from gmexp.artefacts import tables
from gmexp.artefacts.records import CurvePoint, OutcomeCounts
from gmexp.support.errors import UserError

POINTS = [CurvePoint(100, 1.0, 0, None, None, None, 2.0, 0.5, None, 100.0),
          CurvePoint(200, 2.0, 3, 0.5, 5.0, 80.0, 1.9, 0.4, 0.3, 100.0)]  # fmt: skip
ORIGIN = artefacts.provenance("test", {"a": 1}, "a test")


def one_line(error: pytest.ExceptionInfo) -> str:
    message = str(error.value)
    assert "\n" not in message
    return message


# --- round trips ------------------------------------------------------------------------------------------------------

def test_records_survive_a_round_trip(tmp_path):
    path = tables.write_table(tmp_path / "curve.parquet", POINTS, CurvePoint, ORIGIN)
    assert tables.read_records(path, CurvePoint) == POINTS
    assert tables.read_provenance(path) == dataclasses.asdict(ORIGIN)


def test_columns_take_arrays_masks_nan_and_single_values():
    table = tables.as_table({
        "steps": np.array([100, 200], np.int32), "seconds": [1, 2.0], "episodes": np.array([0, 3], np.uint8),
        "success": np.array([np.nan, 0.5], np.float32), "mean_return": np.ma.masked_array([9.0, 5.0], [True, False]),
        "mean_length": [None, 80.0], "policy_entropy": (2.0, 1.9), "value_loss": np.array([0.5, 0.4], object),
        "explained_variance": [None, 0.3], "steps_per_second": 100.0}, CurvePoint)  # fmt: skip
    assert [CurvePoint(**row) for row in table.to_pylist()] == POINTS


def test_an_empty_table_keeps_its_columns(tmp_path):
    path = tables.write_table(tmp_path / "curve.parquet", [], CurvePoint)
    assert tables.read_table(path, CurvePoint).num_rows == 0


def test_the_schema_follows_the_record():
    schema = tables.schema(OutcomeCounts)
    assert [field.name for field in schema] == [f.name for f in dataclasses.fields(OutcomeCounts)]
    assert ("n_distinguishing", "int64", True) in schema and ("probe", "bool", False) in schema


@pytest.mark.slow
def test_equal_arrays_give_equal_bytes(tmp_path):
    arrays = {"weights": np.arange(6.0).reshape(2, 3), "name": np.array("coinrun")}
    first = artefacts.write_npz(tmp_path / "a.npz", arrays).read_bytes()
    time.sleep(2.1)  # a zip's clock ticks every two seconds
    second = artefacts.write_npz(tmp_path / "b.npz", arrays)
    assert second.read_bytes() == first
    read = artefacts.read_npz(second, required=["weights"])
    assert read["weights"].tolist() == arrays["weights"].tolist() and read["name"] == "coinrun"
    with np.load(second) as plain:
        assert sorted(plain.files) == ["name", "weights"]


def test_json_keeps_its_provenance_apart(tmp_path):
    path = artefacts.write_json(tmp_path / "a.json", {"x": np.float64(0.5), "p": tmp_path}, ORIGIN)
    content = artefacts.read_json(path, required=["x", "p"])
    assert content["x"] == 0.5 and content["p"] == str(tmp_path)
    assert tables.read_provenance(path) == dataclasses.asdict(ORIGIN)


def test_json_refuses_nan(tmp_path):
    with pytest.raises(ValueError, match="None for what is unknown"):
        artefacts.write_json(tmp_path / "a.json", {"x": float("nan")})
    assert not list(tmp_path.iterdir())


# --- bad tables and damaged files -------------------------------------------------------------------------------------

def columns(**changes):
    return {f.name: [getattr(point, f.name) for point in POINTS] for f in dataclasses.fields(CurvePoint)} | changes


@pytest.mark.parametrize(("changes", "message"), [
    ({"steps": [1.5, 2.5]}, "column steps"),
    ({"steps": [None, 2]}, "column steps has 1 missing"),
    ({"steps": ["1", "2"]}, "column steps"),
    ({"steps": [True, False]}, "column steps"),
    ({"steps": [1, 2, 3]}, "differ in length"),
    ({"seconds": [np.nan, 1.0]}, "column seconds holds NaN"),
    ({"success": [np.inf, 1.0]}, "column success holds NaN or infinity"),
    ({"sucess": [0.1, 0.2]}, "unknown sucess"),
])  # fmt: skip
def test_wrong_columns_are_named(changes, message):
    with pytest.raises(UserError, match=message) as error:
        tables.as_table(columns(**changes), CurvePoint)
    one_line(error)


def test_missing_columns_are_named(tmp_path):
    incomplete = tables.as_table(POINTS, CurvePoint).drop_columns(["seconds", "success"])
    pq.write_table(pa.table(incomplete.to_pydict()), tmp_path / "curve.parquet")
    with pytest.raises(UserError, match="curve.parquet: CurvePoint: the table lacks seconds, success") as error:
        tables.read_table(tmp_path / "curve.parquet", CurvePoint)
    one_line(error)


def test_columns_of_another_type_are_refused(tmp_path):
    table = tables.as_table(POINTS, CurvePoint).to_pydict()
    pq.write_table(pa.table(table | {"steps": pa.array(table["steps"], pa.float64())}), tmp_path / "curve.parquet")
    with pytest.raises(UserError, match="column steps is double, not int64"):
        tables.read_table(tmp_path / "curve.parquet", CurvePoint)


@pytest.mark.parametrize("keep", [0, 3, 20, 0.5, -1])
@pytest.mark.parametrize("kind", ["parquet", "npz", "json"])
def test_truncated_files_are_refused_in_one_line(tmp_path, kind, keep):
    path = tmp_path / f"a.{kind}"
    write, read = {
        "parquet": (lambda: tables.write_table(path, POINTS * 50, CurvePoint),
                    lambda: tables.read_table(path, CurvePoint)),
        "npz": (lambda: artefacts.write_npz(path, {"x": np.arange(99)}), lambda: artefacts.read_npz(path)),
        "json": (lambda: artefacts.write_json(path, {"x": [1, 2]}), lambda: artefacts.read_json(path)),
    }[kind]
    write()
    data = path.read_bytes().rstrip(b"\n")
    path.write_bytes(data[:int(len(data) * keep) if isinstance(keep, float) else keep])
    with pytest.raises(UserError, match=path.name) as error:
        read()
    one_line(error)


def test_flipped_bytes_in_an_array_are_noticed(tmp_path):
    path = artefacts.write_npz(tmp_path / "a.npz", {"x": np.arange(99)})
    data = bytearray(path.read_bytes())
    data[400] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(UserError, match="damaged"):
        artefacts.read_npz(path)


def test_pickles_are_never_opened(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.array([{"a": 1}], object))
    with pytest.raises(UserError, match="plain arrays"):
        artefacts.read_npz(tmp_path / "a.npz")


@pytest.mark.parametrize("read", [artefacts.read_json, artefacts.read_npz,
                                  lambda path: tables.read_table(path, CurvePoint)])
def test_a_missing_file_is_one_line(tmp_path, read):
    with pytest.raises(UserError, match="absent: No such file"):
        read(tmp_path / "absent")


# --- atomicity --------------------------------------------------------------------------------------------------------

def test_a_full_disk_leaves_the_old_file(tmp_path, monkeypatch):
    path = artefacts.write_text(tmp_path / "a.txt", "old")

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    for step in ("fsync", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(os, step, full)
            with pytest.raises(UserError, match="cannot write .*a.txt: No space left on device") as error:
                artefacts.write_text(path, "new")
        one_line(error)
        assert path.read_text() == "old"
        assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("write", [lambda path: tables.write_table(path, POINTS * 10_000, CurvePoint),
                                   lambda path: artefacts.write_npz(path, {"x": np.zeros(10**6)}),
                                   lambda path: artefacts.write_json(path, {"x": list(range(10**5))})])
def test_a_device_without_space(tmp_path, monkeypatch, write):
    """Every writer meets a write that fails for lack of space, not only a failing rename."""
    path = artefacts.write_text(tmp_path / "a", "old")
    genuine = open
    monkeypatch.setattr("builtins.open", lambda file, mode="r", *a, **k: genuine(
        "/dev/full" if str(file).endswith(".tmp") else file, "wb" if "x" in mode else mode, *a, **k))
    with pytest.raises(UserError, match="No space left on device") as error:
        write(path)
    one_line(error)
    assert path.read_text() == "old"


def test_an_unwritable_folder_is_one_line(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match="cannot write .*file/a.txt") as error:
        artefacts.write_text(tmp_path / "file" / "a.txt", "new")
    one_line(error)


@pytest.mark.skipif(os.geteuid() == 0, reason="permissions do not stop the superuser")
def test_a_folder_without_permission_is_one_line(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(UserError, match="Permission denied"):
        artefacts.write_text(tmp_path / "a.txt", "new")


def test_an_error_in_the_writer_leaves_no_trace(tmp_path):
    path = artefacts.write_text(tmp_path / "a.txt", "old")
    with pytest.raises(KeyboardInterrupt), artefacts.atomic(path) as file:
        file.write(b"half")
        raise KeyboardInterrupt
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_a_kill_in_mid_write_leaves_the_old_file(tmp_path):
    path = tables.write_table(tmp_path / "curve.parquet", POINTS, CurvePoint)
    program = ("import sys, time\nfrom gmexp import artefacts\n"
               "with artefacts.atomic(sys.argv[1]) as file:\n"
               "    file.write(b'half a file'); file.flush(); print('writing', flush=True); time.sleep(60)\n")
    writer = subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, text=True)
    assert writer.stdout.readline() == "writing\n"
    writer.send_signal(signal.SIGKILL)
    assert writer.wait() == -signal.SIGKILL
    stale = [p for p in tmp_path.iterdir() if p != path]
    assert len(stale) == 1 and stale[0].name.endswith(".gmexp.tmp")
    assert tables.read_records(path, CurvePoint) == POINTS
    assert list(tmp_path.glob("*.parquet")) == [path]
    tables.write_table(path, POINTS[:1], CurvePoint)
    assert tables.read_records(path, CurvePoint) == POINTS[:1]


# --- provenance -------------------------------------------------------------------------------------------------------

def test_the_config_hash_ignores_order_and_sees_values():
    assert artefacts.config_hash({"a": 1, "b": [1, 2]}) == artefacts.config_hash({"b": (1, 2), "a": 1})
    assert artefacts.config_hash({"a": 1}) != artefacts.config_hash({"a": 1.5})
    assert artefacts.config_hash({}) == "44136fa355b3"


def test_provenance_says_where_it_ran():
    assert ORIGIN.command == "test" and ORIGIN.why == "a test"
    assert {"gmexp", "numpy", "scipy"} <= set(ORIGIN.versions)
    assert "cores" in ORIGIN.hardware and ORIGIN.created_utc.endswith("+00:00")


def test_an_installed_copy_has_no_commit(tmp_path):
    """Outside its own checkout the code reports no commit, even inside somebody else's repository."""
    package = Path(artefacts.__file__).parents[2]
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    copy = tmp_path / "site-packages"
    copy.mkdir()
    for name in ("gmexp", "envs/gmexp_envs"):
        subprocess.run(["cp", "-r", str(package / name), str(copy)], check=True)
    found = subprocess.run([sys.executable, "-c", "from gmexp.artefacts import origin; print(origin._checkout())"],
                           env=os.environ | {"PYTHONPATH": str(copy)}, cwd=tmp_path, capture_output=True, text=True,
                           check=True)
    assert found.stdout == "(None, None)\n"


def test_artefacts_import_nothing_heavy():
    program = ("import sys\nimport gmexp.artefacts.tables, gmexp.rates.over_runs\n"
               "print([m for m in ('torch', 'hydra', 'wandb', 'matplotlib', 'pyarrow') if m in sys.modules])")
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True,
                          check=True).stdout == "[]\n"


# --- what is read is what was written ----------------------------------------------------------------------------------

def test_an_artefact_that_was_changed_is_refused(tmp_path):
    path = artefacts.write_json(tmp_path / "a.json", {"rate": 0.25, "runs": [1, 2]}, ORIGIN)
    assert artefacts.read_json(path) == {"rate": 0.25, "runs": [1, 2], "provenance": dataclasses.asdict(ORIGIN)}
    for old, new in (("0.25", "0.52"), ("[\n    1,", "[\n    3,"), ('"a test"', '"another"')):
        changed = tmp_path / "changed.json"
        changed.write_text(path.read_text().replace(old, new))
        assert changed.read_text() != path.read_text()
        with pytest.raises(UserError, match="changed.json was changed after it was written") as error:
            artefacts.read_json(changed)
        one_line(error)
    unsealed = path.read_text().rpartition(',\n  "sha256"')[0] + "\n}\n"
    (tmp_path / "older.json").write_text(unsealed.replace("0.25", "0.5"))
    assert artefacts.read_json(tmp_path / "older.json")["rate"] == 0.5  # older files, and those changed on purpose


def test_what_says_the_same_is_left_alone_with_its_provenance(tmp_path):
    later = dataclasses.replace(ORIGIN, command="again", created_utc="2030-01-01T00:00:00+00:00")
    for write in (lambda origin, x: artefacts.write_json(tmp_path / "a.json", {"x": x}, origin),
                  lambda origin, x: tables.write_table(tmp_path / "a.parquet", POINTS[:x], CurvePoint, origin)):
        path = write(ORIGIN, 1)
        before = path.read_bytes()
        assert write(later, 1).read_bytes() == before
        assert tables.read_provenance(write(later, 2))["command"] == "again"


@pytest.mark.parametrize(("text", "word"), [
    ('{"a": NaN}', "NaN"), ('{"a": 1e999}', "1e999"),
    ('{"a": 99999999999999999999}', "64 bits"), ('{"a": 1, "a": 2}', "twice"),
    ("[" * 100_000, "nested"),
    ('{"a":' * 100 + "1" + "}" * 100, "nested"), ('{"a": "\\ud800"}', "not valid JSON"),
    ("[1]", "object"), ("", "not valid JSON"), ("\ufeff{", "not valid JSON")])
def test_documents_that_could_hurt_are_refused(tmp_path, text, word):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(UserError, match=word) as error:
        artefacts.read_json(tmp_path / "a.json")
    one_line(error)


def test_a_missing_file_is_not_called_bad_json(tmp_path):
    with pytest.raises(UserError, match="No such file") as error:
        artefacts.read_json(tmp_path / "absent.json")
    assert "not valid JSON" not in one_line(error)


@pytest.mark.slow
def test_arrays_that_unpack_to_more_than_they_may_are_refused_unopened(tmp_path):
    with zipfile.ZipFile(tmp_path / "bomb.npz", "w", zipfile.ZIP_DEFLATED) as archive, archive.open(
            "x.npy", "w", force_zip64=True) as member:
        np.lib.format.write_array_header_1_0(member, {"descr": "|u1", "fortran_order": False, "shape": (2**29,)})
        for _ in range(2**29 // 2**20):
            member.write(bytes(2**20))
    assert (tmp_path / "bomb.npz").stat().st_size < 2**20
    with pytest.raises(UserError, match="unpacks to more than 256 MiB"):
        artefacts.read_npz(tmp_path / "bomb.npz")


@pytest.mark.parametrize("header", [
    {"descr": "<f8", "fortran_order": False, "shape": (10**12,)}, {"descr": "<f8", "fortran_order": False, "shape": (-1,)},
    {"descr": "|O", "fortran_order": False, "shape": (1,)}, {"descr": "<c16", "fortran_order": False, "shape": (1,)},
    {"descr": [("a", "<f8"), ("b", "<f8")], "fortran_order": False, "shape": (1,)}])
def test_arrays_that_are_not_what_they_announce_are_refused(tmp_path, header):
    content = io.BytesIO()
    np.lib.format.write_array_header_1_0(content, header)
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("x.npy", content.getvalue() + bytes(16))
    with pytest.raises(UserError, match="damaged"):
        artefacts.read_npz(tmp_path / "a.npz")


def test_only_plain_files_are_opened(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "fifo", tmp_path, Path("/dev/zero")):
        with pytest.raises(UserError, match="no plain file|directory"):
            artefacts.read_bytes(path)


@pytest.mark.parametrize(("text", "word"), [
    ("a;b\n1;2\n", "semicolons"), ("a\tb\n1\t2\n", "tabs"), ("a,a\n1,2\n", "twice"),
    ("a,b\n1\n", "1 cells where the header has 2"),
    ("a,b\n1,2,3\n", "3 cells"), ("", "empty"), ("b\n1\n", "lacks the column 'a'"), ('a\n"1\n', "not a readable CSV")])
def test_tables_of_text_that_are_none(tmp_path, text, word):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(UserError, match=word) as error:
        artefacts.read_csv(tmp_path / "a.csv", required=("a",))
    one_line(error)
