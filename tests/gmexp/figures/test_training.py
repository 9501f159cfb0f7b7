"""Learning curves, of runs without a finished episode too, in the words of their environment."""

import dataclasses

import numpy as np

from gmexp import artefacts
from gmexp.artefacts import tables
from gmexp.artefacts.records import CurvePoint
from gmexp.artefacts.study import Study
from gmexp.figures import training
from gmexp.figures.training import mean_curve
from gmexp.rates import learning

from ..fabricate import CONFIG, curve, meta


def bare(root, columns) -> Study:
    study, run = Study(root), meta("d0-s0", 0.0, 0)
    study.write_index("bare", CONFIG, [run], artefacts.provenance("t", CONFIG, "t"))
    tables.write_table(study.curve(run.run_id), columns, CurvePoint)
    return study


def test_a_run_without_a_finished_episode_is_drawn(tmp_path, draw):
    (axis,) = draw(training, bare(tmp_path, curve(np.random.default_rng(0)) | {"success": None})).axes
    assert axis.get_title(loc="left") == "Coin reached in training"
    assert not axis.lines[-1].get_xdata().size  # no mean


def test_a_curve_begins_where_episodes_could_be_cut_off(tmp_path, draw):
    """Before the first whole window mostly quick episodes have ended."""
    columns = curve(np.random.default_rng(0))
    (axis,) = draw(training, bare(tmp_path, columns)).axes
    run = axis.lines[0].get_xdata()
    assert run[0] == list(columns["steps"])[learning.WINDOW - 1] and run[-1] == list(columns["steps"])[-1]
    assert axis.get_xlim()[0] == 0


def test_the_mean_is_where_all_curves_are():
    steps = np.array([0.0, 1.0, 2.0, 3.0])
    first, second = (steps, np.array([np.nan, 0.0, 1.0, 1.0])), (steps[:3], np.array([0.0, 0.5, 0.5]))
    x, y = mean_curve([first, second])
    assert (x[0], x[-1]) == (1.0, 2.0) and (y[0], y[-1]) == (0.25, 0.75)


def test_a_legend_has_as_many_columns_as_fit_and_room_below(tmp_path, draw):
    def drawn(name, count):
        study, rng = Study(tmp_path / name), np.random.default_rng(0)
        runs = [dataclasses.replace(meta(f"r{i}", 0.11, 0), spec_quality=0.5 + i / 100) for i in range(count)]
        study.write_index("many", CONFIG, runs, artefacts.provenance("t", CONFIG, "t"))
        for run in runs:
            tables.write_table(study.curve(run.run_id), curve(rng), CurvePoint)
        return draw(training, study)

    few, many = drawn("few", 2), drawn("many", 14)
    for figure in (few, many):
        (legend,) = figure.legends
        assert legend.get_window_extent().x1 <= figure.bbox.x1
    assert many.get_figheight() > few.get_figheight()
    assert many.axes[0].get_position().height * many.get_figheight() > 1.0
