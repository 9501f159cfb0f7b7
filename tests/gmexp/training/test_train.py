"""A training run survives any kill bit for bit, and refuses what it cannot go on from."""

import dataclasses
import json
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import gmexp
from gmexp import artefacts
from gmexp.agents.checkpoint import load_checkpoint
from gmexp.agents.ppo import PPO
from gmexp.artefacts import tables, writer
from gmexp.artefacts.records import CurvePoint
from gmexp.artefacts.study import Study
from gmexp.cli.config import load
from gmexp.cli.main import main
from gmexp.pipeline import training_runs
from gmexp.support.errors import UserError
from gmexp.training import run, train
from gmexp.training.run import Run, describe, identity
from gmexp.training.train import env_device
from gmexp_envs.levels import SPLITS

from ..tiny import AGENT, ITERATION, assert_equal_arrays, assert_equal_runs, train_config


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run's folder. Read only."""
    return train.train(train_config(tmp_path_factory.mktemp("finished")))


@pytest.fixture
def copy(finished, tmp_path):
    """A copy of the finished run to damage."""
    return Path(shutil.copytree(finished, tmp_path / "run"))


def listing(folder) -> dict[str, tuple[int, bytes]]:
    return {str(p): (p.stat().st_mtime_ns, p.read_bytes()) for p in folder.rglob("*") if p.is_file()}


def refused(capsys, *arguments) -> str:
    """The single line on stderr with which a command is refused."""
    capsys.readouterr()
    assert main([str(a) for a in arguments]) == 2
    out, err = capsys.readouterr()
    assert err.count("\n") == 1 and err.startswith(f"gmexp {arguments[0]}: ") and not out
    return err


# --- what a run leaves ------------------------------------------------------------------------------------------------

@pytest.mark.slow
def test_a_run_leaves_its_checkpoint_its_curve_and_what_is_known_of_it(finished):
    assert sorted(p.name for p in finished.iterdir()) == ["best", "checkpoint.npz", "curve.parquet", "run.json"]
    checkpoint = load_checkpoint(finished)
    about = artefacts.read_json(finished / "run.json", required=("status", "meta", "config", "provenance"))
    assert about["status"].startswith("trained: ")
    assert about["meta"]["run_id"] == checkpoint.meta.run_id == finished.name
    assert about["provenance"]["config_hash"] == checkpoint.meta.config_hash
    points = tables.read_records(finished / "curve.parquet", CurvePoint)
    assert [point.steps for point in points] == [ITERATION * k for k in (1, 2, 3, 4)]


@pytest.mark.slow
def test_equal_configurations_give_equal_checkpoints_and_others_do_not(finished, tmp_path):
    config = train_config(tmp_path)
    assert_equal_runs(train.train(config), finished)
    other = train.train(train_config(tmp_path, "seed=1"))
    assert (other / "checkpoint.npz").read_bytes() != (finished / "checkpoint.npz").read_bytes()


def test_a_commit_between_two_equal_runs_changes_what_is_known_of_them_and_not_the_checkpoints(
        finished, tmp_path, monkeypatch):
    monkeypatch.setattr("gmexp.artefacts.origin._checkout", lambda: ("0123abc", False))
    later = train.train(train_config(tmp_path))
    assert_equal_runs(later, finished)
    assert artefacts.read_json(later / "run.json")["meta"]["git_sha"] == "0123abc"
    assert load_checkpoint(later).meta.git_sha is None


def test_a_checkpoint_that_names_its_commit_still_loads(copy):
    path = copy / "checkpoint.npz"
    arrays, meta = artefacts.read_npz(path), load_checkpoint(copy).meta
    about = json.loads(str(arrays["about"]))
    about["meta"]["git_sha"] = "0123abc"
    artefacts.write_npz(path, arrays | {"about": np.array(json.dumps(about))})
    assert load_checkpoint(copy).meta == dataclasses.replace(meta, git_sha="0123abc")


def test_a_finished_run_is_left_as_it_is(finished, tmp_path):
    before, told = listing(finished), []
    config = train_config(finished.parents[1])
    assert train.train(config, told.append) == finished
    assert listing(finished) == before and sum(told) == config.steps


