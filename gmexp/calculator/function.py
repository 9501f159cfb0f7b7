"""`gmexp.estimate`: P(harmful misgeneralization) of a scenario, as a plain function that prints nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gmexp.calculator.core import Calculator
from gmexp.calculator.mitigations import estimate_with
from gmexp.published.scenario import Estimate, Scenario
from gmexp.statistics.calibration import Calibration


def estimate(shift: int, *, spec_quality: float | None = None, capability: str | None = None,
             diversity: float | None = None, alignment: str | None = None, m_spec: float | None = None,
             m_cap: float | None = None, m_div: float | None = None, m_align: float | None = None, grade: float = 1.0,
             mode: str = "published", harm: str | float | None = None, spec_map: str = "bands", strict: bool = False,
             rl_to_llm: bool = False, calibration: Calibration | Path | str | None = None, kind: str | None = None,
             env: str | None = None, learner: str | None = None, transport: float = 0.0,
             mitigations: Sequence[str] = ()) -> Estimate:
    """The estimate of one scenario; the arguments are the keys of `gmexp estimate`.

        gmexp.estimate(3).value                                                          # as published
        gmexp.estimate(3, diversity=0.3, mode="calibrated", env="coinrun").intervals     # as measured

    Arguments:
        shift: 1 superficial, 2 moderate, 3 significant, 4 extreme; 0, in distribution, in calibrated mode only.
        spec_quality ... m_align, grade: the scenario (`Scenario`); what is left out is neutral.
        mode: "published" multiplies as printed, "odds" multiplies odds, "calibrated" asks a posterior.
        harm, spec_map, strict, rl_to_llm: as `Calculator` has them.
        calibration: calibrated mode: what `gmexp.calibrate` returns, or the path of a saved one; None for the shipped one.
        kind, env, learner, transport: calibrated mode: whom to predict; None for the next environment, or with `env` for
            that one's agents.
        mitigations: names of the table 'mitigations'; what they make of the estimate is in its `after`.

    Raises UserError, with a line that says what would fit.
    """
    scenario = Scenario(shift, spec_quality, capability, diversity, alignment, m_spec, m_cap, m_div, m_align, grade)
    calculator = Calculator(mode, harm, spec_map, strict, rl_to_llm, calibration, kind, env, learner, transport)
    return estimate_with(scenario, mitigations, calculator)
