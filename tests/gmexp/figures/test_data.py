"""Each artefact of a study is read once, as records; what is not there is empty."""

import pytest

from gmexp import artefacts
from gmexp.figures import data as module
from gmexp.figures.data import StudyData
from gmexp.rates.intervals import Mean
from gmexp.support.errors import UserError


def test_each_artefact_is_read_once(finished, monkeypatch):
    reads = []

    def read(path, required=()):
        reads.append(path.name)
        return original(path, required)

    original = artefacts.read_json
    monkeypatch.setattr(artefacts, "read_json", read)
    data = StudyData(finished)
    for _ in range(2):
        assert data.index and data.calibration and data.base_rates and data.sensitivity and data.published
    assert sorted(reads) == sorted({*reads})


def test_records_hold_what_the_files_say(finished):
    data = StudyData(finished.root)
    content = artefacts.read_json(finished.calibration)
    assert [shift.type for shift in data.calibration.shifts] == [0, 1, 2, 3, 4]
    assert [(s.quantity, s.mean) for s in data.calibration.summaries] == [(s["quantity"], s["mean"])
                                                                         for s in content["summaries"]]
    assert data.calibration.modifiers[0].settings == (0.3, 0.2, 0.1) and data.calibration.crosses == ()
    assert data.base_rates[2].shift == 3 and data.published[3]["goal_failure"] == 0.55
    assert [condition.label for condition in data.base_rates[0].conditions] == ["delta=0", "delta=0.3"]
    assert data.sensitivity.shift == 3 and data.sensitivity.shares[0]["harm"] == 0.62
    assert data.task.name == "coinrun" and len(data.curves) == len(data.runs) == 8
    assert set(data.conditions.values()) == set(data.model_labels) == {"delta=0", "delta=0.3"}


def test_an_empty_folder_has_nothing(tmp_path):
    data = StudyData(tmp_path)
    assert (data.rates, data.calibration, data.sensitivity) == (None, None, None)
    assert not any((data.index, data.runs, data.cells, data.base_rates, data.between_runs, data.learning, data.curves))
    assert not any(data.measures.values()) and data.record("mean.json", Mean) is None


def test_a_record_of_somebody_elses(tmp_path):
    artefacts.write_json(tmp_path / "mean.json", {"mean": 0.5, "low": 0.25, "high": None, "runs": [0.5, None]})
    assert StudyData(tmp_path).record("mean.json", Mean) == Mean(0.5, 0.25, None, (0.5, None))


@pytest.mark.slow
@pytest.mark.parametrize("change, expected", [
    ({"model": {}}, "lacks model.structure.shifts"),
    ({"summaries": [{"quantity": "capability"}]}, r"summaries\[0\] lacks shift"),
    ({"literature": [{"a0": "much"}]}, r"literature\[0\]"),
])
def test_a_damaged_calibration_is_one_line(study, change, expected):
    artefacts.write_json(study.calibration, artefacts.read_json(study.calibration) | change)
    with pytest.raises(UserError, match=expected) as error:
        assert StudyData(study).calibration
    assert "\n" not in str(error.value) and str(study.calibration) in str(error.value)
    assert module.StudyData(study).rates  # the rest can be read
