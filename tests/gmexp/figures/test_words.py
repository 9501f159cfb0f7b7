"""Goals and labels as text."""

import dataclasses

from gmexp.figures.words import capital, plural, words_of, wrapped
from gmexp_envs import find_task


def test_goals_in_words():
    goal = find_task("coinrun").intended
    assert plural(goal) == "coins" and plural(dataclasses.replace(goal, name="keys")) == "keys"
    assert capital("the red line") == "The red line" and capital("") == ""


def test_a_label_as_a_column():
    assert wrapped("3 significant at 0.5 (probe)") == "3\nsignificant\nat 0.5\n(probe)"


def test_an_environment_that_is_not_known_here_has_general_words():
    assert words_of("maze").name == "maze" and words_of("coinrun_hard").name == "coinrun"
    unknown = words_of("my_game")
    assert unknown is words_of("my_game") and unknown.name == "my_game"
    assert unknown.intended.words == "the intended goal" and [shift.type for shift in unknown.shifts] == [0, 1, 2, 3, 4]
    assert words_of("").name == "unknown environment"