@pytest.mark.slow
def test_where_and_how_often_a_run_is_saved_does_not_change_what_it_is(tmp_path):
    plain = describe(train_config(tmp_path))
    elsewhere = describe(train_config(tmp_path / "x", "checkpoint_seconds=1", "logger.project=other"))
    assert plain.run_id == elsewhere.run_id and plain.config_hash == elsewhere.config_hash
    for change in ("seed=1", "env.diversity=0.3", "agent.gamma=0.9", "env.physics.gravity=0.3", "steps=99"):
        assert describe(train_config(tmp_path, change)).config_hash != plain.config_hash, change


def test_training_levels_are_of_the_training_split(tmp_path):
    levels = train_config(tmp_path).training.levels
    assert (levels.first, levels.count) == (SPLITS["train"].first, SPLITS["train"].count)
    few = train_config(tmp_path, "env.train_levels=7").training.levels
    assert (few.first, few.count) == (0, 7)


@pytest.mark.slow
def test_runs_held_out_by_seeds_are_those_of_the_first_edition():
    """Their ids are those of the committed studies; by content they are others."""
    planned = training_runs(load("run", ["experiment=learning_easy", "env.held_out=seeds", "agent.update=autograd"]))
    committed = Study(Path(__file__).parents[3] / "results" / "learning_easy")
    assert {run.run_id for run in committed.runs()} == {describe(run).run_id for run in planned}
    assert not {describe(dataclasses.replace(run, env=dataclasses.replace(run.env, held_out="content"))).run_id
                for run in planned} & {describe(run).run_id for run in planned}
    with pytest.raises(UserError, match="env.held_out = layout: content, or seeds"):
        load("run", ["experiment=quickstart", "env.held_out=layout"])


# --- the best weights -------------------------------------------------------------------------------------------------

@pytest.mark.slow
def test_the_best_weights_are_those_of_the_highest_success_over_a_window(tmp_path, monkeypatch):
    monkeypatch.setattr(train, "WINDOW", 2)
    successes, kept = iter([0.1, 0.3, 0.9, 0.8, 0.2, 0.0]), []
    iterate, finish = PPO.iterate, train._finish
    monkeypatch.setattr(PPO, "iterate", lambda self: iterate(self)._replace(success=next(successes), episodes=5))
    monkeypatch.setattr(train, "_finish", lambda *arguments: (kept.append(arguments[3]), finish(*arguments)))
    folder = train.train(train_config(tmp_path, iterations=6))
    (best,) = kept
    assert best.success == pytest.approx(0.85) and best.steps == 4 * ITERATION
    stored, last = load_checkpoint(folder / "best"), load_checkpoint(folder)
    assert all((stored.network.state_dict()[name.removeprefix("network.")].numpy() == array).all()
               for name, array in best.weights.items())
    assert (stored.network.policy.weight != last.network.policy.weight).any()


@pytest.mark.slow
def test_the_best_weights_are_evaluated_beside_the_last(copy, capsys):
    plan = ["evaluation.episodes=4", "evaluation.slots=4", "evaluation.shifts=[0]", "evaluation.probes=[]"]
    for folder in (copy, copy / "best"):
        assert main(["evaluate", f"run={folder}", *plan]) == 0
        assert capsys.readouterr().out.strip() == str(folder / "episodes.parquet")


# --- as a plain function ----------------------------------------------------------------------------------------------

def test_training_is_a_plain_function_too(finished, capfd):
    settings = dict(item.split("=") for item in AGENT)
    settings = {key: int(value) for key, value in settings.items()} | {"steps": 4 * ITERATION, "experiment": "mine"}
    told: list[int] = []
    result = gmexp.train("coinrun", "ppo", out=finished.parents[1], settings=settings, on_progress=told.append)
    assert result.folder == finished and result.meta.run_id == finished.name and sum(told) == 4 * ITERATION
    assert [point.steps for point in result.curve] == [ITERATION * k for k in (1, 2, 3, 4)]
    with pytest.raises(UserError, match="there is no key 'agent.widht': did you mean 'agent.width'"):
        gmexp.train(settings={"agent.widht": 3})
    assert capfd.readouterr() == ("", "")


def test_a_run_is_described_once(tmp_path, monkeypatch):
    told = []
    monkeypatch.setattr(run, "_meta", lambda *arguments, meta=run._meta: (told.append(1), meta(*arguments))[1])
    planned = Run.of(train_config(tmp_path, iterations=1))
    assert not planned.finished and train.train(planned) == planned.folder and planned.finished and told == [1]


