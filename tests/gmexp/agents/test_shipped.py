"""The agent that comes with the package: it loads, it is what its run.json says, and it does what its counts say."""

import numpy as np
import pytest

from gmexp import artefacts
from gmexp.agents import shipped
from gmexp.agents.checkpoint import load_checkpoint
from gmexp.artefacts.study import Study
from gmexp.cli.config import load
from gmexp.cli.main import main
from gmexp.statistics.counts import read_counts
from gmexp.support.errors import UserError


def test_it_is_the_run_that_its_files_say_and_small():
    checkpoint = load_checkpoint("shipped")
    about = artefacts.read_json(shipped.FOLDER / "run.json", required=("meta", "config", "provenance"))
    said = about["meta"]
    assert checkpoint.meta.run_id == said["run_id"] and checkpoint.meta.config_hash == said["config_hash"]
    assert (said["train_seed"], said["train_diversity"], said["train_steps"]) == (0, 0, 1_000_000)
    assert about["provenance"]["git_sha"] and about["provenance"]["dirty"] is False
    assert checkpoint.network.state_dict() and {row.run_id for row in read_counts(shipped.counts())} == {said["run_id"]}
    assert sum(path.stat().st_size for path in shipped.FOLDER.iterdir()) < 1.6e6


def test_it_is_copied_to_where_it_may_be_written_to(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert shipped.writable("outputs/mine") == "outputs/mine"
    load_checkpoint("shipped")
    assert not list(tmp_path.iterdir())
    folder = shipped.writable("shipped")
    assert load_checkpoint(folder).meta == load_checkpoint("shipped").meta
    assert [run.run_id for run in Study(shipped.COPY).gather()] == [folder.name]


def test_it_is_what_verbs_take_where_no_run_is_named():
    assert load("evaluate").run == load("measure").run == shipped.SHIPPED
    with pytest.raises(UserError, match="no checkpoint shipped"):
        load_checkpoint("./shipped")


@pytest.mark.slow
def test_it_does_what_its_counts_say(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["evaluate"]) == 0 and main(["rates", "study=outputs/shipped"]) == 0
    stated = {(row.shift_type, row.probe): row for row in read_counts(shipped.counts())}
    again = {(row.shift_type, row.probe): row for row in read_counts(Study(shipped.COPY).counts)}
    assert stated.keys() == again.keys() and len(stated) == 7
    for cell, row in stated.items():  # another processor's last bits may send an episode elsewhere
        before, now = ([getattr(each, name) for name in ("n_intended", "n_proxy", "masked_intended", "masked_proxy")]
                       for each in (row, again[cell]))
        assert np.abs(np.subtract(before, now)).max() <= 6, cell
    row = stated[3, False]
    assert row.capability > 0.5 and row.goal_failure > 0.9 and row.realised > 0.35
    assert stated[0, False].n_distinguishing == 0


@pytest.mark.slow
def test_it_is_watched_at_once(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["watch", "episodes=1", "levels=16", "size=96", "format=sheet", "outcomes=[PROXY_GOAL]"]) == 0
    assert list(tmp_path.rglob("sheet.png"))
