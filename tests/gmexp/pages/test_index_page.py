"""The page over all studies: whole, self-contained, in order, no wider than a phone."""

import json
import shutil

import pytest

from gmexp import artefacts
from gmexp.artefacts.study import Study
from gmexp.cli.main import main
from gmexp.figures import base_rates, rates
from gmexp.figures.catalogue import draw_all
from gmexp.figures.data import StudyData
from gmexp.pages import headline, index_page
from gmexp.pages.index_page import build, found_studies
from gmexp.pages.report import report_all
from gmexp.rates import over_runs
from gmexp.support.errors import UserError

from ..fabricate import fabricate, fabricate_model
from .chromium import console, laid_out, reached_and_read
from .test_study_page import Page


@pytest.fixture(scope="module")
def results(finished, tmp_path_factory):
    """Two studies, of which the README names the second first, and a pooled calibration."""
    root = tmp_path_factory.mktemp("results")
    for name in ("alpha", "beta"):
        shutil.copytree(finished.root, root / name)
    (root / "README.md").write_text("# Results\n\nSee [beta](beta/README.md).\n")
    (root / "beta" / "README.md").write_text("# The second study: what for\n\nIt **asks**.\n")
    pooled = Study(root / index_page.POOLED)
    for path in (finished.calibration, finished.estimate, finished.sensitivity):
        artefacts.write_bytes(pooled.root / path.name, path.read_bytes())
    shutil.copytree(finished.figures, pooled.figures)
    build(root)
    return root


@pytest.fixture(scope="module")
def page(results) -> Page:
    return Page((results / "report.html").read_text())


@pytest.mark.slow
def test_it_is_well_formed_and_needs_nothing_else(page):
    of_studies = ("alpha/report.html", "beta/report.html")  # which are written with it
    assert all(link.startswith(("data:", "#", *of_studies)) for link in page.links)
    ids = {attributes["id"] for tag, attributes in page.tags if tag == "section"}
    links = {link[1:] for link in page.links if link.startswith("#")}
    assert ids <= links <= {attributes["id"] for _, attributes in page.tags if "id" in attributes}
    assert any(link.startswith("beta/report.html#run-") for link in page.links)
    assert not any(tag in ("script", "link", "iframe") for tag, _ in page.tags)


@pytest.mark.slow
def test_studies_stand_in_the_order_of_the_readme(results, page):
    assert [study.root.name for study in found_studies(results)] == ["beta", "alpha"]
    sections = [attributes["id"] for tag, attributes in page.tags if tag == "section"]
    assert sections.index("study-beta") < sections.index("study-alpha")
    assert "The second study: what for" in page.text and "asks" in page.text


@pytest.mark.slow
def test_figures_stand_by_rank(results):
    figures = [figure.name for figure in index_page._ranked(StudyData(results / "alpha"))]
    assert figures.index("diversity") < figures.index("grades") < figures.index("rates")
    assert "training" not in figures and "forest" not in figures


@pytest.mark.slow
def test_a_study_without_shifts_is_about_training(results, tmp_path):
    study = Study(shutil.copytree(results / "alpha", tmp_path / "study"))
    content = artefacts.read_json(study.rates)
    content["cells"] = [cell for cell in content["cells"] if cell["shift_type"] == 0]
    artefacts.write_json(study.rates, content)
    assert index_page._ranked(StudyData(study))[0].name == "training"


@pytest.mark.slow
def test_the_headline_is_the_pooled_estimate(results):
    pooled = StudyData(results / index_page.POOLED)
    lines = headline.table(pooled).splitlines()
    assert lines[0].split(" | ")[-1] == "measured, δ = 0.3 |"
    rate = pooled.base_rates[2].conditions[1].goal_failure
    (row,) = (line for line in lines if line.startswith("| 3 significant | goal failure"))
    assert row.endswith(f"| 0.55 | {rate.mean:.2f} [{rate.q025:.2f}, {rate.q975:.2f}] "
                        f"| {rate.mean:.2f} [{rate.q025:.2f}, {rate.q975:.2f}] |")
    assert (results / "headline.md").read_text() == headline.table(pooled)
    assert (results / "figures" / "headline.png").exists()


