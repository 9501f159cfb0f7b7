"""A short run of the fuzzer over all classes; `make fuzz minutes=10` is the long one. Seeds are printed with every fault."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gmexp import artefacts
from gmexp.support.text import as_value, split_list

from . import classes, commands, harness, study

SEED = 1


@pytest.mark.slow
@pytest.mark.parametrize("name", classes.CLASSES)
def test_no_input_is_a_fault(name):
    (tally,) = harness.run({name: classes.CLASSES[name]}, 1.5, SEED, at_least=25).values()
    assert not tally.faults, tally.examples


@pytest.mark.slow
def test_no_command_line_is_a_fault():
    commands.warm()
    (tally,) = harness.run(commands.CLASSES, 8.0, SEED, at_least=40).values()
    assert not tally.faults, tally.examples


@pytest.mark.slow
def test_no_artefact_of_a_study_is_trusted(tmp_path):
    made = study.make(tmp_path / "whole")
    (tmp_path / "scratch").mkdir()
    act = study.mutations(made, tmp_path / "scratch")
    (tally,) = harness.run({"study": (act, 1.0)}, 8.0, SEED, at_least=80).values()
    assert not tally.faults, tally.examples


def test_the_fuzzer_can_fail():
    def careless(rng):
        {}["absent"]

    (tally,) = harness.run({"careless": (careless, 1.0)}, 0.0, SEED, at_least=3, report=lambda line: None).values()
    assert tally.faults.total() == 3 and "seed 1:careless:0" in next(iter(tally.examples.values()))


JSON = st.recursive(st.none() | st.booleans() | st.integers(-2**63, 2**63 - 1)
                    | st.floats(allow_nan=False, allow_infinity=False)
                    | st.text(st.characters(exclude_categories=["Cs"])), lambda x: st.lists(x) | st.dictionaries(
                        st.text(st.characters(exclude_categories=["Cs"])), x), max_leaves=20)


@pytest.mark.slow
@settings(max_examples=60)
@given(st.dictionaries(st.text("abcdefgh"), JSON))
def test_what_is_written_is_read(document):
    path = Path(classes.FOLDER, "round.json")
    artefacts.write_json(path, document)
    assert artefacts.read_json(path) == document


@given(st.lists(st.text(st.characters(exclude_characters="'\""))))
def test_quoted_entries_of_a_list_stand_as_they_are(entries):
    assert split_list("[" + ",".join(f"'{entry}'" for entry in entries) + "]") == entries


@given(st.text())
def test_text_stands_as_it_is(text):
    assert as_value(str, text) == text
