"""The figure of mitigations: a row a method, the published band, the first edition marked."""

from gmexp import artefacts
from gmexp.artefacts.study import Study
from gmexp.figures import mitigations
from gmexp.rates import mitigated
from gmexp.rates.mitigated import About, Mitigated, Price, measured_rows

from ..rates.rows import counts


def test_a_row_a_method(draw, tmp_path):
    study, price = Study(tmp_path), Price(1.0, None, None, "nothing")
    base, treated = ([counts(s, shift, proxy=proxy) for s in range(3) for shift in (3, 4)] for proxy in (60, 30))
    name = "adversarial_training"
    about = About(name, "delta 0 to 0.3", True, name, "prevention", "s", price, "a control")
    rows = measured_rows(about, base, treated, base)
    assert draw(mitigations, study) is None
    mitigated.write(study.mitigations, Mitigated(tuple(rows)), artefacts.provenance(None, {}, "a test"))
    figure = draw(mitigations, study)
    assert [axis.get_title("left") for axis in figure.axes] == ["3 significant", "4 extreme"]
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["adversarial training\ndelta 0 to 0.3"]
    band = figure.axes[0].collections[0].get_paths()[0].get_extents()
    assert (round(band.x0, 2), round(band.x1, 2)) == (0.2, 0.4)
