"""Several studies as one: every run once, and what their calibration is asked."""

import json
import shutil
from dataclasses import replace

import pytest

from gmexp import artefacts
from gmexp.artefacts import tables
from gmexp.artefacts.records import OutcomeCounts
from gmexp.artefacts.study import Study
from gmexp.calculator import pooling
from gmexp.calculator.domains import CAVEAT
from gmexp.cli.main import main
from gmexp.figures.data import StudyData
from gmexp.pages import headline
from gmexp.statistics.plan import ROUGH
from gmexp.statistics.simulate import synthetic_counts
from gmexp.support.errors import UserError

from ..tiny import SAMPLER

ROWS = [replace(row, config_hash=f"hash of {row.run_id}", env="coinrun")
        for row in synthetic_counts(runs=6, shifts=(0, 3, 4))]


def write(folder, rows):
    tables.write_table(Study(folder).counts, rows, OutcomeCounts)
    return folder


def test_a_run_of_two_studies_counts_once(tmp_path):
    copied = [row for row in ROWS if row.train_diversity == 0]
    again = [replace(row, experiment_id="second") for row in copied]
    other = [replace(row, run_id="new", config_hash="new", experiment_id="second") for row in copied
             if row.run_id == copied[0].run_id]
    assert pooling.pool([write(tmp_path / "a", ROWS), write(tmp_path / "b", copied + other)]) == [*ROWS, *other]
    assert pooling.pool([tmp_path / "a", write(tmp_path / "c", again)]) == ROWS  # trained in both, counted under the first
    assert {row.run_id for row in pooling.pool([tmp_path / "c", tmp_path / "a"])} == {row.run_id for row in ROWS}


def test_of_two_evaluations_the_longer_counts_and_contradictions_are_refused(tmp_path):
    row = next(row for row in ROWS if row.n_proxy)
    longer = replace(row, n_visible=row.n_visible + 100, n_death=row.n_death + 100)
    studies = [write(tmp_path / "a", [row]), write(tmp_path / "b", [longer])]
    assert pooling.pool(studies) == [longer] == pooling.pool(studies[::-1])
    write(tmp_path / "c", [replace(row, n_proxy=row.n_proxy - 1, n_intended=row.n_intended + 1)])
    for name, shifts in (("a", [0, 3]), ("c", [0, 3, 4])):  # other cells beside it: other luck, not a contradiction
        artefacts.write_json(Study(tmp_path / name).index, {"experiment": name, "runs": [],
                                                            "config": {"evaluation": {"shifts": shifts}}})
    assert pooling.pool([tmp_path / "a", tmp_path / "c"]) == [row]
    shutil.copy(Study(tmp_path / "a").index, Study(tmp_path / "c").index)
    with pytest.raises(UserError, match=f"{row.run_id} has other outcomes in"):
        pooling.pool([tmp_path / "a", tmp_path / "c"])


def test_counts_without_a_hash_are_told_apart_by_their_experiment(tmp_path):
    foreign = [replace(row, config_hash="") for row in ROWS]
    again = [replace(row, experiment_id="another") for row in foreign]
    assert len(pooling.pool([write(tmp_path / "a", foreign), write(tmp_path / "b", again)])) == 2 * len(ROWS)


@pytest.mark.slow
def test_calibrating_several_studies_leaves_what_their_page_needs(tmp_path, capsys, study, monkeypatch):
    monkeypatch.setattr(pooling, "SIMULATIONS", 4)
    half = len(ROWS) // 2
    studies = [write(tmp_path / name, rows) for name, rows in (("a", ROWS[:half]), ("b", ROWS[half:]))]
    root = study.root.parent
    out = root / "calibration" / "calibration.json"
    assert main(["calibrate", f"studies=[{studies[0]},{studies[1]}]", f"out={out}", *SAMPLER, "chains=4",
                 "draws=150", "kept=300"]) == 0
    assert json.loads(out.read_text())["draws"]["n"] == 300
    assert tables.read_records(out.with_name("counts.parquet"), OutcomeCounts) == ROWS
    domains = artefacts.read_json(out.with_name("domains.json"))
    assert len(domains["domains"]) == 5 and domains["caveat"] == CAVEAT
    for domain in domains["domains"]:
        assert domain["interval"][0] < domain["calibrated"][0] <= domain["calibrated"][1] < domain["interval"][1]
    plan = artefacts.read_json(out.with_name("plan.json"))["candidates"]
    assert plan == sorted(plan, key=lambda c: (c["ess"] < ROUGH, c["expected_width"]))  # rough guesses last
    assert {c["shift"] for c in plan} <= {3, 4, 1, 2}

    (study.root / "README.md").write_text("# Synthetic: a question?\n\n**Answer.** Yes & no.\n")
    capsys.readouterr()
    assert main(["report", f"results={root}"]) == 0
    page = (root / "report.html").read_text()
    for text in ("Synthetic: a question?", "Yes &amp; no.", "Domain scenarios", "Flaws of the published model",
                 "Which further runs", "Content Moderation", "data:image/gif", "What is shifted"):
        assert text in page, text
    assert "src=\"http" not in page and "<link" not in page and "@import" not in page
    table = (root / "headline.md").read_text()
    assert table == headline.table(StudyData(Study(root / "calibration"))) and table.count("\n") == 2 + 2 * 3
    before = page
    assert main(["report", f"results={root}"]) == 0
    assert (root / "report.html").read_text() == before


@pytest.mark.parametrize("arguments, expected", [
    (["calibrate", "out=c.json"], "give either counts="),
    (["calibrate", "counts=a.csv", "studies=[b]", "out=c.json"], "give either counts="),
    (["calibrate", "studies=[/nowhere]", "out=c.json"], "/nowhere"), (["report"], "give either study="),
    (["report", "results=/nowhere"], "/nowhere"), (["calibrate", "counts=a.csv", "out=c.json", "kept=1"], "kept = 1"),
])
def test_bad_input_is_one_line(arguments, expected, capsys):
    assert main(arguments) == 2
    err = capsys.readouterr().err
    assert expected in err and err.count("\n") == 1


def test_a_folder_without_studies_is_one_line(tmp_path, capsys):
    assert main(["report", f"results={tmp_path}"]) == 2
    assert "holds no studies" in capsys.readouterr().err
