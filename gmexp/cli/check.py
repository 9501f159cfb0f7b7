"""`gmexp check {sbc,coverage,loso,ppc}`: checks of the statistics themselves."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from gmexp.artefacts.io import write_json
from gmexp.cli.calculator import FORMAT, emit
from gmexp.cli.options import Command, Option, boolean, choice, text, whole
from gmexp.support.errors import UserError, nearest
from gmexp.support.progress import Bar

__all__ = ["check"]

CHECKS = ("sbc", "coverage", "loso", "ppc")
CHECK = Command(
    "check", "is the calibration itself calibrated? gmexp check {sbc,coverage,loso,ppc} key=value ...",
    (Option("sets", whole(8), 200, "sbc, coverage: simulated data sets"),
     Option("truth", choice("prior", "beta", "logistic_normal"), "prior", "coverage: where the data come from"),
     Option("counts", text("path of a CSV or parquet"), None, "loso, ppc: the counts to check against"),
     Option("exact", boolean(), False, "loso: refit without every run whose weights cannot be trusted"),
     Option("seed", whole(0), 0, "random seed"),
     Option("out", text("path of a JSON file"), None, "write the result there"),
     FORMAT),
    "gmexp check coverage sets=200 truth=beta out=results/checks/coverage_beta.json",
    "sbc: ranks of the truth among posterior draws. coverage: intervals against simulated truths.\n"
    "loso: leave one run out. ppc: do replicated runs look like the observed ones?")


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
    run = {"sbc": _sbc, "coverage": _coverage, "loso": _loso, "ppc": _ppc}[name]
    document = {"command": " ".join(["gmexp check", *args]), **run(values)}
    if values["out"] is not None:
        write_json(Path(values["out"]), document)
    shown = {key: value for key, value in document.items() if key not in ("ranks", "pit", "pointwise")}
    emit(document, [f"{key}: {_short(value)}" for key, value in shown.items()], values["format"])
    return 0


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, dict):
        return ", ".join(f"{k} {_short(v)}" for k, v in value.items())
    return "".join(f"\n  {_short(v)}" for v in value) if isinstance(value, list) else str(value)


def _sbc(values: dict[str, Any]) -> dict[str, Any]:
    from gmexp.statistics.checks import sbc

    with Bar(values["sets"], "sbc", "set") as bar:
        return sbc(values["sets"], values["seed"], progress=bar.advance)


def _coverage(values: dict[str, Any]) -> dict[str, Any]:
    from gmexp.statistics.checks import coverage

    with Bar(values["sets"], "coverage", "set") as bar:
        return coverage(values["sets"], values["truth"], values["seed"], progress=bar.advance)


def _fitted(values: dict[str, Any], name: str) -> tuple[Any, Any, Any]:
    """(design, posterior, config) of the counts given."""
    from gmexp.statistics.config import CalibrationConfig
    from gmexp.statistics.counts import read_counts
    from gmexp.statistics.design import build_design
    from gmexp.statistics.fit import fit, require

    if values["counts"] is None:
        raise UserError(f"check {name}: give counts=PATH")
    design, config = build_design(read_counts(values["counts"])), CalibrationConfig(seed=values["seed"])
    with Bar(config.warmup + config.draws, "sampling", "draw") as bar:
        posterior, judged = fit(design, config, bar.advance)
    require(judged)
    return design, posterior, config


def _loso(values: dict[str, Any]) -> dict[str, Any]:
    from gmexp.statistics.loso import exact_runs, leave_one_run_out

    design, posterior, config = _fitted(values, "loso")
    result = leave_one_run_out(design, posterior, values["seed"])
    if values["exact"]:
        with Bar(result.runs_above_limit, "refits", "run") as bar:
            result = exact_runs(design, result, replace(config, warmup=300, draws=300, attempts=1), bar.advance)
    return {"check": "loso", "n_runs": len(design.run_ids), **asdict(result), "run_ids": design.run_ids}


def _ppc(values: dict[str, Any]) -> dict[str, Any]:
    from gmexp.statistics.predictive import posterior_predictive

    design, posterior, _ = _fitted(values, "ppc")
    return posterior_predictive(design, posterior, values["seed"])
