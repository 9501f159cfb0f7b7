"""`gmexp check {coverage,sbc,power,joint,intervals,loo,forecasts,engine}`: checks of the statistics themselves."""

from __future__ import annotations

import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gmexp.artefacts.io import write_json
from gmexp.cli.calculator import FORMAT, emit
from gmexp.cli.options import Command, Option, boolean, choice, number, whole, place
from gmexp.support.errors import UserError, nearest
from gmexp.support.progress import Bar

__all__ = ["check"]

CHECKS = ("coverage", "sbc", "power", "joint", "intervals", "loo", "forecasts", "engine")
CHECK = Command(
    "check",
    "is the calibration itself calibrated? gmexp check NAME key=value ..., with one of the names below",
    (Option("sets", whole(1), 40, "simulated data sets"),
     Option("envs", whole(1), 1, "coverage: environments"),
     Option("omega", number(0), 1.0, "coverage: sd between environments, in logits"),
     Option("environments", choice("normal", "t3", "bimodal", "one_in_six_extreme"), "normal", "coverage: how they differ"),
     Option("runs", choice("beta", "logistic_normal", "two_point"), "beta", "coverage: how a run's pursuit varies"),
     Option("per_cell", whole(1), 6, "coverage: runs per cell"),
     Option("unequal", boolean(), False, "coverage: unequal numbers of episodes"),
     Option("capability", number(-8), 1.0, "coverage: logit of capability at the reference"),
     Option("coupling", number(-1, 1), 0.0, "coverage: correlation of a run's stages under a shift"),
     Option("seed_sd", number(0), 0.0, "coverage: of train seeds that conditions share"),
     Option("masked", boolean(), True, "coverage: a masked arm is played"),
     Option("counts", place("path of a CSV or parquet"), None, "loo, forecasts: the counts to check against"),
     Option("seed", whole(0), 0, "random seed"),
     Option("out", place("path of a JSON file"), None, "write the result there"),
     FORMAT),
    "gmexp check coverage sets=40 envs=4 omega=1.5 out=results/checks/coverage_env4.json",
    "coverage: intervals of this setup and of the next environment against simulated truths. sbc: ranks of the truth among "
    "posterior draws.\npower: are a moved condition and a moved environment found? joint: E[C G] with opposed runs. "
    "intervals: over runs.\nloo: each run under each shift left out. forecasts: each environment left out, and forecast "
    "from the others.\nengine: how long the sampler takes on 1,620 cells.\nWith out=, "
    "the fits that are done are kept in OUT.fits until all are: after a kill the same command goes on.",
)


def check(args: list[str]) -> int:
    if not args or (args[0] not in CHECKS and "=" in args[0]):
        raise UserError(f"check: say which, one of {', '.join(CHECKS)}; for example: {CHECK.example}")
    name, rest = args[0], args[1:]
    if name in ("--help", "-h", "help"):
        print(CHECK.help())
        return 0
    if name not in CHECKS:
        raise UserError(f"check: unknown check {name!r}{nearest(name, CHECKS)}; known: {', '.join(CHECKS)}")
    values = CHECK.parse(rest)
    if values is None:
        return 0
    run = {"sbc": _sbc, "coverage": _coverage, "power": _power, "joint": _joint, "intervals": _intervals, "loo": _loo,
           "forecasts": _forecasts, "engine": _engine}[name]
    values["kept"] = None if values["out"] is None else Path(f"{values['out']}.fits")
    document = {"command": " ".join(["gmexp check", *args]), **run(values)}
    if values["out"] is not None:
        write_json(Path(values["out"]), document)
        shutil.rmtree(values["kept"], ignore_errors=True)
    shown = {key: value for key, value in document.items() if key not in ("ranks", "pit", "pointwise", "forecasts")}
    emit(document, [f"{key}: {_short(value)}" for key, value in shown.items()], values["format"])
    return 0


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, dict):
        return ", ".join(f"{k} {_short(v)}" for k, v in value.items())
    return "".join(f"\n  {_short(v)}" for v in value) if isinstance(value, list) else str(value)


def _sbc(values: dict[str, Any]) -> dict[str, Any]:
    from gmexp.statistics.checks.sbc import sbc

    with Bar(0, "sbc", "iteration") as bar:
        return sbc(values["sets"], values["seed"], bar=bar, kept=values["kept"])


def _coverage(values: dict[str, Any]) -> dict[str, Any]:
    from gmexp.statistics.checks.coverage import coverage
    from gmexp.statistics.simulate import World

    world = World(
        runs_per_cell=values["per_cell"],
        shifts=(2, 3),
        **{
            key: values[key]
            for key in ("envs", "omega", "environments", "runs", "unequal", "capability", "coupling", "seed_sd", "masked")
        },
    )
    with Bar(0, "coverage", "iteration") as bar:
        return coverage(world, values["sets"], values["seed"], bar=bar, kept=values["kept"])


def _power(values: dict[str, Any]) -> dict[str, Any]:
    from gmexp.statistics.checks.power import power

    with Bar(0, "power", "iteration") as bar:
        return power(values["sets"], values["seed"], bar=bar, kept=values["kept"])


def _joint(values: dict[str, Any]) -> dict[str, Any]:
    from gmexp.statistics.checks.joint import joint_rate

    return joint_rate(values["seed"])


def _intervals(values: dict[str, Any]) -> dict[str, Any]:
    from gmexp.statistics.checks.intervals import interval_coverage

    return interval_coverage(values["sets"], values["seed"])


def _engine(values: dict[str, Any]) -> dict[str, Any]:
    from gmexp.statistics.checks.engine import engine

    return engine(seed=values["seed"])


def _loo(values: dict[str, Any]) -> dict[str, Any]:
    """Rows left out, of the counts given; refused where the fit does not pass its own gate."""
    from gmexp.statistics.config import CalibrationConfig
    from gmexp.statistics.counts import read_counts
    from gmexp.statistics.design import build_design
    from gmexp.statistics.fit import fit, iterations, require
    from gmexp.statistics.leave_out import leave_one_out, odd_conditions

    if values["counts"] is None:
        raise UserError("check loo: give counts=PATH")
    design, config = build_design(read_counts(values["counts"])), CalibrationConfig(seed=values["seed"])
    with Bar(iterations(config), "sampling", "draw") as bar:
        posterior, judged = fit(design, config, bar.advance)
    require(judged)
    return {"check": "loo", **asdict(leave_one_out(design, posterior, values["seed"])),
            "odd_conditions": [asdict(row) for row in odd_conditions(design)[:10]]}


def _forecasts(values: dict[str, Any]) -> dict[str, Any]:
    from gmexp.statistics.checks.forecasts import forecasts
    from gmexp.statistics.counts import read_counts

    if values["counts"] is None:
        raise UserError("check forecasts: give counts=PATH, of several environments")
    counts = read_counts(values["counts"])
    with Bar(0, "forecasts", "iteration") as bar:
        return forecasts(counts, values["seed"], bar=bar, kept=values["kept"])
