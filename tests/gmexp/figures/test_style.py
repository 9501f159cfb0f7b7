"""Colours and labels."""

from gmexp.figures.style import OKABE_ITO, colours, count, delta, many

from .conftest import DELTAS

NAMES = [f"delta={delta:g}" for delta in DELTAS]


def test_every_condition_has_its_own_colour():
    assert len(set(colours(NAMES).values())) == len(NAMES)
    assert colours(NAMES[:2]) == dict(zip(NAMES, OKABE_ITO[:2], strict=False))
    assert many(NAMES) and not many(NAMES[:5] * 2)


def test_labels_are_read():
    assert delta("delta=0.1") == 0.1 and delta("delta=0.1, width=32") is None and delta("quality=1") is None
    assert [count(value) for value in (250_000, 3e6, 12)] == ["250k", "3M", "12"]
