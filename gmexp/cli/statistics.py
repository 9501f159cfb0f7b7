"""`gmexp meta | predict | plan | sensitivity` (and `check`, next door): the statistics on the command line."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from gmexp.artefacts.reader import read_csv
from gmexp.calculator.core import Calculator
from gmexp.cli.calculator import FORMAT, POPULATION, POPULATION_OPTIONS, SCENARIO_OPTIONS, columns_as_text, emit
from gmexp.cli.check import check
from gmexp.cli.options import boolean, choice, Command, number, Option, place, text, whole
from gmexp.published.scenario import Scenario
from gmexp.support.errors import UserError
from gmexp.support.progress import Bar

__all__ = ["check", "meta", "plan", "predict", "sensitivity"]

SETTING_OPTIONS = tuple(option for option in SCENARIO_OPTIONS if not option.key.startswith("m_"))
CALIBRATION = Option("calibration", place("path of a calibration"), None, "instead of the shipped one")


def _scenario(values: dict[str, Any]) -> Scenario:
    return Scenario(**{option.key: values[option.key] for option in SCENARIO_OPTIONS if option.key in values})


def _load(path: str | None) -> Any:
    from gmexp.calculator.calibrated import load_calibration

    return load_calibration(path)


def _finite(document: dict[str, Any]) -> dict[str, Any]:
    """NaN, which JSON cannot say, as None."""
    return {key: None if isinstance(value, float) and value != value else value for key, value in document.items()}


META = Command(
    "meta", "random-effects meta-analysis of estimates y with sampling variances v",
    (Option("file", place("path of a CSV"), None, "CSV with columns y and v"),
     Option("y", text("numbers separated by commas"), None, "estimates, instead of file"),
     Option("v", text("numbers separated by commas"), None, "their sampling variances"),
     Option("method", choice("REML", "DL", "PM"), "REML", "estimator of the between-study variance"),
     Option("hksj", boolean(), False, "Hartung-Knapp-Sidik-Jonkman limits"),
     Option("level", number(0.5, 0.999), 0.95, "level of the intervals"),
     Option("cluster", text("a column of file"), None, "effects within clusters (environments): CR2 standard errors"),
     Option("influence", boolean(), False, "every study left out in turn"),
     FORMAT),
    "gmexp meta y=-0.89,-1.59,-1.35 v=0.33,0.19,0.42 hksj=true")


def meta(args: list[str]) -> int:
    values = META.parse(args)
    if values is None:
        return 0
    from gmexp.statistics.meta import meta as run_meta

    if (values["file"] is None) == (values["y"] is None or values["v"] is None):
        raise UserError(f"meta: give file=, or both y= and v=; for example: {META.example}")
    y, v = (_read_studies(values["file"]) if values["file"] else
            (_numbers("y", values["y"]), _numbers("v", values["v"])))
    if values["cluster"] is not None:
        return _multilevel(values, y, v)
    result = run_meta(y, v, values["method"], values["hksj"], values["level"])
    document, lines = _finite(asdict(result)), []
    if values["influence"]:
        from gmexp.statistics.multilevel import influence

        rows = [{"study": i.study + 1, "residual": i.residual, "cook": i.cook, "weight": i.hat, "mu_without": i.without.mu,
                 "tau2_without": i.without.tau2} for i in influence(y, v, values["method"], values["hksj"], values["level"])]
        document["influence"], lines = rows, ["", *columns_as_text(rows)]
    emit(document, [
        f"{result.k} studies, {result.method}{', HKSJ' if result.hksj else ''}, {100 * result.level:g}% limits",
        f"mu    {result.mu:9.4f}   se {result.se:.4f}   ({result.low:.4f}, {result.high:.4f})",
        f"next  {'':9}   a new study: ({result.next_low:.4f}, {result.next_high:.4f}), {result.next_t}",
        f"tau2  {result.tau2:9.4f}   ({result.tau2_low:.4f}, {result.tau2_high:.4f})   I2 {100 * result.i2:.1f}%",
        f"Q     {result.q:9.4f}   p {result.q_p:.3g}", *lines], values["format"])
    return 0


def _multilevel(values: dict[str, Any], y: list[float], v: list[float]) -> int:
    from gmexp.statistics.multilevel import multilevel

    if values["file"] is None:
        raise UserError("meta: cluster= names a column of file=")
    rows = read_csv(values["file"], required=(values["cluster"],)).records()
    result = multilevel(y, v, [row[values["cluster"]] for row in rows], values["level"])
    emit(
        asdict(result),
        [
            f"{result.effects} effects in {result.clusters} clusters, {100 * result.level:g}% limits, CR2, "
            f"t with {result.df:.1f} "
            "degrees of freedom",
            f"mu      {result.mu:9.4f}   se {result.se:.4f}   ({result.low:.4f}, {result.high:.4f})",
            f"tau2    {result.tau2:9.4f}   between clusters",
            f"omega2  {result.omega2:9.4f}   within",
        ],
        values["format"],
    )
    return 0


def _numbers(name: str, value: str) -> list[float]:
    try:
        return [float(x) for x in value.split(",")]
    except ValueError:
        raise UserError(f"meta: {name}={value!r} is not a list of numbers separated by commas") from None


def _read_studies(path: str) -> tuple[list[float], list[float]]:
    table = read_csv(path, required=("y", "v"))
    result: tuple[list[float], list[float]] = ([], [])
    for number_, row in enumerate(table.records(), start=1):
        for column, values in zip(("y", "v"), result, strict=True):
            try:
                values.append(float(row[column]))
            except ValueError:
                raise UserError(f"{path}: row {number_}, column {column}: {row[column]!r} is not a number") from None
    return result


PREDICT = Command(
    "predict", "rates of a scenario from a calibration",
    (*SETTING_OPTIONS, CALIBRATION, *POPULATION_OPTIONS,
     Option("episodes", whole(1), None, "with a kind of one run: also predict how many of so many episodes misgeneralize"),
     FORMAT),
    "gmexp predict shift=3 diversity=0.1 kind=next_run env=coinrun calibration=results/calibration/calibration.json",
    "A setting left out is the reference's: PPO standard, specification 1, delta 0, the usual budget.")


def predict(args: list[str]) -> int:
    values = PREDICT.parse(args)
    if values is None:
        return 0
    if values["episodes"] is not None and not (values["kind"] or "").endswith("next_run"):
        raise UserError("predict: episodes needs kind=next_run or kind=next_environment_next_run")
    from gmexp.statistics.posterior import QUANTITIES

    calibration = _load(values["calibration"])
    prediction = calibration.predict(_scenario(values), **{key: values[key] for key in POPULATION})
    warnings = (*prediction.warnings, *calibration.warnings)
    rows = [{"quantity": name, **asdict(getattr(prediction, name))} for name in QUANTITIES]
    document: dict[str, Any] = {
        "kind": prediction.kind,
        "status": prediction.status,
        "environments": prediction.environments,
        "interval_kind": prediction.interval_kind,
        "rates": rows,
        "warnings": warnings,
    }
    lines = [f"{prediction.interval_kind}; {prediction.environments} environments", *columns_as_text(rows)]
    if values["episodes"] is not None:
        counts = prediction.counts(values["episodes"])
        document["counts"] = asdict(counts)
        lines.append(f"of {values['episodes']} episodes {counts.q50:.0f} misgeneralize "
                     f"(95%: {counts.q025:.0f} to {counts.q975:.0f})")
    lines += [f"warning: {note}" for note in warnings]
    emit(document, lines, values["format"])
    return 0


PLAN = Command(
    "plan", "which cell's next runs, or a new environment's, would shrink an interval most",
    (*SETTING_OPTIONS, CALIBRATION,
     Option("quantity", choice("capability", "goal_failure", "latent", "realised"), "latent", "the rate to learn about"),
     *POPULATION_OPTIONS[:2],
     Option("runs", whole(1, 100), 5, "new training runs per cell"),
     Option("episodes", whole(1), 200, "episodes per run"),
     Option("simulations", whole(4), 40, "simulated data sets per cell"),
     Option("top", whole(1), 10, "cells to show"),
     Option("seed", whole(0), 0, "random seed"), FORMAT),
    "gmexp plan shift=4 diversity=0 runs=5 calibration=results/calibration/calibration.json")


def plan(args: list[str]) -> int:
    values = PLAN.parse(args)
    if values is None:
        return 0
    calibration, scenario = _load(values["calibration"]), _scenario(values)
    from gmexp.statistics.plan import plan as run_plan
    from gmexp.statistics.plan import plan_size

    with Bar(plan_size(calibration, env=values["env"]), "plan", "cell") as bar:
        candidates = run_plan(calibration, scenario, values["runs"], values["episodes"], values["quantity"],
                              values["simulations"], seed=values["seed"], kind=values["kind"], env=values["env"],
                              progress=bar.advance)
    rows = [{"cell": c.label, "width_now": c.width_now, "expected_width": c.expected_width, "mcse": c.mcse,
             "gain": c.gain, "ess": c.ess} for c in candidates[:values["top"]]]
    emit(rows, columns_as_text(rows), values["format"])
    return 0


SENSITIVITY = Command(
    "sensitivity", "what an estimate depends on: tornado and Sobol indices, or shares of a calibrated variance",
    (*SCENARIO_OPTIONS,
     Option("mode", choice("published", "odds", "calibrated"), "odds", "which model"),
     CALIBRATION,
     Option("n", whole(64), 4096, "Sobol: base samples, a power of two"),
     Option("seed", whole(0), 0, "random seed"), FORMAT),
    "gmexp sensitivity shift=4 mode=odds",
    "A modifier that the scenario sets is fixed for the Sobol indices; the others vary over their published range.")


def sensitivity(args: list[str]) -> int:
    values = SENSITIVITY.parse(args)
    if values is None:
        return 0
    from gmexp.calculator.sensitivity import attribute, sobol, tornado

    scenario = _scenario(values)
    if values["mode"] == "calibrated":
        from gmexp.calculator.calibrated import harm_draws

        calibration = _load(values["calibration"])
        prediction = calibration.predict(scenario)
        harm, _ = harm_draws(calibration, None, scenario.shift, len(prediction.draws["latent"]))
        shares = attribute(prediction, harm)
        emit({"shares": shares}, [f"{name:<13} {share:7.3f}" for name, share in shares.items()], values["format"])
        return 0
    calculator = Calculator(mode=values["mode"])
    bars = [{**asdict(bar), "swing": bar.swing} for bar in tornado(scenario, calculator)]
    shares = [asdict(share) for share in sobol(scenario, calculator, values["n"], values["seed"])]
    emit({"tornado": bars, "sobol": shares}, [*columns_as_text(bars), "", *columns_as_text(shares)], values["format"])
    return 0
