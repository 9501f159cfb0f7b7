"""Reading counts: our own schema round-trips, foreign files work, bad data name their row and column."""

import csv
from dataclasses import asdict

import pytest

from gmexp.artefacts.records import OutcomeCounts, column_names
from gmexp.statistics.counts import REQUIRED, read_counts
from gmexp.statistics.simulate import synthetic_counts
from gmexp.support.errors import UserError

ROW = {"run_id": "a", "shift_type": "3", "n_visible": "10", "n_intended": "4", "n_proxy": "5"}


def write(path, rows):
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_csv_and_parquet_round_trip(tmp_path):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    counts = synthetic_counts(runs=2, episodes=20)
    rows = [asdict(c) for c in counts]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "counts.parquet")
    assert read_counts(tmp_path / "counts.parquet") == counts
    assert read_counts(write(tmp_path / "counts.csv", rows)) == counts


def test_a_minimal_foreign_csv(tmp_path):
    record, = read_counts(write(tmp_path / "foreign.csv", [ROW]))
    assert isinstance(record, OutcomeCounts)
    assert (record.shift_name, record.grade, record.probe, record.n_timeout) == ("significant", 1.0, False, 1)
    assert (
        record.train_diversity is record.spec_quality is record.id_capability is record.n_masked is None
    )  # unknown stays unknown
    assert set(REQUIRED) == set(ROW)


@pytest.mark.parametrize("change, fragment", [
    ({"n_visible": "ten"}, "row 2, column n_visible: 'ten' is not a whole number"),
    ({"n_visible": "10.5"}, "row 2, column n_visible"),
    ({"n_proxy": "-1"}, "row 2, column n_proxy: -1 is negative"),
    ({"n_proxy": ""}, "row 2, column n_proxy is empty"),
    ({"n_proxy": "7"}, "row 2"),
    ({"shift_type": "7"}, "row 2, column shift_type: 7 is not a shift type from 0 to 4"),
    ({"train_diversity": "1.2"}, "row 2, column train_diversity: 1.2 is not within 0 to 1"),
    ({"id_capability": "inf"}, "row 2, column id_capability: 'inf' is not a finite number"),
    ({"probe": "maybe"}, "row 2, column probe: 'maybe' is not true or false"),
    ({"n_masked": "5"}, "known together or not at all"), ({"train_steps": "0"}, "leave it empty where it is unknown"),
    ({"n_masked": "5", "masked_intended": "3", "masked_proxy": "3"}, "exceed n_masked = 5"),
    ({"n_harmful": "6"}, "n_harmful = 6"),
    ({"n_distinguishing": "3"}, "n_distinguishing = 3"),
    ({"run_id": "a"}, "row 2 repeats row 1"),
])
def test_bad_values_name_row_and_column(tmp_path, change, fragment):
    good = {**ROW, "train_diversity": "0.1", "id_capability": "", "probe": "false", "n_harmful": "", "n_distinguishing": "",
            "n_masked": "", "masked_intended": "", "masked_proxy": "", "train_steps": ""}
    path = write(tmp_path / "bad.csv", [good, {**good, "run_id": "b", **change}])
    with pytest.raises(UserError) as caught:
        read_counts(path)
    assert fragment in str(caught.value) and "bad.csv" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("column", REQUIRED)
def test_a_missing_column_is_named(tmp_path, column):
    with pytest.raises(UserError, match=f"lacks the column '{column}'"):
        read_counts(write(tmp_path / "short.csv", [{k: v for k, v in ROW.items() if k != column}]))


def test_a_misspelt_column_suggests_the_right_one(tmp_path):
    with pytest.raises(UserError, match="did you mean train_diversity"):
        read_counts(write(tmp_path / "typo.csv", [{**ROW, "train_diversty": "0.3"}]))


def test_unrelated_extra_columns_are_ignored_with_a_notice(tmp_path, capsys):
    assert len(read_counts(write(tmp_path / "extra.csv", [{**ROW, "zz": "hello"}]))) == 1
    assert "zz" in capsys.readouterr().err


def test_counts_of_the_first_edition_are_read_with_one_line(tmp_path, capsys):
    old = {
        "run_id": "a",
        "shift_type": "3",
        "n_episodes": "10",
        "n_intended": "4",
        "n_proxy": "5",
        "n_separated": "10",
        "capability_level": "",
        "spurious_corr": "1",
        "gate_passed": "true",
        "align_method": "behavioral_cloning_of_proxy",
    }
    record, = read_counts(write(tmp_path / "old.csv", [old]))
    assert (record.n_visible, record.n_distinguishing, record.n_masked) == (10, 10, None)
    assert (record.align_method, record.demonstrator) == ("behavioral_cloning", "proxy")
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize("mark, word", [(";", "semicolons"), ("\t", "tabs")])
def test_other_separators_are_named(tmp_path, mark, word):
    (tmp_path / "counts.csv").write_text(mark.join(ROW) + "\n" + mark.join(ROW.values()) + "\n")
    with pytest.raises(UserError, match=word):
        read_counts(tmp_path / "counts.csv")


def test_files_that_are_not_counts(tmp_path):
    with pytest.raises(UserError, match="no counts at"):
        read_counts(tmp_path / "absent.csv")
    with pytest.raises(UserError, match="no counts at"):
        read_counts(tmp_path / "absent.parquet")
    (tmp_path / "broken.parquet").write_bytes(b"not parquet")
    with pytest.raises(UserError, match="damaged or not parquet"):
        read_counts(tmp_path / "broken.parquet")
    (tmp_path / "empty.csv").write_text(",".join(REQUIRED) + "\n")
    with pytest.raises(UserError, match="no rows"):
        read_counts(tmp_path / "empty.csv")
    (tmp_path / "ragged.csv").write_text(",".join(REQUIRED) + "\na,1,2,1,1,9,9\n")
    with pytest.raises(UserError, match="row 1 has 7 cells where the header has 5"):
        read_counts(tmp_path / "ragged.csv")
    (tmp_path / "short.csv").write_text(",".join(REQUIRED) + "\na,1,2\n")
    with pytest.raises(UserError, match="row 1 has 3 cells where the header has 5"):
        read_counts(tmp_path / "short.csv")
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(UserError, match="UTF-8|readable CSV|lacks the column"):
        read_counts(tmp_path / "binary.csv")


def test_the_schema_is_the_record():
    assert column_names(OutcomeCounts)[0] == "experiment_id" and len(column_names(OutcomeCounts)) == 33
