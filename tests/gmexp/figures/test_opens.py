"""Every point of a figure opens its run, or the runs of its condition, on the page of its study."""

import re
from pathlib import Path

import matplotlib
import pytest

from gmexp import artefacts
from gmexp.artefacts.study import Study
from gmexp.figures import critic, magnitudes, marks, mitigation_curves, mitigations, style
from gmexp.figures.data import StudyData
from gmexp.figures.style import STYLE
from gmexp.langosco import figure2
from gmexp.pages import parts, runs
from gmexp.rates import mitigated
from gmexp.rates.mitigated import About, Mitigated, Price, Trace, measured_rows

from ..fabricate import CONFIG, meta
from ..rates.rows import counts

RESULTS = Path(__file__).parents[3] / "results"
LINK = re.compile(r'<a xlink:href="([^"]*)"')


def links(module, data: StudyData) -> list[str]:
    with matplotlib.rc_context(STYLE):
        return LINK.findall(style.linked(module.FIGURE.draw(data)))


@pytest.mark.slow
@pytest.mark.parametrize("module, study", [(critic, "shift_ladder"), (magnitudes, "shift_ladder")],
                         ids=["critic", "magnitudes"])
def test_lines_of_a_condition_open_its_runs(module, study):
    data = StudyData(RESULTS / study)
    found = links(module, data)
    assert set(found) == {marks.condition_address(label) for label in data.conditions.values()} and len(found) > 2


@pytest.mark.slow
def test_dots_of_figure_2_open_their_runs():
    data = StudyData(RESULTS / "langosco_coinrun")
    assert set(links(figure2, data)) == {marks.address(run.run_id) for run in data.runs}


@pytest.mark.slow
def test_a_page_draws_what_the_files_show_whichever_comes_first():
    data = StudyData(RESULTS / "shift_ladder")
    with matplotlib.rc_context(STYLE):
        alone, after = critic.FIGURE.draw(data), critic.FIGURE.draw(data)
        files = style.render(after)
        assert style.linked(alone) == style.linked(after)
        assert files == style.render(critic.FIGURE.draw(data))


def test_a_condition_of_which_no_run_is_here_opens_nothing():
    data = StudyData(RESULTS / "shift_ladder")
    data.__dict__["conditions"] = {}  # as where labels have changed since the measures were pooled
    assert links(critic, data) == []


@pytest.fixture
def mitigated_study(tmp_path) -> StudyData:
    """Two conditions of three runs, compared, and a point a run."""
    study = Study(tmp_path)
    runs = [meta(f"{name}{seed}", delta, seed) for name, delta in (("base", 0.0), ("run-", 0.3)) for seed in range(3)]
    study.write_index("compared", CONFIG, runs, artefacts.provenance("t", CONFIG, "t"))
    about = About("adversarial_training", "delta 0 to 0.3", True, None, "prevention", "s", Price(1.0, None, None, ""))
    rows = measured_rows(about, [counts(seed, run_id=f"base{seed}") for seed in range(3)],
                         [counts(seed, proxy=30) for seed in range(3)])
    traces = [Trace("linear_probe", "delta 0.3", "coinrun", "s", 3, "R2", "goal failure", 0.1 * seed, 0.5, None, None, 1,
                    (f"run-{seed}",)) for seed in range(3)]
    traces += [Trace("ask_for_help", "delta 0.3", "coinrun", "s", 3, "share", "success", x, 0.5, 0.4, 0.6, 3,
                     ("run-0", "run-1", "run-2")) for x in (0.1, 0.2, 0.3)]
    mitigated.write(study.mitigations, Mitigated(tuple(rows), (), tuple(traces)), artefacts.provenance(None, {}, "t"))
    return StudyData(study)


@pytest.mark.slow
def test_marks_of_mitigations_open_what_was_mitigated(mitigated_study):
    treated = marks.condition_address("delta=0.3")
    assert links(mitigations, mitigated_study) == [treated] * 2  # the interval and its mean
    found = links(mitigation_curves, mitigated_study)
    assert set(found) == {treated, *(marks.address(f"run-{seed}") for seed in range(3))}


def test_what_earlier_versions_wrote_opens_nothing(mitigated_study):
    path = mitigated_study.study.mitigations
    content = artefacts.read_json(path)
    for row in (*content["rows"], *content["traces"]):
        del row["of_runs"]
    artefacts.write_json(path, {key: value for key, value in content.items() if key != "provenance"})
    assert links(mitigations, StudyData(mitigated_study.study)) == []


def test_the_page_has_what_its_links_open_and_says_so(mitigated_study):
    shown = parts.chart(mitigated_study, mitigations.FIGURE)
    assert shown is None  # nothing was drawn into the study's folder
    artefacts.write_text(mitigated_study.study.figures / "mitigations.svg", "<svg/>")
    shown = parts.chart(mitigated_study, mitigations.FIGURE)
    assert 'href="#condition-delta=0.3"' in shown and "<title>delta=0.3</title>" in shown
    assert shown.count("A mark opens the runs of its condition.") == 1
    assert 'id="condition-delta=0.3"' in runs.section(mitigated_study)
