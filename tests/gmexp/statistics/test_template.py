"""The template is a CSV that is taken as it is; wrong separators and cells are pointed at."""

import pytest

from gmexp.cli.main import main
from gmexp.statistics.counts import KINDS, REQUIRED, read_counts
from gmexp.statistics.template import COLUMNS, explained, template
from gmexp.support.errors import UserError


def saved(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def test_the_template_is_taken_as_it_is(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["calibrate", "--template"]) == 0
    printed = capsys.readouterr()
    assert printed.out == template() and printed.err.strip() == explained() and not list(tmp_path.iterdir())
    rows = read_counts(saved(tmp_path / "mine.csv", printed.out))
    assert len(rows) == 4 and {row.shift_type for row in rows} == {0, 3} and len({row.run_id for row in rows}) == 2
    assert all(row.capability is not None and row.goal_failure is not None for row in rows if row.shift_type == 3)
    assert rows[0].n_masked is None


def test_its_columns_are_known_and_explained(capsys):
    assert main(["evaluate", "--template"]) == 2 and "gmexp calibrate --template > mine.csv" in capsys.readouterr().err
    assert set(REQUIRED) <= set(COLUMNS) <= set(KINDS) and explained().count("(required)") == len(REQUIRED)


@pytest.mark.parametrize("change, expected", [
    (lambda text: text.replace(",", ";"), "separates its columns by semicolons: use commas"),
    (lambda text: text.replace(",", "\t"), "separates its columns by tabs: use commas"),
    (lambda text: "\n".join([text.splitlines()[0], *(row.replace(",", ";") for row in text.splitlines()[1:])]),
     "row 1 has 1 cells where the header has 15; it separates them by semicolons: use commas"),
    (lambda text: text.replace("my_learner,1,0,1,3,", 'my_learner,1,"0,3",1,3,'),
     "row 2, column train_diversity: '0,3' is not a finite number: write decimals with a point"),
    (lambda text: text.replace("200,42,97,", "200,142,97,"), "row 2: run example-1"),
    (lambda text: text.replace("example-2", "example-1"), "row 3 repeats row 1"),
])
def test_what_is_wrong_is_pointed_at(change, expected, tmp_path):
    with pytest.raises(UserError, match=expected.replace("(", "\\(")):
        read_counts(saved(tmp_path / "mine.csv", change(template())))
