"""Where everything of a study lies, in one place, and what it says about its runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any

from gmexp import artefacts
from gmexp.artefacts.condition import condition_hash, condition_labels, learner_hash, settings
from gmexp.artefacts.decode import decode
from gmexp.artefacts.records import Provenance, RunMeta
from gmexp.support.errors import UserError
from gmexp.support.text import as_plain_name

TRAINED = ("checkpoint.npz", "best/checkpoint.npz", "curve.parquet", "run.json")  # what a run leaves, the last one last


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
    def mitigations(self) -> Path:
        return self.root / "mitigations.json"

    @property
    def mitigated(self) -> Path:
        """What every run did with every mitigation that acts at play time, counted."""
        return self.root / "mitigated.parquet"

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
        return self.root / ".gmexp.scratch"

    def run(self, run_id: str) -> Path:
        """A run's folder; UserError for an id that would lead anywhere else."""
        return self.root / "runs" / as_plain_name(run_id, "a run's id")

    def log(self, run_id: str) -> Path:
        """What a run said, in all its sessions, beside its folder."""
        return self.run(run_id).with_name(f"{run_id}.log")

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
        content = artefacts.read_json(path, required=("meta",))
        return _meta(content["meta"], str(path), content.get("config"))

    def is_finished(self, meta: RunMeta) -> bool:
        """Whether a run is complete: run.json, written last, says that it is this one, and what it speaks of is there."""
        folder = self.run(meta.run_id)
        if not all((folder / name).is_file() for name in TRAINED):
            return False
        try:
            return self.finished(meta.run_id).config_hash == meta.config_hash
        except UserError:  # empty or damaged
            return False

    def gather(self) -> list[RunMeta]:
        """All finished runs below the folder, in order of their ids."""
        return [self.finished(path.parent.name) for path in sorted(self.root.glob("runs/*/run.json"))]

    def write_index(self, experiment: str, config: Mapping[str, Any], runs: Sequence[RunMeta],
                    provenance: Provenance, failed: Mapping[str, str] | None = None,
                    rejected: Mapping[str, str] | None = None) -> Path:
        """Write study.json: the resolved config and, for each run, what is known of it and its condition's label.

        `failed` says why further runs, by their ids, are missing; `rejected` why candidates did not pass verification.
        """
        named, varied = condition_labels(runs), _varied(runs)
        entries = [{"condition": named[run.run_id]} | artefacts.plain(run) | {"settings": run.settings and {
            name: value for name, value in run.settings.items() if name in varied}} for run in runs]
        missing, refused = ([{"run_id": run_id, "reason": reason} for run_id, reason in (found or {}).items()]
                            for found in (failed, rejected))
        return artefacts.write_json(self.index, {"experiment": experiment, "config": config, "runs": entries,
                                                 "failed": missing, "rejected": refused}, provenance)

    def estimates(self) -> list[dict[str, Any]]:
        """Published beside calibrated rates, a row per shift; empty before the stage that estimates them."""
        if not self.estimate.exists():
            return []
        content = artefacts.read_json(self.estimate, required=["shifts"])["shifts"]
        return decode(list[dict[str, Any]], content, f"{self.estimate}: shifts")

    def _config(self, entry: Mapping[str, Any]) -> dict[str, Any] | None:
        """The configuration in a run's own folder, where study.json, being older, does not say what follows from it."""
        path = self.run(str(entry.get("run_id"))) / "run.json"
        if entry.get("condition_hash") is not None or not path.is_file():
            return None
        return artefacts.read_json(path).get("config")

    def read_index(self) -> dict[str, Any]:
        """The content of study.json: the experiment's name, its config and its runs."""
        content = artefacts.read_json(self.index, required=("experiment", "config", "runs"))
        for key, kind in (("experiment", str), ("config", dict | None)):
            decode(kind, content[key], f"{self.index}: {key}")
        return content

    def runs(self) -> list[RunMeta]:
        """The runs listed in study.json."""
        entries = self.read_index()["runs"]
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise UserError(f"{self.index}: runs should be a list of objects")
        metas = [_meta(entry, f"{self.index}: run {position}", self._config(entry))
                 for position, entry in enumerate(entries)]
        if not metas:
            raise UserError(f"{self.index} lists no runs")
        if len({meta.run_id for meta in metas}) < len(metas):
            raise UserError(f"{self.index} lists a run twice")
        return metas


def _meta(entry: Mapping[str, Any], where: str, config: Any = None) -> RunMeta:
    """A run as an artefact describes it; what older ones do not say is unknown, or follows from the run's `config`."""
    if not isinstance(entry, Mapping):
        raise UserError(f"{where} should describe a run")
    known = {f.name: f.default for f in fields(RunMeta)}
    if missing := [name for name, default in known.items() if name not in entry and default is MISSING]:
        raise UserError(f"{where} lacks {', '.join(missing)}")
    if isinstance(config, Mapping) and isinstance(config.get("agent"), Mapping):
        entry = {"condition_hash": condition_hash(config), "learner_hash": learner_hash(config),
                 "settings": settings(config)} | dict(entry)
    return decode(RunMeta, {name: entry[name] for name in known if name in entry}, where)


def _varied(runs: Sequence[RunMeta]) -> set[str]:
    """The settings in which runs differ, as far as they are known."""
    known = [run.settings for run in runs if run.settings is not None]
    return {name for each in known for name in each if len({repr(other.get(name)) for other in known}) > 1}
