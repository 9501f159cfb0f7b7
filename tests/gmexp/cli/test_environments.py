"""`gmexp environments` lists every task in its own words."""

import json

import pytest

from gmexp.cli.main import main
from gmexp_envs import TASKS, find_task


def test_every_environment_is_listed(capsys):
    assert main(["environments"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines][:len(TASKS)] == list(TASKS)
    assert main(["environments", "format=json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    for name in TASKS:
        task = find_task(name)
        assert (rows[name]["intended"], rows[name]["proxy"]) == (task.intended.words, task.proxy.words)
        assert list(rows[name]["shifts"]) == ["0", "1", "2", "3", "4"] and "native" in rows[name]["backends"]


@pytest.mark.parametrize("name", TASKS)
def test_one_environment_fits_a_terminal(name, capsys):
    assert main(["environments", f"name={name}"]) == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 110
    task, flat = find_task(name), " ".join(text.split())
    assert all(" ".join(words.split()) in flat for words in (task.intended.words, *(shift.words for shift in task.shifts)))


def test_an_unknown_name_is_one_line(capsys):
    assert main(["environments", "name=chess"]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and "coinrun" in err