# --- killed and resumed -----------------------------------------------------------------------------------------------

@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
def test_a_run_killed_at_any_moment_goes_on_bit_for_bit(tmp_path):
    iterations, kills, delays = 90, 8, random.Random(0)
    whole = train.train(train_config(tmp_path / "whole", iterations=iterations))
    config = train_config(tmp_path / "killed", "checkpoint_seconds=0", iterations=iterations)
    folder = tmp_path / "killed" / "runs" / whole.name
    context = multiprocessing.get_context("forkserver")  # one import for all the processes to be killed
    context.set_forkserver_preload(["gmexp.training.train", "torch._dynamo"])
    killed = 0
    for _ in range(kills):
        process = context.Process(target=train.train, args=(config,))
        process.start()
        before = _saved_steps(folder)
        while _saved_steps(folder) <= before and process.is_alive():
            time.sleep(0.002)
        time.sleep(delays.uniform(0, 0.1))
        killed += process.is_alive()
        os.kill(process.pid, signal.SIGKILL)
        process.join()
    assert killed == kills and not (folder / "run.json").exists()
    told = []
    train.train(config, told.append)
    assert told[0] >= kills * ITERATION and sum(told) == config.steps  # went on, not anew
    assert_equal_runs(folder, whole)
    assert not (folder / "resume.npz").exists()


def _saved_steps(folder) -> int:
    try:
        return int(artefacts.read_npz(folder / "resume.npz")["steps"])
    except UserError:  # none yet; one that is there is always whole
        assert not (folder / "resume.npz").exists()
        return 0


@pytest.fixture
def interrupted(tmp_path, monkeypatch):
    """The configuration and folder of a run that stopped after its first saved state."""
    config = train_config(tmp_path, "checkpoint_seconds=0")
    monkeypatch.setattr(train, "_finish", lambda *_: None)
    folder = train.train(config)
    monkeypatch.undo()
    assert [p.name for p in folder.iterdir()] == ["resume.npz"]
    return config, folder


DAMAGE = {
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:-1000]),
    "empty": lambda path: path.write_bytes(b""),
    "foreign": lambda path: artefacts.write_npz(path, {"weights": np.zeros(3)}),
    "of another configuration": lambda path: artefacts.write_npz(
        path, artefacts.read_npz(path) | {"run.config_hash": np.array("0" * 12)}),
    "without a generator": lambda path: artefacts.write_npz(
        path, {k: v for k, v in artefacts.read_npz(path).items() if k != "generator"}),
    "of another engine": lambda path: artefacts.write_npz(
        path, artefacts.read_npz(path) | {"env.world.body": np.zeros((2, 2))}),
    "of another version": lambda path: artefacts.write_npz(path, artefacts.read_npz(path) | {"run.version": np.array(99)}),
    "of another network": lambda path: artefacts.write_npz(
        path, artefacts.read_npz(path) | {"network.value.bias": np.zeros(2)}),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_saved_state_that_does_not_fit_is_refused_and_kept(interrupted, damage, capsys):
    config, folder = interrupted
    DAMAGE[damage](folder / "resume.npz")
    before = listing(folder)
    assert "remove it to start this run anew" in refused(
        capsys, "train", f"out={config.out}", *AGENT, f"steps={config.steps}", "checkpoint_seconds=0")
    assert listing(folder) == before


# --- what can go wrong ------------------------------------------------------------------------------------------------

@pytest.mark.slow
def test_a_checkpoint_that_cannot_be_read_is_refused_in_one_line(copy, capsys):
    path = copy / "checkpoint.npz"
    arrays = artefacts.read_npz(path)
    whole = path.read_bytes()

    def about(**changes):
        return {"about": np.array(json.dumps(json.loads(str(arrays["about"])) | changes))}

    cases = {
        "damaged": whole[: len(whole) // 2],
        "lacks the arrays about": {"x": np.zeros(2)},
        "checkpoint of version 99": arrays | about(version=99),
        "another architecture": arrays | {"network.body.weight": np.zeros((3, 3), np.float32)},
        "agent lacks network, num_envs": arrays | about(agent={"name": "ppo"}),
        "checkpoint of version None": arrays | {"about": np.array("[1, 2]")},
    }
    for expected, content in cases.items():
        path.write_bytes(content) if isinstance(content, bytes) else artefacts.write_npz(path, content)
        before = listing(copy)
        assert expected in refused(capsys, "evaluate", f"run={copy}")
        assert listing(copy) == before
    path.unlink()
    assert "no checkpoint" in refused(capsys, "evaluate", f"run={copy}")
    assert "no checkpoint" in refused(capsys, "evaluate", f"run={copy / 'nowhere'}")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["checkpoint.npz", "resume.npz"])
