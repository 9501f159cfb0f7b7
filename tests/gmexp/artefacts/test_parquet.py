"""Our parquet files are everybody's and theirs are ours, with pyarrow as the oracle; what is damaged is said to be."""

import io
import math
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gmexp.artefacts.parquet import Damaged, decoded, encoded
from gmexp.artefacts.parquet.encodings import hybrid, to_hybrid
from gmexp.artefacts.table import Table, column_of

MOST = 2**26
RESULTS = Path(__file__).parents[3] / "results"
COLUMNS = {
    "int64": st.integers(-2**63 + 1, 2**63 - 1) | st.integers(0, 3),
    "double": st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from([0.0, -0.0, 1.5]),
    "string": st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.sampled_from(["run", "läuft", ""]),
    "bool": st.booleans(),
}


def column(kind: str, size: int):
    return st.tuples(st.just(kind), st.booleans().flatmap(
        lambda nullable: st.lists(st.none() | COLUMNS[kind] if nullable else COLUMNS[kind], min_size=size, max_size=size)))


tables = st.integers(0, 40).flatmap(lambda size: st.lists(
    st.sampled_from([*COLUMNS]).flatmap(lambda kind: column(kind, size)), min_size=1, max_size=4))


def alike(one, other) -> bool:
    """Equal, and -0.0 is not 0.0."""
    return one == other and all(math.copysign(1, a) == math.copysign(1, b) for a, b in zip(one, other, strict=True)
                                if isinstance(a, float))


def read_by_arrow(data: bytes) -> pa.Table:
    table = pq.ParquetFile(io.BytesIO(data), page_checksum_verification=True).read()
    table.validate(full=True)
    return table


@pytest.mark.slow
@given(tables)
@settings(deadline=None)
def test_what_is_written_is_read_by_both(columns):
    table = Table({f"c{i}": column_of(values, kind) for i, (kind, values) in enumerate(columns)}, {"note": "ä"})
    data = encoded(table, {name: any(v is None for v in table[name].to_pylist()) for name in table.column_names})
    back, arrow = decoded(data, MOST), read_by_arrow(data)
    assert back.metadata == {"note": "ä"} and arrow.schema.metadata[b"note"].decode() == "ä"
    for name in table.column_names:
        assert alike(back[name].to_pylist(), table[name].to_pylist())
        assert alike(arrow[name].to_pylist(), table[name].to_pylist())
        assert str(arrow[name].type) == table[name].type and back[name].type == table[name].type


@pytest.mark.slow
@given(tables, st.sampled_from(["NONE", "SNAPPY", "GZIP", "ZSTD"]), st.booleans(), st.sampled_from(["1.0", "2.0"]),
       st.sampled_from(["1.0", "2.6"]), st.integers(1, 50))
@settings(deadline=None)
def test_what_others_write_is_read(columns, compression, dictionary, pages, version, group):
    types = {"int64": pa.int64(), "double": pa.float64(), "string": pa.string(), "bool": pa.bool_()}
    table = pa.table({f"c{i}": pa.array(values, types[kind]) for i, (kind, values) in enumerate(columns)})
    file = io.BytesIO()
    pq.write_table(table, file, compression=compression, use_dictionary=dictionary, data_page_version=pages, version=version,
                   row_group_size=group, column_encoding=None, write_page_checksum=dictionary)
    found = decoded(file.getvalue(), MOST)
    assert all(alike(found[name].to_pylist(), table[name].to_pylist()) for name in table.column_names)


@pytest.mark.slow
@given(st.lists(st.lists(st.integers(-2**63, 2**63 - 1) | st.integers(0, 2), max_size=4), max_size=20))
@settings(deadline=None)
def test_lists_are_read_by_both(lists):
    table = Table({"facts": column_of(lists, "list<int64>")})
    data = encoded(table, {"facts": False})
    assert decoded(data, MOST)["facts"].to_pylist() == read_by_arrow(data)["facts"].to_pylist() == lists
    file = io.BytesIO()
    pq.write_table(pa.table({"facts": pa.array(lists, pa.list_(pa.int64()))}), file, row_group_size=3)
    assert decoded(file.getvalue(), MOST)["facts"].to_pylist() == lists