@pytest.mark.slow
def test_of_several_environments_the_headline_says_where_they_lie(results, tmp_path):
    root = shutil.copytree(results / index_page.POOLED, tmp_path / "pooled")
    content = json.loads((root / "calibration.json").read_text())
    first = [condition | {"align_method": "standard"} for condition in content["model"]["structure"]["conditions"]]
    at = [condition["train_diversity"] for condition in first].index(0.0)
    content["model"]["structure"]["conditions"] = [*first, first[at] | {"env": "tetris"}]
    content["summaries"] += [{**row, "condition": len(first), "mean": 0.12} for row in content["summaries"]
                             if row["condition"] == at and row["kind"] == "this_setup"]
    content["environments"] = {"next": [
        {"quantity": name, "shift": shift, "kind": "next_environment", "q025": 0.01, "q50": 0.4, "q975": 0.96}
        for name in ("capability", "goal_failure", "realised") for shift in range(5)]}
    (root / "calibration.json").write_text(json.dumps(content))
    lines = headline.table(StudyData(root)).splitlines()
    assert "| shift | probability of | published | 2 environments | the next one |" in lines
    assert lines[0].startswith("| environment | rewarded, or what went with it | goal failure, δ = 0 |")
    assert [line.split(" | ")[0] for line in lines[2:4]] == ["| coinrun", "| tetris"]  # the greatest goal failure first
    assert lines[3].startswith("| tetris | clearing lines, or pausing so as not to lose | 0.12 [")
    assert lines[3].split(" | ")[3] == "–"  # nothing was trained there at 0.3
    own = next(row["mean"] for row in content["summaries"]
               if (row["quantity"], row["shift"], row["condition"], row["kind"]) == ("goal_failure", 3, at, "this_setup"))
    row = next(line for line in lines if line.startswith("| 3 significant | goal failure, if capable"))
    assert row.endswith(f"| 0.55 | 0.12 to {own:.2f}, median {(own + 0.12) / 2:.2f} | 0.40 [0.01, 0.96] |")


@pytest.mark.slow
def test_captions_are_those_of_the_figures(page):
    text = " ".join(page.text)
    assert base_rates.FIGURE.caption in text and rates.FIGURE.caption in text


def test_a_folder_without_studies_is_one_line(tmp_path):
    with pytest.raises(UserError, match="holds no studies"):
        build(tmp_path)


def test_report_needs_a_study_or_results(capsys):
    assert main(["report"]) == 2
    assert "give either study=... or results=..." in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("width", [390, 1400])
def test_nothing_is_wider_than_the_screen(results, tmp_path, width):
    wide, cut, tables = laid_out((results / "report.html").read_text(), width, tmp_path)
    assert wide <= width and tables >= 5
    assert cut == 0 or width > 390  # on a phone no table is cut


@pytest.mark.slow
def test_keyboard_contrast_and_console(results, tmp_path):
    """Everything that can be opened can be reached, text stands out by 4.5 at least, and nothing goes wrong."""
    page = (results / "report.html").read_text()
    assert reached_and_read(page, tmp_path) == {"poor": [], "skipped": []}
    assert console(page, tmp_path) == []


@pytest.mark.slow
def test_several_environments_stand_side_by_side_and_the_page_stays_small(results, tmp_path):
    for name, env in (("alpha", "coinrun"), ("gamma", "maze"), ("delta", "boat_race")):
        study = fabricate(tmp_path / name, slots=4, per_slot=10, env=env)
        over_runs.build(study.root)
        draw_all(study.root, ["svg"])
    shutil.copytree(results / index_page.POOLED, tmp_path / index_page.POOLED)
    studies, pooled = list(map(StudyData, found_studies(tmp_path))), StudyData(tmp_path / index_page.POOLED)
    text = index_page.page(tmp_path, studies, pooled)
    page = Page(text)
    assert len(text) < 3e6 and page.text.count("Rewarded: the cheese. Decoy: the corner.") == 1
    assert "Goal failure under shift 3 significant, by environment" in page.text
    wide, cut, _ = laid_out(text, 390, tmp_path / "browser")
    assert wide <= 390 and cut == 0


@pytest.mark.slow
def test_studies_of_an_environment_that_is_not_known_here(tmp_path):
    """Other people's counts, or those of a plugin that is not installed: reported in general words."""
    for name in ("mine", index_page.POOLED):
        study = fabricate(tmp_path / name, slots=4, per_slot=10, env="my_game")
        over_runs.build(study.root)
        fabricate_model(study)
    study.index.unlink()  # the pool is no study
    pages = report_all(tmp_path)
    for path in (Study(tmp_path / "mine").report, tmp_path / "report.html"):
        text = path.read_text(encoding="utf-8")
        assert path in pages and "my game" in text and "the intended goal" in text
