"""The calibration as an artefact: a JSON file that explains itself, and its draws in an npz beside it.

    calibration = Calibration.load("calibration.json")
    calibration.predict(Scenario(shift=3, diversity=0.1), kind="next_run")

The JSON holds the sha256 of the npz; a draw file that does not match is refused. No pickles.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from gmexp.artefacts.io import encode_json
from gmexp.artefacts.records import Provenance
from gmexp.artefacts.writer import settled_companion, write_pair
from gmexp.published.scenario import Scenario
from gmexp.statistics.design import Condition, Covariates, ShiftLevel, canonical_method
from gmexp.statistics.posterior import DRAWS, Posterior, Summary, summarise
from gmexp.support.errors import UserError

__all__ = ["SCHEMA_VERSION", "Calibration", "Prediction"]

SCHEMA_VERSION = 2
DRAW_TYPE = "float32"  # seven digits, far more than so many draws can tell
SECTIONS = ("provenance", "estimand", "model", "diagnostics", "summaries", "modifiers", "literature", "harm",
            "warnings")


@dataclass(frozen=True)
class Prediction:
    """Rates of one scenario: summaries, the draws [D] behind them, and warnings."""

    kind: str
    capability: Summary
    goal_failure: Summary
    misgen: Summary
    draws: Mapping[str, np.ndarray]
    warnings: tuple[str, ...]
    chains: int
    seed: int

    def counts(self, episodes: int) -> Summary:
        """How many of so many episodes misgeneralize: with kind 'next_run', those of one new run."""
        y = np.random.default_rng([self.seed, 9]).binomial(episodes, np.clip(self.draws["misgen"], 0, 1))
        return summarise(y.astype(float), self.chains)


@dataclass(frozen=True)
class Calibration:
    """A fitted posterior with everything needed to judge it. Sections are plain JSON data."""

    provenance: dict[str, Any]
    estimand: dict[str, Any]
    model: dict[str, Any]
    diagnostics: dict[str, Any]
    summaries: list[dict[str, Any]]
    modifiers: list[dict[str, Any]]
    literature: list[dict[str, Any]]
    harm: dict[str, Any]
    warnings: list[str]
    posterior: Posterior

    def predict(self, scenario: Scenario, kind: str = "mean_over_runs") -> Prediction:
        """Capability, goal failure and their joint rate for a scenario.

        A setting left out stays at the mean of the measured conditions; a multiplier (m_spec, ...) is refused.
        """
        x, notes = self.covariates(scenario)
        return self._prediction(scenario.shift, scenario.grade, x, kind, notes)

    def predict_condition(self, condition: int, shift: int, grade: float = 1.0,
                          kind: str = "mean_over_runs") -> Prediction:
        """The same for a measured condition, by its index in the posterior, under a shift type."""
        return self._prediction(shift, grade, self.posterior.x[condition], kind, ())

    def _prediction(self, shift: int, grade: float, x: np.ndarray, kind: str, notes: tuple[str, ...]) -> Prediction:
        draws, more = self.posterior.predict(shift, grade, x, kind)
        return Prediction(kind, **{key: summarise(value, self.posterior.chains) for key, value in draws.items()},
                          draws=draws, warnings=(*notes, *more), chains=self.posterior.chains,
                          seed=self.posterior.seed)

    def covariates(self, scenario: Scenario) -> tuple[np.ndarray, tuple[str, ...]]:
        """Centred covariates [K] of a scenario, and warnings where it leaves the measured range."""
        for name in ("m_spec", "m_cap", "m_div", "m_align"):
            if getattr(scenario, name) is not None:
                raise UserError(f"mode=calibrated measures the modifiers: give a setting instead of {name}")
        method = None if scenario.alignment is None else canonical_method(scenario.alignment)
        post = self.posterior
        x = post.covariates.columns(scenario.spec_quality, scenario.capability, scenario.diversity, method, None)
        notes = []
        for j, (name, setting) in enumerate(zip(post.covariates.names, x, strict=True)):
            low, high = post.x[:, j].min(), post.x[:, j].max()
            if setting == 0 or low - 1e-9 <= setting <= high + 1e-9:
                continue
            what = {"spec": "specification quality", "cap": "capability level",
                    "div": "training diversity"}.get(name, f"alignment method {method}")
            notes.append(f"{what} was not varied in the experiments: its effect here is the prior's" if low == high
                         else f"{what} lies outside the measured range: extrapolated")
        return x, tuple(notes)

    def with_provenance(self, provenance: Provenance) -> Calibration:
        """The same calibration with what the stage knows of its provenance merged in."""
        known = {key: value for key, value in asdict(provenance).items() if value is not None}
        return replace(self, provenance={**asdict(provenance), **self.provenance, **known})

    def thinned(self, at_most: int) -> Calibration:
        """The same calibration with at most so many evenly spaced draws; its summaries stay those of all of them."""
        return replace(self, posterior=self.posterior.thinned(at_most))

    def save(self, path: str | Path) -> Path:
        """Write PATH (JSON) and its draws beside it (same name, .npz), both or neither; returns PATH."""
        path = Path(path)
        draws_path = path.with_suffix(".npz")
        if path.suffix != ".json":
            raise UserError(f"a calibration is saved as .json, not {path.name!r}")
        data = _pack(self.posterior.draws)
        document = {"schema_version": SCHEMA_VERSION, **{name: getattr(self, name) for name in SECTIONS}}
        document["draws"] = {
            "file": draws_path.name, "sha256": hashlib.sha256(data).hexdigest(), "dtype": str(np.dtype(DRAW_TYPE)),
            "n": len(self.posterior.rho), "names": list(DRAWS),
            "shapes": {name: list(array.shape) for name, array in self.posterior.draws.items()}}
        return write_pair(path, encode_json(document, indent=1), draws_path, data)

    @classmethod
    def load(cls, path: str | Path) -> Calibration:
        """Read a saved calibration; a UserError says what is missing, damaged or tampered with."""
        path = Path(path)
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            stored = document["draws"]
            if document["schema_version"] != SCHEMA_VERSION:
                raise UserError(f"{path} has schema version {document['schema_version']}; this reads {SCHEMA_VERSION}: "
                                "make it anew from its counts by gmexp calibrate")
            data = settled_companion(path.with_suffix(".npz"), stored["sha256"]).read_bytes()
        except FileNotFoundError as error:
            raise UserError(f"no calibration at {path}: {error.filename} does not exist") from None
        except (OSError, UnicodeDecodeError, json.JSONDecodeError, KeyError, TypeError) as error:
            raise UserError(f"{path} is not a calibration: {type(error).__name__}: {error}") from None
        if hashlib.sha256(data).hexdigest() != stored["sha256"]:
            raise UserError(f"{stored['file']} is not the draw file that {path.name} was saved with (sha256 differs)")
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            draws = {name: arrays[name].astype(float) for name in DRAWS}
        try:
            return cls(**{name: document[name] for name in SECTIONS},
                       posterior=Posterior(**_structure(document["model"]), **draws))
        except (KeyError, TypeError) as error:
            raise UserError(f"{path} is not a calibration: {type(error).__name__}: {error}") from None


def structure_as_json(post: Posterior) -> dict[str, Any]:
    """What `_structure` reads back."""
    return {"chains": post.chains, "seed": post.seed, "shifts": [asdict(s) for s in post.shifts],
            "conditions": [asdict(c) for c in post.conditions], "covariates": asdict(post.covariates),
            "x": post.x.tolist(), "condition_cells": [list(c) for c in post.condition_cells],
            "cells": [list(c) for c in post.cells], "measured": [list(c) for c in post.measured]}


def _structure(model: Mapping[str, Any]) -> dict[str, Any]:
    c = model["structure"]
    covariates = Covariates(**{k: tuple(v) if isinstance(v, list) else v for k, v in c["covariates"].items()})
    return {"chains": c["chains"], "seed": c["seed"], "shifts": tuple(ShiftLevel(**s) for s in c["shifts"]),
            "conditions": tuple(Condition(**k) for k in c["conditions"]), "covariates": covariates,
            "x": np.array(c["x"], dtype=float).reshape(-1, len(covariates.names)),
            "condition_cells": tuple(tuple(k) for k in c["condition_cells"]),
            "cells": tuple(tuple(k) for k in c["cells"]), "measured": tuple(tuple(k) for k in c["measured"])}


def _pack(draws: Mapping[str, np.ndarray]) -> bytes:
    """An npz whose bytes depend on the arrays only: fixed order, no time stamps."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in DRAWS:
            member = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            member.compress_type = zipfile.ZIP_DEFLATED
            content = io.BytesIO()
            np.lib.format.write_array(content, np.ascontiguousarray(draws[name], DRAW_TYPE), allow_pickle=False)
            archive.writestr(member, content.getvalue())
    return buffer.getvalue()

