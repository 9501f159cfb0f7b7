"""mitigations.json: written, read and shown; the distinguishing set says what concerns the agent."""

import pytest

from gmexp import artefacts
from gmexp.rates import mitigated
from gmexp.rates.mitigated import About, Detection, Mitigated, Price, Trace, measured_rows
from gmexp.support.errors import UserError

from .rows import counts

ABOUT = About("shield", "", True, "control", "response", "a study", Price(1.0, None, 0.1, "the full state"), "random help")


def rows():
    base = [counts(s, shift=1, proxy=0, intended=0, n_ambiguous=100, n_timeout=0, n_distinguishing=0, masked_proxy=0,
                   masked_intended=0, n_masked=0) for s in range(3)]
    return ([*base, *(counts(s, shift=1, probe=True) for s in range(3)), *(counts(s) for s in range(3))],
            [*base, *(counts(s, shift=1, probe=True, proxy=30) for s in range(3)), *(counts(s, proxy=30) for s in range(3))])


def test_a_row_a_shift():
    first, third = measured_rows(ABOUT, *rows(), control=rows()[0])
    assert first.realised.relative is None and first.latent.relative[0] == pytest.approx(0.5)  # of its distinguishing set
    assert third.realised.relative[0] == pytest.approx(0.5) and third.control_realised.relative[0] == 0
    assert third.risk is third.realised and third.control_risk is third.control_realised  # a response acts on harm


def test_what_is_written_is_read(tmp_path):
    found = Detection("help", "max_probability", "coinrun", "s", 3, "significant", 1.0, 6, (0.6, 0.5, 0.7), None, None, 12.0)
    content = Mitigated(tuple(measured_rows(ABOUT, *rows())), (found,), (
        Trace("help", "", "coinrun", "s", 3, "share of help", "success", 0.1, 0.5, None, None, 6),))
    path = mitigated.write(tmp_path / "mitigations.json", content, artefacts.provenance(None, {}, "a test"))
    assert mitigated.read(path) == content
    shown = mitigated.table(content)
    assert "+0.50" in shown and "max_probability" in shown and "0.60 [0.50, 0.70]" in shown
    path.write_text(path.read_text().replace('"layer": "response"', '"layer": 3'))
    with pytest.raises(UserError):
        mitigated.read(path)


def test_studies_stand_side_by_side():
    one = Mitigated(tuple(measured_rows(ABOUT, *rows())))
    assert mitigated.merged([one, one]).rows == one.rows * 2