def test_a_flipped_bit_is_found_or_was_without_consequence(finished, interrupted, name, tmp_path):
    source = finished / name if name == "checkpoint.npz" else interrupted[1] / name
    whole, arrays, where = source.read_bytes(), artefacts.read_npz(source), random.Random(1)
    path, found = tmp_path / name, 0
    for _ in range(100):
        damaged, position = bytearray(whole), where.randrange(len(whole))
        damaged[position] ^= 1 << where.randrange(8)
        path.write_bytes(damaged)
        try:
            read = artefacts.read_npz(path, required=arrays)
        except UserError as error:
            assert "\n" not in str(error)
            found += 1
        else:  # a bit of the zip's own book-keeping that nothing depends on
            assert_equal_arrays({key: read[key] for key in arrays}, arrays)
    assert found > 80


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="needs a limit on file sizes")
def test_a_file_that_may_not_grow_ends_a_run_in_one_line_and_keeps_its_last_state(interrupted):
    config, folder = interrupted
    before = listing(folder)
    code = ("import resource, sys; from gmexp.cli.main import main; "
            "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000)); "
            "sys.exit(main(sys.argv[1:]))")
    done = subprocess.run([sys.executable, "-c", code, "train", f"out={config.out}", *AGENT, f"steps={config.steps}",
                           "checkpoint_seconds=0"], capture_output=True, text=True, timeout=300)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "File too large" in done.stderr
    assert listing(folder) == before


@pytest.mark.slow
def test_a_folder_that_cannot_be_written_to_is_found_before_training(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(PPO, "iterate", lambda self: pytest.fail("trained"))
    (tmp_path / "file").write_text("")
    for out in (tmp_path / "file", tmp_path / "file" / "below", "/proc/nowhere"):
        assert "cannot write" in refused(capsys, "train", f"out={out}", *AGENT)


def test_a_full_disk_ends_a_run_in_one_line_and_keeps_its_last_state(tmp_path, capsys, monkeypatch):
    saved = []

    def fsync(descriptor: int) -> None:
        saved.append(descriptor)
        if len(saved) > 4:  # two whole states: the file and its folder each
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(writer.os, "fsync", fsync)
    line = refused(capsys, "train", f"out={tmp_path}", *AGENT, f"steps={8 * ITERATION}", "checkpoint_seconds=0")
    assert "No space left on device" in line
    monkeypatch.undo()
    (folder,) = (tmp_path / "runs").iterdir()
    assert [p.name for p in folder.iterdir()] == ["resume.npz"]
    assert artefacts.read_npz(folder / "resume.npz")["steps"] == 2 * ITERATION


def test_a_run_that_diverges_stops_at_once(tmp_path, capsys):
    line = refused(capsys, "train", f"out={tmp_path}", *AGENT, "agent.learning_rate=1e30", f"steps={99 * ITERATION}")
    assert "diverged" in line and "agent.learning_rate" in line


@pytest.mark.slow
def test_the_identity_holds_everything_but_where_and_how(tmp_path):
    assert identity(train_config(tmp_path)).keys() == {"env", "agent", "steps", "seed", "verified", "device"}
    one, other = (describe(train_config(tmp_path, f"experiment={name}")) for name in ("one", "other"))
    assert one.run_id == other.run_id and one.config_hash == other.config_hash  # equal runs of two studies are one run


def test_a_candidate_for_verification_is_a_study_s(tmp_path, capsys):
    assert "condition of a study" in refused(capsys, "train", f"out={tmp_path}", *AGENT, "verified=true")


@pytest.mark.parametrize(("device", "backend", "expected"), [("cpu", "native", "cpu"), ("cuda:1", "native", "cuda:1"),
                                                             ("cuda", "procgen", "cpu"), ("mps", "native", "cpu")])
def test_worlds_live_beside_a_network_on_a_cuda_device(device, backend, expected):
    assert env_device(device, backend) == expected
