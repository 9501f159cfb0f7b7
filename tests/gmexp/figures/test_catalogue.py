"""The table of figures: what is drawn, plugins, equal bytes; without torch and numba."""

import subprocess
import sys
from importlib.metadata import EntryPoint

import matplotlib
import numpy as np
import pytest

from gmexp import artefacts
from gmexp.artefacts import tables
from gmexp.artefacts.records import CurvePoint
from gmexp.artefacts.study import Study
from gmexp.figures import catalogue, rates, style
from gmexp.figures.catalogue import FIGURES, draw_all, known, prepare
from gmexp.figures.data import StudyData
from gmexp.figures.figure import Figure, Section
from gmexp.support.errors import UserError
from gmexp_envs import find_task

from ..fabricate import CONFIG, curve, meta

ELSEWHERE = {"grades", "diversity", "attribution", "critic", "factors", "magnitudes", "modifiers", "between_runs",
             "mitigations", "mitigation_curves", "environments"}


def test_every_figure_is_drawn_twice(finished):
    names = {figure.name for figure in FIGURES} - ELSEWHERE  # these need what this study lacks
    drawn = {path.name for path in finished.figures.iterdir()}
    assert drawn == {f"{name}.{suffix}" for name in names for suffix in ("png", "svg")}


def test_names_differ_and_captions_can_be_said():
    assert len({figure.name for figure in FIGURES}) == len(FIGURES)
    for figure in FIGURES:
        caption = figure.caption_of(find_task("coinrun"))
        assert "{" not in caption and caption.endswith(".")


@pytest.mark.slow
def test_equal_artefacts_give_equal_bytes(study):
    before = {path.name: path.read_bytes() for path in study.figures.iterdir()}
    settings = {name: matplotlib.rcParams[name] for name in style.STYLE}
    paths = draw_all(study.root)
    assert {name: matplotlib.rcParams[name] for name in style.STYLE} == settings  # the caller's style is left alone
    assert {path.name: path.read_bytes() for path in paths} == before
    assert b"<dc:date>" not in before["rates.svg"]


@pytest.mark.slow
def test_an_svg_is_the_same_without_the_png(study):
    before = {path.name: path.read_bytes() for path in study.figures.glob("*.svg")}
    assert {path.name: path.read_bytes() for path in draw_all(study.root, ["svg"])} == before


def test_a_bare_study_has_only_what_it_can_show(tmp_path):
    study = Study(tmp_path)
    run = meta("d0-s0", 0.0, 0)
    study.write_index("bare", CONFIG, [run], artefacts.provenance("t", CONFIG, "t"))
    assert draw_all(study.root) == []
    tables.write_table(study.curve(run.run_id), curve(np.random.default_rng(0)), CurvePoint)
    assert [path.name for path in draw_all(study.root)] == ["training.png", "training.svg"]


def entry(monkeypatch, *values):
    points = [EntryPoint(f"point{i}", value, "gmexp.figures") for i, value in enumerate(values)]
    monkeypatch.setattr(catalogue, "entry_points", lambda group: points if group == "gmexp.figures" else [])
    known.cache_clear()


@pytest.fixture
def plugin(monkeypatch):
    """A module of somebody else's with a figure that is drawn and one that brings an artefact."""
    prepared = []
    module = type(sys)("somebodys_figures")
    module.FIGURE = Figure("theirs", "About {intended.words}.", Section.RESULT, rates.draw, prepare=prepared.append)
    module.TWIN = Figure("rates", "The same name.", Section.RESULT, rates.draw)
    module.NOTHING = "no figure"
    monkeypatch.setitem(sys.modules, "somebodys_figures", module)
    yield prepared
    known.cache_clear()


@pytest.mark.slow
def test_a_plugin_is_drawn_and_prepared(plugin, monkeypatch, study):
    entry(monkeypatch, "somebodys_figures:FIGURE")
    assert [figure.name for figure in known()] == [*(figure.name for figure in FIGURES), "theirs"]
    prepare(study)
    assert plugin == [study]
    assert (study.figures / "theirs.svg") in draw_all(study.root)
    assert (study.figures / "theirs.svg").read_bytes() == (study.figures / "rates.svg").read_bytes()


@pytest.mark.parametrize("value, expected", [
    ("somebodys_figures:NOTHING", "should be a gmexp.figures.figure.Figure, not a str"),
    ("somebodys_figures:TWIN", "named 'rates' as another figure is"),
    ("somebodys_figures:MISSING", "cannot be imported from somebodys_figures:MISSING"),
    ("nowhere_at_all:FIGURE", "cannot be imported from nowhere_at_all:FIGURE"),
])
def test_a_wrong_plugin_is_one_line(plugin, monkeypatch, value, expected):
    entry(monkeypatch, value)
    with pytest.raises(UserError, match=expected) as error:
        known()
    assert "\n" not in str(error.value)


BLOCKED = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "numba", "gymnasium", "hydra", "omegaconf", "procgen", "wandb"):
            raise ModuleNotFoundError(name, name=name)

sys.meta_path.insert(0, Blocked())
from pathlib import Path
from gmexp.figures.catalogue import draw_all
from gmexp.pages.study_page import build_report
study = Path(sys.argv[1])
assert len(draw_all(study, ["svg"])) == int(sys.argv[2])
build_report(study)
"""


@pytest.mark.slow
def test_figures_and_the_page_need_no_torch_and_no_numba(study):
    drawn = len(list(study.figures.glob("*.svg")))
    subprocess.run([sys.executable, "-c", BLOCKED, str(study.root), str(drawn)], check=True, capture_output=True,
                   timeout=300)
    assert StudyData(study).task.name == "coinrun"
