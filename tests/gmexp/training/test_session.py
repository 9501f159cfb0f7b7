"""What a tracked run is called, and that it can be filtered by what matters."""

from __future__ import annotations

from gmexp.artefacts import tracking
from gmexp.training import session
from gmexp.training.run import Run

from ..tiny import train_config


def opened(tmp_path, monkeypatch, *overrides: str) -> dict:
    """What a run's tracker is opened with."""
    asked = {}
    monkeypatch.setattr(session, "open_tracker", lambda *names, **about: asked.update(about, names=names))
    session.open_run(Run.of(train_config(tmp_path, *overrides)))
    return asked


def test_a_run_is_filterable(tmp_path, monkeypatch):
    run = Run.of(train_config(tmp_path, "env.diversity=0.3", "seed=5"))
    about = opened(tmp_path, monkeypatch, "env.diversity=0.3", "seed=5")["config"]
    assert (about["env"], about["delta"], about["seed"], about["backend"]) == ("coinrun_easy", 0.3, 5, "native") or (
        about["env"] == run.meta.env)
    assert about["condition_hash"] == run.meta.condition_hash and about["learner"] == run.meta.algo
    assert about["method"] == "standard" and about["settings"] == run.identity


def test_its_id_is_stable_and_its_places_are_named(tmp_path, monkeypatch):
    first = opened(tmp_path, monkeypatch, "logger=wandb", "logger.entity=us", "logger.tags=[mine]", "logger.notes=why")
    again = opened(tmp_path / "elsewhere", monkeypatch, "logger=wandb", "steps=2048")
    assert first["id"] == opened(tmp_path, monkeypatch)["id"] != again["id"]
    assert (first["entity"], first["notes"], first["job_type"], first["group"]) == ("us", "why", "train", "train")
    assert {"delta=0", "native", "mine"} <= set(first["tags"])


def test_a_sweeps_agent_has_its_own_ids(monkeypatch):
    about = tracking.Session(id="x", tags=("a", "a", "", "b" * 80))
    assert len(tracking._settings(about)["id"]) == 16
    assert [len(tag) for tag in tracking._settings(about)["tags"]] == [1, 64]
    monkeypatch.setenv("WANDB_SWEEP_ID", "s")
    assert tracking._settings(about)["id"] is None
