"""The calibration as an artefact: a JSON file that explains itself, and its draws in an npz beside it.

    calibration = Calibration.load("calibration.json")
    calibration.predict(Scenario(shift=3, diversity=0.1))                        # the next environment
    calibration.predict(Scenario(shift=3), kind="next_run", env="coinrun")

The JSON holds the sha256 of the npz; a draw file that does not match is refused. No pickles.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from gmexp.artefacts.decode import decode
from gmexp.artefacts.io import encode_json, read_json, unpack_npz
from gmexp.artefacts.reader import read_bytes
from gmexp.artefacts.records import Provenance
from gmexp.artefacts.writer import settled_companion, write_pair
from gmexp.published.scenario import Scenario
from gmexp.statistics.design import FIRST_EVENT, TWO_ARMS, Condition, Covariates, ShiftLevel
from gmexp.statistics.posterior import DRAWS, QUANTITIES, Posterior, Settings, Summary, summarise
from gmexp.statistics.scenarios import settings_of, settings_of_condition
from gmexp.statistics.stored import packed, unpacked
from gmexp.support.errors import UserError

__all__ = ["FEW_ENVIRONMENTS", "SCHEMA_VERSION", "Calibration", "Prediction", "loadable"]

SCHEMA_VERSION = 4
READABLE = (3, 4)  # 3: draws in single precision
FEW_ENVIRONMENTS = 5
SECTIONS = ("provenance", "estimand", "model", "diagnostics", "environments", "summaries", "modifiers", "literature", "harm",
            "warnings")


def loadable(path: Path) -> bool:
    """Whether a calibration is there with its draws, and of a version that `Calibration.load` reads."""
    return path.with_suffix(".npz").exists() and read_json(path).get("schema_version") in READABLE


@dataclass(frozen=True)
class Prediction:
    """Rates of one scenario in one population: summaries, the draws [D] behind them, and warnings.

    capability     reaches a goal without seeing the intended one
    goal_failure   of the levels on which the agent, blind, gets to the proxy first, those on which it still does
    latent         capability x goal failure within runs
    realised       proxy first on a distinguishing level, of all episodes played under the shift
    """

    kind: str
    status: str  # measured, interpolated or extrapolated
    environments: int
    capability: Summary
    goal_failure: Summary
    latent: Summary
    realised: Summary
    draws: Mapping[str, np.ndarray]
    warnings: tuple[str, ...]
    chains: int
    seed: int

    @property
    def interval_kind(self) -> str:
        return f"95% credible, {self.kind}, {self.status}"

    def counts(self, episodes: int) -> Summary:
        """How many of so many episodes misgeneralize; with a kind of one run, those of that run."""
        y = np.random.default_rng([self.seed, 9]).binomial(episodes, np.clip(self.draws["realised"], 0, 1))
        return summarise(y.astype(float), self.chains)


@dataclass(frozen=True)
class Calibration:
    """A fitted posterior with everything needed to judge it. Sections are plain JSON data."""

    provenance: dict[str, Any]
    estimand: dict[str, Any]
    model: dict[str, Any]
    diagnostics: dict[str, Any]
    environments: dict[str, Any]
    summaries: list[dict[str, Any]]
    modifiers: list[dict[str, Any]]
    literature: list[dict[str, Any]]
    harm: dict[str, Any]
    warnings: list[str]
    posterior: Posterior

    def predict(self, scenario: Scenario, kind: str | None = None, env: str | None = None, learner: str | None = None,
                transport: float = 0.0) -> Prediction:
        """Rates of a scenario. A setting left out is the reference's; without `kind`, the next environment, or with
        `env` this setup. `transport` is the sd in logits between this population and a deployment."""
        return self._predict(
            scenario.shift, scenario.grade, settings_of(self.posterior, scenario), kind, env, learner, transport
        )

    def predict_condition(self, condition: int, shift: int, grade: float = 1.0, kind: str = "this_setup") -> Prediction:
        """The same for a measured condition, by its index in the posterior, in its own environment."""
        c = self.posterior.conditions[condition]
        settings = settings_of_condition(self.posterior, c)
        return self._predict(shift, grade, settings, kind, c.env, c.learner, 0.0)

    def _predict(self, shift: int, grade: float, settings: Settings, kind: str | None, env: str | None, learner: str | None,
                 transport: float) -> Prediction:
        post = self.posterior
        if transport < 0 or not np.isfinite(transport):
            raise UserError(f"transport must be a standard deviation in logits of at least 0, not {transport!r}")
        kind = kind or ("next_environment" if env is None else "this_setup")
        here = kind in ("this_setup", "next_run")
        if here and env is None:
            if len(post.envs) > 1:
                raise UserError(f"kind={kind} is about one environment: give env=; measured are {', '.join(post.envs)}")
            env = post.envs[0]
        if not here and env is not None:
            raise UserError(f"kind={kind} is about an environment that was not measured: leave env out")
        place = _index("env", env, post.envs) if here else None
        who = None if learner is None else _index("learner", learner, post.learners)
        draws, status, notes = post.predict(shift, grade, settings, kind, place, who, transport)
        return Prediction(kind, status, len(post.envs), **{key: summarise(draws[key], post.chains) for key in QUANTITIES},
                          draws=draws, warnings=(*settings.notes, *notes), chains=post.chains, seed=post.seed)

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
            "file": draws_path.name, "sha256": hashlib.sha256(data).hexdigest(), "n": self.posterior.size,
            "names": list(DRAWS),
            "shapes": {name: list(array.shape) for name, array in self.posterior.draws.items()}}
        document["model"] = document["model"] | {"structure": structure_as_json(self.posterior)}
        return write_pair(path, encode_json(document, indent=1), draws_path, data)

    @classmethod
    def load(cls, path: str | Path) -> Calibration:
        """Read a saved calibration; a UserError says what is missing, damaged or tampered with."""
        path = Path(path)
        if not path.is_file():
            raise UserError(f"no calibration at {path}: there is no such file")
        document = read_json(path)
        if document.get("schema_version") not in READABLE:
            raise UserError(f"{path} has schema version {document.get('schema_version')}; this reads 3 and 4: "
                            "make it anew from its counts by gmexp calibrate")
        stored = decode(_Document, {key: document[key] for key in document if key in SECTIONS or key == "draws"}, str(path))
        file = settled_companion(path.with_suffix(".npz"), stored.draws.sha256)
        data = read_bytes(file)
        if hashlib.sha256(data).hexdigest() != stored.draws.sha256:
            raise UserError(f"{file.name} is not the draw file that {path.name} was saved with (sha256 differs)")
        arrays = unpack_npz(data, file)
        try:
            draws = {name: unpacked(name, arrays) for name in DRAWS}
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(f"{file} holds no draws of a calibration: {error.args[0]}") from error
        try:
            posterior = Posterior(**_structure(stored.model), **draws)
            check_shapes(posterior)
        except UserError:
            raise
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            raise UserError(f"{path} is not a calibration: {type(error).__name__}: {error}") from error
        return cls(**{name: getattr(stored, name) for name in SECTIONS}, posterior=posterior)


@dataclass(frozen=True)
class _Draws:
    """Which file holds the draws: the one beside, of this hash."""

    file: str
    sha256: str
    n: int
    names: list[str]
    shapes: dict[str, list[int]]
    dtype: str | None = None  # of version 3


@dataclass(frozen=True)
class _Document:
    """A calibration's JSON."""

    provenance: dict[str, Any]
    estimand: dict[str, Any]
    model: dict[str, Any]
    diagnostics: dict[str, Any]
    environments: dict[str, Any]
    summaries: list[dict[str, Any]]
    modifiers: list[dict[str, Any]]
    literature: list[dict[str, Any]]
    harm: dict[str, Any]
    warnings: list[str]
    draws: _Draws


