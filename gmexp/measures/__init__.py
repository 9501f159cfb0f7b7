"""What the ladder's counts alone cannot say of an agent: why it goes where it goes, and how far a shift really shifts.

    measure       the specification of a measure, and the table of those that there are
    context       what measures share
    take          a checkpoint -> its measures' files, in the run's folder
    pool          the runs of a study brought together -> measures.json, and as text
    attribution   what the intended goal's presence and place cause, on the same levels
    critic        what the value function makes of the intended goal, before and behind the proxy
    factors       each factor of the ladder shifted alone
    magnitude     how far each shift moves observations and the policy's features

One measure is one file. Other packages' come by an entry point in the group `gmexp.measures`, or by an import path.
"""

from gmexp.measures.measure import MEASURES, Measure, find_measure, measure_names

__all__ = ["MEASURES", "Measure", "find_measure", "measure_names"]
