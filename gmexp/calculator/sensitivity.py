"""What an estimate depends on: tornado and Sobol indices of the published model, shares of a calibrated one.

Inputs of the published model, independent of each other:
    base       logit-normal around P(capability) P(goal fails), as wide as the quoted range (90%)
    modifiers  log-uniform over their published range; one that the scenario sets stays fixed
    harm       the assumed Beta
    model      the source's +-50%, a log-odds normal with sd ln(1.5)/1.645 (RL -> LLM)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace

import numpy as np
from scipy import stats

from gmexp import artefacts
from gmexp.artefacts.study import Study
from gmexp.calculator.calibrated import harm_draws
from gmexp.calculator.core import Calculator
from gmexp.published import formula
from gmexp.published.inputs import SETTINGS
from gmexp.published.modifiers import MODIFIERS, modifier_range
from gmexp.published.scenario import Scenario
from gmexp.published.tables import row, shift_types
from gmexp.statistics.calibration import Calibration, loadable, Prediction
from gmexp.statistics.priors import assumed_harm, literature_interval
from gmexp.support.errors import UserError

__all__ = ["Bar", "Share", "attribute", "sobol", "tornado", "write"]


@dataclass(frozen=True)
class Bar:
    """One bar of a tornado: the estimate with one input at its low and high end, the others as in the scenario."""

    name: str
    low_input: float
    high_input: float
    low_value: float
    high_value: float

    @property
    def swing(self) -> float:
        return abs(self.high_value - self.low_value)


def tornado(scenario: Scenario, calculator: Calculator | None = None) -> tuple[Bar, ...]:
    """Bars in order of swing: base over its quoted range, each modifier over its own, harm over what is implied."""
    calculator = _published(calculator)
    now = calculator.estimate(scenario)
    r = shift_types()[scenario.shift - 1]
    product = np.array([[c.multiplier for c in now.contributions[1:]]])
    bases = np.array([r["range_low"], r["range_high"]])
    values = np.minimum(formula.combine(bases, np.repeat(product, 2, axis=0), calculator.mode), 1.0)
    bars = [Bar("base", *map(float, bases), *map(float, values))]
    for name in MODIFIERS:
        ends = modifier_range(name)
        low, high = (calculator.estimate(replace(scenario, **{SETTINGS[name]: None, f"m_{name}": m})).value
                     for m in ends)
        bars.append(Bar(f"M_{name}", *ends, low, high))
    harm = row("harm", "name", "elicited")
    low, high = (replace(calculator, harm=harm[end]).estimate(scenario).value for end in ("low", "high"))
    bars.append(Bar("harm", harm["low"], harm["high"], low, high))
    return tuple(sorted(bars, key=lambda bar: -bar.swing))


@dataclass(frozen=True)
class Share:
    """Share of the variance of an estimate: `first` of the input alone, `total` with its interactions."""

    name: str
    first: float
    total: float


def sobol(scenario: Scenario, calculator: Calculator | None = None, n: int = 4096, seed: int = 0) -> tuple[Share, ...]:
    """Sobol indices (Saltelli 2010) of P(harmful misgeneralization), in order of total effect. n: a power of two."""
    calculator = _published(calculator)
    if n < 64 or n & (n - 1):
        raise UserError(f"n must be a power of two from 64, not {n}")
    inputs, evaluate = _inputs(scenario, calculator)
    d = len(inputs)
    unit = stats.qmc.Sobol(2 * d, seed=seed).random(n).T  # [2d, n]
    unit = np.clip(unit, 1e-9, 1 - 1e-9)
    a, b = (np.stack([ppf(u) for ppf, u in zip(inputs.values(), half, strict=True)]) for half in (unit[:d], unit[d:]))
    f_ab = []
    for i in range(d):
        mixed = a.copy()
        mixed[i] = b[i]
        f_ab.append(evaluate(mixed)[None])
    values = {"f_A": evaluate(a)[None], "f_B": evaluate(b)[None], "f_AB": np.array(f_ab)}
    indices = stats.sobol_indices(func=values, n=n)
    shares = [Share(name, float(f), float(t)) for name, f, t in zip(
        inputs, np.ravel(indices.first_order), np.ravel(indices.total_order), strict=True)]
    return tuple(sorted(shares, key=lambda share: -share.total))


def _inputs(scenario: Scenario, calculator: Calculator) -> tuple[dict[str, Callable], Callable]:
    """Quantile function of every uncertain input, and the estimate [n] from their values [inputs, n]."""
    shift = scenario.shift - 1
    sd = formula.quoted_logit_sd()[shift]
    centre = formula.logit(formula.base_misgen()[shift])
    model_sd = np.log(row("uncertainties", "impact", "+-50% on estimates")["factor"]) / formula.Z90
    harm_a, harm_b = assumed_harm()
    fixed = {c.name: c.multiplier for c in calculator.estimate(scenario).contributions[1:]}
    inputs: dict[str, Callable] = {"base": lambda u: formula.expit(centre + sd * stats.norm.ppf(u))}
    free = [name for name in MODIFIERS
            if getattr(scenario, SETTINGS[name]) is None and getattr(scenario, f"m_{name}") is None]
    for name in free:
        low, high = np.log(modifier_range(name))
        inputs[f"M_{name}"] = lambda u, low=low, high=high: np.exp(low + (high - low) * u)
    inputs["harm"] = lambda u: stats.beta.ppf(u, harm_a, harm_b)
    inputs["model"] = lambda u: np.exp(model_sd * stats.norm.ppf(u))

    def evaluate(x: np.ndarray) -> np.ndarray:
        value = dict(zip(inputs, x, strict=True))
        multipliers = np.stack([value.get(f"M_{name}", np.full(x.shape[1], fixed[f"M_{name}"])) for name in MODIFIERS],
                               axis=1)
        p = np.minimum(formula.combine(value["base"] * value["harm"], multipliers, calculator.mode), 1.0)
        return formula.combine(p, value["model"][:, None], "odds")

    return inputs, evaluate


def _published(calculator: Calculator | None) -> Calculator:
    calculator = calculator or Calculator(mode="odds")
    if calculator.mode == "calibrated":
        raise UserError("tornado and sobol describe the published model; use attribute() for a calibrated one")
    return replace(calculator, strict=False)


def attribute(prediction: Prediction, harm: np.ndarray) -> dict[str, float]:
    """Shares of the variance of log P(harmful, latent misgeneralization) due to capability, goal failure and harm.

    harm: draws [D]. 'dependence' is what remains: the covariance of the stages. The shares add up to 1.
    """
    floor = np.finfo(float).tiny
    parts = {"capability": prediction.draws["capability"], "goal_failure": prediction.draws["goal_failure"], "harm": harm}
    logs = {name: np.log(np.maximum(draws, floor)) for name, draws in parts.items()}
    total = np.var(np.log(np.maximum(prediction.draws["latent"], floor)) + logs["harm"])
    shares = {name: float(np.var(x) / total) for name, x in logs.items()}
    return {**shares, "dependence": 1 - sum(shares.values())}


# --- of a study -------------------------------------------------------------------------------------------------------

def write(study: Study) -> None:
    """Write sensitivity.json, unless it is there and speaks of this calibration.

    tornado, sobol   of the published model read as odds, under shift 3 with every modifier neutral
    shares           of the variance of each calibrated base rate: the two stages, harm, and their dependence
    priors           the published Betas, beside calibration.json's `literature`
    """
    if not loadable(study.calibration):  # one of an earlier version keeps what was written with it
        return
    draws = artefacts.read_json(study.calibration, required=["draws"])["draws"]["sha256"]
    if study.sensitivity.exists() and artefacts.read_json(study.sensitivity).get("draws_sha256") == draws:
        return
    calibration, scenario, calculator = Calibration.load(study.calibration), Scenario(3), Calculator("odds")
    bars = [asdict(bar) | {"swing": bar.swing} for bar in tornado(scenario, calculator)]
    n0 = calibration.model["config"]["priors"]["literature_n0"]
    priors = [{**{key: row[key] for key in ("a0", "stage", "shift")}, **dict(zip(
        ("mean", "q025", "q975"), literature_interval(row["published"], row["a0"] * n0), strict=True))}
        for row in calibration.literature]
    shares = [{"shift": row["shift"], **_variance_shares(calibration, row["shift"])} for row in study.estimates()]
    origin = artefacts.provenance(None, {"draws_sha256": draws}, "what the estimates depend on")
    artefacts.write_json(study.sensitivity, {
        "draws_sha256": draws, "scenario": asdict(scenario), "mode": calculator.mode,
        "value": calculator.estimate(scenario).value, "tornado": bars,
        "sobol": [asdict(share) for share in sobol(scenario, calculator)], "shares": shares,
        "priors": priors}, origin)


def _variance_shares(calibration: Calibration, shift: int) -> dict[str, float]:
    prediction = calibration.predict(Scenario(shift))
    return attribute(prediction, harm_draws(calibration, None, shift, len(prediction.draws["latent"]))[0])