def _index(name: str, value: str, known: tuple[str | None, ...]) -> int:
    if value not in known:
        raise UserError(f"{name}={value!r} was not measured; measured are {', '.join(str(k) for k in known)}")
    return known.index(value)


def check_shapes(post: Posterior) -> None:
    """ValueError where a posterior's parts do not fit each other."""
    d, s, e, x, c = post.size, len(post.shifts), len(post.envs), len(post.covariates.names), len(post.conditions)
    k = {TWO_ARMS: 3, FIRST_EVENT: 2}[post.estimand]
    expected = {"alpha": (k, s), "beta": (k, x), "scales": (k, 8), "run_shift": (k, s), "coupling": (k * (k - 1) // 2,),
                "env": (k, e, s), "slope": (k, e, x), "learner": (k, len(post.learners)), "cell": (k, len(post.cells)),
                "setup": (4, len(post.cells))}
    for name, shape in expected.items():
        if (actual := getattr(post, name).shape) != (d, *shape):
            raise ValueError(f"the draws of {name} have the shape {list(actual)}, and should have {[d, *shape]}")
    if post.x.shape != (c, x) or post.revealed.shape != (s, c):
        raise ValueError(f"the covariates should be {c} x {x} numbers, the revealed shares {s} x {c}")
    if not 1 <= post.chains <= d or d % post.chains:
        raise ValueError(f"{d} draws are not those of {post.chains} chains")
    for cell in post.cells:
        if len(cell) != 2 or not all(type(i) is int and 0 <= i < n for i, n in zip(cell, (c, s), strict=True)):
            raise ValueError(f"cells names {list(cell)}, which is none of its cells")


def structure_as_json(post: Posterior) -> dict[str, Any]:
    """What `_structure` reads back."""
    return {"chains": post.chains, "seed": post.seed, "estimand": post.estimand, "shifts": [asdict(s) for s in post.shifts],
            "envs": list(post.envs), "learners": list(post.learners), "conditions": [asdict(c) for c in post.conditions],
            "covariates": asdict(post.covariates), "x": _nullable(post.x), "cells": [list(c) for c in post.cells],
            "has": list(post.has), "revealed": _nullable(post.revealed)}


def _nullable(array: np.ndarray) -> list[list[float | None]]:
    return [[None if np.isnan(v) else float(v) for v in row] for row in array]


def _structure(model: Mapping[str, Any]) -> dict[str, Any]:
    c = dict(model["structure"])
    c["covariates"] = _budgets(c["covariates"], c["envs"])
    typed = {"chains": int, "seed": int, "estimand": str, "shifts": tuple[ShiftLevel, ...], "envs": tuple[str, ...],
             "learners": tuple[str | None, ...], "conditions": tuple[Condition, ...], "covariates": Covariates,
             "cells": tuple[tuple[int, ...], ...], "has": tuple[str, ...]}
    parts = {name: decode(kind, c[name], f"model: structure: {name}") for name, kind in typed.items()}
    rows = len(parts["conditions"]), len(parts["covariates"].names)
    return parts | {"x": np.array(c["x"], dtype=float).reshape(rows),
                    "revealed": np.array(c["revealed"], dtype=float).reshape(len(parts["shifts"]), rows[0])}


def _budgets(covariates: Mapping[str, Any], envs: Sequence[str]) -> dict[str, Any]:
    """Usual budgets by environment, also of calibrations that knew one for all."""
    return {name: value if name not in ("steps", "width") or isinstance(value, dict)
            else {} if value is None else dict.fromkeys(envs, value) for name, value in covariates.items()}


def _pack(draws: Mapping[str, np.ndarray]) -> bytes:
    """An npz whose bytes depend on the arrays only: fixed order, no time stamps."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in (item for draw in DRAWS for item in packed(draw, draws[draw]).items()):
            member = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            content = io.BytesIO()
            np.lib.format.write_array(content, array, allow_pickle=False)
            archive.writestr(member, content.getvalue(), zipfile.ZIP_DEFLATED, compresslevel=9)
    return buffer.getvalue()
