"""The probability model as a calculator: published, read as odds, or calibrated from experiments.

    from gmexp.calculator import Calculator, Scenario
    Calculator(mode="odds").estimate(Scenario(shift=4, diversity=0.05)).value

Needs numpy only; scipy is imported when a calibration is used.
"""

from gmexp.calculator.core import Calculator
from gmexp.published.scenario import Contribution, Estimate, Estimates, Scenario
from gmexp.published.tables import table, table_names

__all__ = ["Calculator", "Contribution", "Estimate", "Estimates", "Scenario", "table", "table_names"]
