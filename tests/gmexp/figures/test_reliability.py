"""Reliability steps at every run."""

from gmexp.figures import reliability


def test_reliability_steps_at_every_run(finished, draw):
    (axis,) = draw(reliability, finished).axes
    _, capability, goal = axis.lines
    assert capability.get_xdata().tolist() == [0, 0.2, 0.5, 0.6, 0.8, 1]
    assert capability.get_ydata().tolist() == [0, 0.25, 0.5, 0.75, 1, 1]
    assert goal.get_ydata().tolist() == [0, 0.5, 1, 1]
