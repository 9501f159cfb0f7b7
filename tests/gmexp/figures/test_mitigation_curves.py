"""The curves of mitigations: a panel for each thing shown, a line a setting."""

from gmexp import artefacts
from gmexp.artefacts.study import Study
from gmexp.figures import mitigation_curves
from gmexp.rates import mitigated
from gmexp.rates.mitigated import Mitigated, Trace


def test_a_panel_for_each_thing_shown(draw, tmp_path):
    def trace(of, x, y, setting="delta 0, budget 0.1"):
        return Trace("ask_for_help", setting, "coinrun", "s", 3, "share of decisions helped", of, x, y, y - 0.1, y + 0.1, 6)

    study = Study(tmp_path)
    assert draw(mitigation_curves, study) is None
    shown = [trace(of, x, 0.5, f"delta 0, budget {x}") for of in ("success", "harm") for x in (0.1, 0.2, 0.3)]
    lone = trace("alone", 0.1, 0.5)
    mitigated.write(study.mitigations, Mitigated((), (), (*shown, lone)), artefacts.provenance(None, {}, "a test"))
    figure = draw(mitigation_curves, study)
    assert [axis.get_ylabel() for axis in figure.axes if axis.get_visible()] == ["success", "harm"]
    assert len(figure.axes[0].lines) == 1 + 3  # one line, and an interval a point
