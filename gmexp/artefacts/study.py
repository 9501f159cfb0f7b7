"""Where everything of a study lies, in one place, and what it says about its runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any

from gmexp import artefacts
from gmexp.artefacts.records import OutcomeCounts, Provenance, RunMeta
from gmexp.support.errors import UserError

CONDITION = {  # what makes two runs different conditions, and how a label abbreviates it
    "env": "env", "algo": "algo", "train_diversity": "delta", "spec_quality": "quality",
    "capability_level": "capability", "align_method": "alignment", "train_steps": "steps", "width": "width",
    "horizon": "horizon",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Study:
    """A study folder. Its properties are paths; nothing is read or written by naming one."""

    root: Path

    @property
    def index(self) -> Path:
        return self.root / "study.json"

    @property
    def counts(self) -> Path:
        return self.root / "counts.parquet"

    @property
    def rates(self) -> Path:
        return self.root / "rates.json"

    @property
    def measures(self) -> Path:
        return self.root / "measures.json"

    @property
    def calibration(self) -> Path:
        return self.root / "calibration.json"

    @property
    def estimate(self) -> Path:
        return self.root / "estimate.json"

    @property
    def sensitivity(self) -> Path:
        return self.root / "sensitivity.json"

    @property
    def between_runs(self) -> Path:
        return self.root / "between_runs.json"

    @property
    def learning(self) -> Path:
        return self.root / "learning.json"

    @property
    def figures(self) -> Path:
        return self.root / "figures"

    @property
    def report(self) -> Path:
        return self.root / "report.html"

    @property
    def scratch(self) -> Path:
        """Where machines that compute runs of the study leave notes for each other."""
        return self.root / ".scratch"

    def run(self, run_id: str) -> Path:
        return self.root / "runs" / run_id

    def checkpoint(self, run_id: str) -> Path:
        return self.run(run_id) / "checkpoint.npz"

    def curve(self, run_id: str) -> Path:
        return self.run(run_id) / "curve.parquet"

    def episodes(self, run_id: str) -> Path:
        return self.run(run_id) / "episodes.parquet"

    def clips(self, run_id: str) -> Path:
        """The folder of animated episodes."""
        return self.run(run_id) / "episodes"

    def finished(self, run_id: str) -> RunMeta:
        """What a finished run says of itself in runs/<run id>/run.json."""
        path = self.run(run_id) / "run.json"
        return _meta(artefacts.read_json(path, required=("meta",))["meta"], str(path))

    def gather(self) -> list[RunMeta]:
        """All finished runs below the folder, in order of their ids."""
        return [self.finished(path.parent.name) for path in sorted(self.root.glob("runs/*/run.json"))]

    def write_index(self, experiment: str, config: Mapping[str, Any], runs: Sequence[RunMeta],
                    provenance: Provenance, failed: Mapping[str, str] | None = None,
                    rejected: Mapping[str, str] | None = None) -> Path:
        """Write study.json: the resolved config and, for each run, what is known of it and its condition's label.

        `failed` says why further runs, by their ids, are missing; `rejected` why candidates did not pass verification.
        """
        labels = condition_labels(runs)
        entries = [{"condition": labels[run.run_id]} | artefacts.plain(run) for run in runs]
        missing, refused = ([{"run_id": run_id, "reason": reason} for run_id, reason in (found or {}).items()]
                            for found in (failed, rejected))
        return artefacts.write_json(self.index, {"experiment": experiment, "config": config, "runs": entries,
                                                 "failed": missing, "rejected": refused}, provenance)

    def estimates(self) -> list[dict[str, Any]]:
        """Published beside calibrated rates, a row per shift; empty before the stage that estimates them."""
        return artefacts.read_json(self.estimate, required=["shifts"])["shifts"] if self.estimate.exists() else []

    def read_index(self) -> dict[str, Any]:
        return artefacts.read_json(self.index, required=("experiment", "config", "runs"))

    def runs(self) -> list[RunMeta]:
        """The runs listed in study.json."""
        metas = [_meta(entry, f"{self.index}: run {entry.get('run_id', position)}")
                 for position, entry in enumerate(self.read_index()["runs"])]
        if not metas:
            raise UserError(f"{self.index} lists no runs")
        if len({meta.run_id for meta in metas}) < len(metas):
            raise UserError(f"{self.index} lists a run twice")
        return metas


def _meta(entry: Mapping[str, Any], where: str) -> RunMeta:
    """A run as an artefact describes it; what older ones do not say is unknown."""
    known = {field.name: field.default for field in fields(RunMeta)}
    if missing := [name for name, default in known.items() if name not in entry and default is MISSING]:
        raise UserError(f"{where} lacks {', '.join(missing)}")
    return RunMeta(**{name: entry[name] for name in known if name in entry})


def condition_labels(runs: Sequence[RunMeta | OutcomeCounts]) -> dict[str, str]:
    """A label for the condition of each run id: its delta, and whatever else sets it apart among these runs."""
    conditions = [{name: getattr(run, name) for name in CONDITION} for run in runs]
    return dict(zip([run.run_id for run in runs], labels(conditions), strict=True))


def labels(conditions: Sequence[Mapping[str, Any]]) -> list[str]:
    """A label for each of these conditions, given as any part of the fields in `CONDITION`.

    What most of four or more distinct conditions share goes without saying.
    """
    if not conditions:
        return []
    distinct = list(dict.fromkeys(tuple(condition.get(name) for name in CONDITION) for condition in conditions))
    usual = {}
    for name, values in zip(CONDITION, zip(*distinct, strict=True), strict=True):
        value, count = Counter(values).most_common(1)[0]
        if count == len(distinct) or (2 * count > len(distinct) and len(distinct) >= 4):
            usual[name] = value

    def label(condition: Mapping[str, Any]) -> str:
        shown = [name for name in CONDITION if name == "train_diversity" or name not in usual
                 or condition.get(name) != usual[name]]
        return ", ".join(f"{CONDITION[name]}={_short(condition[name])}" for name in shown)

    return [label(condition) for condition in conditions]


def pretty(label: str) -> str:
    """A condition's label for readers rather than terminals."""
    plain = [part for part in label.split(", ") if "=" not in part]
    parts = dict(part.split("=", 1) for part in label.split(", ") if "=" in part)
    if parts.get("algo", "").startswith("cloning_"):
        parts.pop("alignment", None)
    words = {"algo": _words, "delta": "δ = {}".format, "quality": "quality {}".format, "alignment": _words,
             "steps": lambda steps: f"{int(steps) / 1e6:g}M steps", "width": "width {}".format}
    order = sorted(parts, key=lambda name: (name != "delta", name == "algo"))
    return ", ".join([*plain, *(words.get(name, f"{name} {{}}".format)(parts[name]) for name in order)])


def _words(name: str) -> str:
    return {"interpretability_verified": "verified", "cloning_intended": "cloning, coin",
            "cloning_proxy": "cloning, proxy"}.get(name, name.replace("_", " "))


def _short(value: Any) -> str:
    if value is None or value == "":
        return "unknown"
    return f"{value:g}" if isinstance(value, float) else str(value)
