"""Goals and labels as text."""

import dataclasses

from gmexp.figures.words import capital, plural, wrapped
from gmexp_envs import find_task


def test_goals_in_words():
    goal = find_task("coinrun").intended
    assert plural(goal) == "coins" and plural(dataclasses.replace(goal, name="keys")) == "keys"
    assert capital("the red line") == "The red line" and capital("") == ""


def test_a_label_as_a_column():
    assert wrapped("3 significant at 0.5 (probe)") == "3\nsignificant\nat 0.5\n(probe)"
