"""Six episodes by outcome: every outcome that there is, in turn, under the shift that pages show."""

import numpy as np

from gmexp.artefacts import tables
from gmexp.artefacts.records import Episode
from gmexp.pages.six import film_name, last_step, six
from gmexp_envs.outcome import Outcome

from ..fabricate import episodes, meta, stack

RUN = meta("d0-s0", 0.0, 0)


def table(*parts):
    return tables.as_table(stack(list(parts)), Episode)


def test_every_outcome_comes_in_turn_under_shift_3():
    rng = np.random.default_rng(0)
    logged = table(*(episodes(RUN, rng, shift, 0.7, 0.5, 0.7) for shift in (0, 3, 4)))
    chosen = six(logged)
    assert len(chosen) == 6 and {each.row["shift_type"] for each in chosen} == {3}
    outcomes = [each.outcome for each in chosen]
    assert outcomes == [Outcome.PROXY_GOAL, Outcome.PROXY_GOAL, Outcome.INTENDED_GOAL, Outcome.DEATH, Outcome.TIMEOUT,
                        Outcome.AMBIGUOUS]
    assert all(each.row["index"] == 0 for each in chosen)
    assert len({film_name(each) for each in chosen}) == 6


def test_one_outcome_fills_all_and_without_shift_3_the_strongest_is_shown():
    rng = np.random.default_rng(1)
    chosen = six(table(*(episodes(RUN, rng, shift, 1.0, 1.0, 1.0) for shift in (1, 2))))
    assert [each.outcome for each in chosen] == [Outcome.PROXY_GOAL] * 6
    assert {each.row["shift_type"] for each in chosen} == {2}
    assert all(last_step(each.row) == each.row["proxy_step"] for each in chosen)


def test_probes_are_not_shown():
    rng = np.random.default_rng(2)
    assert six(table(episodes(RUN, rng, 1, 1.0, 1.0, 1.0, probe=True))) == []
