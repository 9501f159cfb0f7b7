"""The page is whole, self-contained and safe, and says what the artefacts say."""

import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from gmexp import artefacts
from gmexp.calculator import Calculator, Scenario
from gmexp.calculator.calibrated import SHIPPED
from gmexp.figures import catalogue, rates
from gmexp.figures.data import StudyData
from gmexp.pages import study_page
from gmexp.pages.calculator_page import DRAWS
from gmexp.pages.html import Html, element, table
from gmexp.rates.over_runs import rates_of, read_rates
from gmexp.statistics.calibration import Calibration
from gmexp.statistics.counts import read_counts
from gmexp.support.errors import UserError

from .chromium import console, laid_out, reached_and_read, run_in_page

VOID = {"img", "br", "meta", "input", "source"}
HOSTILE = "<script>alert(1)</script> & \"quoted\" 'too'"


class Page(HTMLParser):
    """Checks nesting and collects what the page refers to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.stack, self.tags, self.links, self.text, self.styles = [], [], [], [], []
        self.feed(text)
        assert not self.stack, f"unclosed {self.stack}"

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.links += [value for key, value in attrs if key in ("src", "href", "srcset")]
        if tag not in VOID:
            self.stack.append(tag)

    def handle_endtag(self, tag):
        assert self.stack.pop() == tag

    def handle_data(self, data):
        (self.styles if self.stack and self.stack[-1] == "style" else self.text).append(data)


@pytest.fixture(scope="module")
def page(finished) -> Page:
    return Page(finished.report.read_text())


def test_it_is_well_formed_and_needs_nothing_else(page):
    films = re.compile(r"runs/[\w.-]+/episodes/[\w.-]+")  # which load when they are played
    for link in page.links:
        assert link.startswith("data:") or link.startswith("#") or films.fullmatch(link)
    assert "@import" not in "".join(page.styles) and "url(" not in "".join(page.styles)
    assert not any(tag in ("script", "link", "iframe") for tag, _ in page.tags)


@pytest.mark.slow
def test_first_events_are_marked_and_both_arms_lead_where_they_were_played(study):
    """The same study in both editions: its counts, and with a masked arm beside them."""
    assert "First edition, first events" in study_page.page(StudyData(study))
    counts = [replace(row, n_masked=row.distinguishing, masked_intended=0,
                      masked_proxy=(row.distinguishing + row.n_proxy) // 2) for row in read_counts(study.counts)]
    found = rates_of(counts, StudyData(study).conditions)
    artefacts.write_json(study.rates, artefacts.plain(found), artefacts.provenance(None, {}, "with a masked arm"))
    data = StudyData(study)
    text = study_page.page(data)
    assert "First edition" not in text and "Rates of every cell, from both arms" in text
    assert "without seeing the coin" in text
    (cell,) = [c for c in data.cells if (c.condition, c.shift_type) == ("delta=0.3", 3)]
    assert f"{cell.goal_failure.mean:.0%}" in text and "By first events, accidents included" in text
    (change,) = [c for c in found.contrasts if (c.metric, c.shift_type, c.probe) == ("goal_failure", 3, False)]
    assert change.paired and f"{100 * abs(change.difference):.0f} points lower" in text


def test_every_anchor_has_a_target(page):
    ids = {attributes["id"] for _, attributes in page.tags if "id" in attributes}
    links = {link[1:] for link in page.links if link.startswith("#")}
    assert links <= ids
    assert {attributes["id"] for tag, attributes in page.tags if tag == "section"} <= links
    assert {link for link in links if link.startswith("run-")} == {i for i in ids if i.startswith("run-")} != set()


def test_pictures_are_embedded_and_described(page):
    pictures = [attributes for tag, attributes in page.tags if tag == "img"]
    kinds = [re.match(r"data:([\w/+-]+)[;,]", picture["src"])[1] for picture in pictures]
    drawn = [attributes for tag, attributes in page.tags if tag == "svg" and attributes.get("role") == "img"]
    assert kinds.count("image/gif") == 4 and kinds.count("image/svg+xml") + len(drawn) >= 5
    assert all(picture["alt"] for picture in pictures if picture["src"].startswith("data:"))
    assert all(picture.get("class") == "sketch" or picture["aria-label"] for picture in drawn)


def test_the_numbers_are_those_of_the_artefacts(finished, page):
    text = " ".join(page.text)
    for cell in read_rates(finished.rates).cells:
        for rate in (cell.capability, cell.goal_failure):
            if rate.mean is not None:
                assert re.search(rf"{rate.mean:.2f}\s+\[{rate.low:.2f}, {rate.high:.2f}\]", text)
    assert "8 independent training runs" in text and "9,600 evaluation episodes" in text
    assert "points lower than" in text and "δ = 0.3" in text
    assert re.search(r"type 3\s+published\s+0.55\s+0.55\s+0.22", text)
    assert re.search(r"calibrated, δ = 0.3\s+0.55\s+\[0.45, 0.65\]", text)


def test_the_calibration_is_told_with_its_doubts(page):
    text = " ".join(page.text)
    assert "goal_failure: every cell has fewer than 5 runs <so be careful>" in text
    assert re.search(r"training diversity, 0.3 to 0.1\s+2.50\s+\[1.25, 3.75\]\s+0.7 to 1.4", text)
    assert text.count("Published M") == 1 and "rhat_max" in text and "1.003" in text


def test_what_makes_the_estimate_uncertain_is_told(page):
    assert re.search(r"Shift\s+capability\s+goal failure\s+harm\s+dependence\s+type 1\s+10%\s+30%\s+62%\s+−2%",
                     " ".join(page.text))


@pytest.mark.slow
def test_text_from_outside_is_escaped(study):
    index = study.read_index()
    index["experiment"] = HOSTILE
    index["config"] = {"note": HOSTILE}
    artefacts.write_json(study.index, index)
    artefacts.write_json(study.clips("d0-s0") / "coin.json", {"outcome": "intended_goal", "caption": HOSTILE})
    page = Page(study_page.build_report(study.root).read_text())
    assert not any(tag == "script" for tag, _ in page.tags)
    assert HOSTILE in " ".join(page.text)
    assert any(attributes.get("alt") == HOSTILE for _, attributes in page.tags)


@pytest.mark.slow
def test_the_calculator_computes_with_this_study(study, tmp_path):
    for source in (SHIPPED, SHIPPED.with_suffix(".npz")):
        shutil.copy(source, study.calibration.with_suffix(source.suffix))
    text = study_page.build_report(study.root).read_text()
    page = Page(text)
    assert [tag for tag, _ in page.tags].count("script") == 3
    assert all(link.startswith(("data:", "#")) for link in page.links)
    seen, command = run_in_page(text, "return ['.sentence strong', '.command'].map("
                                      "s => document.querySelector(s).textContent);", tmp_path)
    ours = Calibration.load(study.calibration).thinned(DRAWS)
    assert command == "gmexp estimate shift=3 mode=calibrated calibration=calibration.json"
    assert seen == f"{Calculator('calibrated', calibration=ours).estimate(Scenario(3)).value:.1%}"


@pytest.mark.parametrize("width", [390, 1400])
def test_nothing_is_wider_than_the_screen(finished, tmp_path, width):
    wide, cut, tables = laid_out(finished.report.read_text(), width, tmp_path)
    assert wide <= width and tables >= 10
    assert cut == 0 or width > 390


@pytest.mark.slow
def test_keyboard_contrast_and_console(finished, tmp_path):
    page = finished.report.read_text()
    assert reached_and_read(page, tmp_path) == {"poor": [], "skipped": []}
    assert console(page, tmp_path) == []


def test_a_mark_opens_its_run(finished, tmp_path):
    """Whoever follows a dot of a figure sees the run it stands for, unfolded."""
    text = finished.report.read_text()
    seen = run_in_page(text, """
        const run = document.getElementById("run-d0.3-s2"), shut = run.checkVisibility();
        document.querySelector('a[href="#run-d0.3-s2"]').dispatchEvent(new MouseEvent("click"));
        return [shut, run.checkVisibility(), run.closest("details").querySelector("summary").textContent,
                run.querySelectorAll(".badge").length];""", tmp_path)
    assert seen == [False, True, "d0.3-s2", 6]


@pytest.mark.slow
def test_sections_without_artefacts_are_left_out(study):
    study.estimate.unlink()
    study.calibration.unlink()
    for clip in study.clips("d0-s0").iterdir():
        clip.unlink()
    text = " ".join(Page(study_page.build_report(study.root).read_text()).text)
    assert "Episodes to look at" in text  # another run still has clips
    for clip in study.clips("d0.3-s0").iterdir():
        clip.unlink()
    text = " ".join(Page(study_page.build_report(study.root).read_text()).text)
    assert "Episodes to look at" not in text and "Calibration" not in text


@pytest.mark.slow
def test_figures_are_drawn_if_missing(study, monkeypatch):
    monkeypatch.setattr(catalogue, "known", lambda: (rates.FIGURE,))
    for figure in study.figures.iterdir():
        figure.unlink()
    study_page.build_report(study.root)
    assert (study.figures / "rates.svg").exists()


def test_a_study_without_rates_is_one_line(study):
    study.rates.unlink()
    with pytest.raises(UserError, match="run the stage `rates` first"):
        study_page.build_report(study.root)


@pytest.mark.slow
def test_the_same_study_gives_the_same_page(study):
    before = study.report.read_bytes()
    assert study_page.build_report(study.root).read_bytes() == before


def test_elements_escape_unless_told_otherwise():
    assert element("p", "a < b", title='"') == '<p title="&quot;">a &lt; b</p>'
    assert element("p", element("b", "x"), None, ["&", Html("&amp;")]) == "<p><b>x</b>&amp;&amp;</p>"
    assert element("img", src="x", class_=None, aria_hidden="true") == '<img src="x" aria-hidden="true">'


def test_a_repeated_first_column_is_shown_once():
    rows = table(["a", "b"], [["x", 1], ["x", 2], ["y", 3]], numeric=[1])
    assert rows.count('<td data-label="a">x</td>') == 1 and rows.count('class="again"><span>x</span></td>') == 1
    assert rows.count('class="first"') == 2 and rows.count('class="n"') == 4 and rows.count('scope="col"') == 2


def test_the_cells_of_a_table_know_their_column():
    rows = table([element("b", "A & B"), ""], [["x", "y"]], caption="what it is")
    assert '<td data-label="A &amp; B">x</td><td>y</td>' in rows and "<caption>what it is</caption>" in rows