@pytest.mark.parametrize("kind, values", [
    (pa.int8(), [-3, 4]), (pa.uint16(), [1, 65535]), (pa.uint32(), [1, 2**32 - 1]), (pa.uint64(), [1, 2**62]),
    (pa.float32(), [0.5, 2.0]), (pa.null(), [None, None]), (pa.large_string(), ["a", "b"])])
def test_other_widths(kind, values):
    file = io.BytesIO()
    pq.write_table(pa.table({"x": pa.array(values, kind)}), file)
    assert decoded(file.getvalue(), MOST)["x"].to_pylist() == values


@pytest.mark.parametrize("kind, values, words", [
    (pa.decimal128(9, 2), [1, 2], "neither numbers nor text"), (pa.uint64(), [2**64 - 1, 0], "63 bits"),
    (pa.list_(pa.string()), [["a"], []], "lists of string"), (pa.struct([("a", pa.int64()), ("b", pa.int64())]), [None] * 2,
                                                             "nested"),
    (pa.list_(pa.int64()), [None, [1]], "lacks a list"), (pa.list_(pa.int64()), [[None], [1]], "lacks a list"),
    (pa.binary(), [b"\xff", b"a"], "utf-8")])
def test_what_is_not_read_is_said(kind, values, words):
    file = io.BytesIO()
    pq.write_table(pa.table({"x": pa.array(values, kind)}), file)
    with pytest.raises(ValueError, match=words):
        decoded(file.getvalue(), MOST)


def test_other_encodings_and_compressions_are_named():
    for options, words in (({"compression": "LZ4"}, "lz4"),
                           ({"use_dictionary": False, "column_encoding": "DELTA_BINARY_PACKED"}, "encoded in a way")):
        file = io.BytesIO()
        pq.write_table(pa.table({"x": [1, 2, 3]}), file, **options)
        with pytest.raises(Damaged, match=words):
            decoded(file.getvalue(), MOST)


@given(st.integers(1, 20), st.lists(st.integers(0, 2**20 - 1)), st.integers(1, 60))
def test_runs_and_packed_bits(width, numbers, repeat):
    values = np.repeat(np.array(numbers, np.int64) % (1 << width), repeat)
    assert (hybrid(to_hybrid(values, width), width, len(values)) == values).all()


# --- damaged and hostile files ----------------------------------------------------------------------------------------

def small() -> bytes:
    table = Table({"x": column_of([1, 2, 2, 2, None, 7], "int64"), "s": column_of(list("aabbcc"), "string"),
                   "f": column_of([[1, 2], [], [3], [], [], [4]], "list<int64>")}, {"k": "v"})
    return encoded(table, {"x": True, "s": False, "f": False})


def outcome(data: bytes):
    """What is read, or None where it is refused as everything damaged is."""
    try:
        return decoded(data, MOST).to_pydict()
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, OverflowError):
        return None


def test_every_cut_is_noticed():
    data = small()
    assert outcome(data) is not None
    assert all(outcome(data[:size]) is None for size in range(len(data)))


@pytest.mark.slow
def test_flipped_bits_are_noticed_in_every_page():
    """The description at the end has no checksum: there, a flipped bit may change a name, but breaks nothing else."""
    data, right = small(), outcome(small())
    pages = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    for at in range(len(data)):
        for bit in (0, 3, 7):
            changed = bytearray(data)
            changed[at] ^= 1 << bit
            found = outcome(bytes(changed))
            if at < pages and found is not None:
                assert found == right, at


@given(st.binary(max_size=200))
@settings(deadline=None)
def test_anything_between_the_magic_words_is_refused(content):
    outcome(b"PAR1" + content + len(content).to_bytes(4, "little") + b"PAR1")


def test_a_file_that_unpacks_to_more_than_it_may_is_refused():
    table = Table({"x": column_of(np.zeros(2**16, np.int64), "int64")})
    data = encoded(table, {"x": False})
    assert len(data) < 400
    with pytest.raises(Damaged, match="more"):
        decoded(data, 2**16)


def test_all_committed_tables_are_read_as_arrow_reads_them():
    for path in sorted(RESULTS.glob("*/counts.parquet")):
        assert decoded(path.read_bytes(), MOST).to_pydict() == pq.read_table(path).to_pydict()
