"""Whatever is typed, the answer is a result or one line; help is quick and complete."""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import re
import subprocess
import sys
from unittest import mock

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gmexp import pipeline
from gmexp.agents.ppo import PPO
from gmexp.cli import config
from gmexp.cli.help import chosen_groups
from gmexp.cli.main import VERBS, main
from gmexp.cli.schema import SCHEMAS, schema
from gmexp.support.composition import keys, override
from gmexp.support.conf import choices, config_folder
from gmexp.support.errors import UserError
from gmexp.training import train

from ..tiny import AGENT, train_config

CONFIGURED = [name for name, verb in VERBS.items() if verb.configured]
QUICKSTART = "experiment=quickstart"


def refused(capsys, *arguments: object) -> str:
    """The single line on stderr with which a command is refused."""
    capsys.readouterr()
    assert main([str(a) for a in arguments]) == 2
    out, err = capsys.readouterr()
    assert err.count("\n") == 1 and err.startswith(f"gmexp {arguments[0]}: ") and not out
    return err


@pytest.fixture(autouse=True)
def nothing_starts(monkeypatch):
    """A bad command that gets as far as training has failed the test."""
    monkeypatch.setattr(pipeline, "_train_and_evaluate", lambda *_: pytest.fail("training started"))
    monkeypatch.setattr(PPO, "iterate", lambda *_: pytest.fail("training started"))


# --- bad input --------------------------------------------------------------------------------------------------------

REFUSED = [
    # a verb, a key, a choice that do not exist
    (["fly"], "choose one of run, train"),
    (["train", "stepz=3"], "did you mean 'steps'"),
    (["train", "diversity=0.3"], "did you mean 'env.diversity'"),
    (["train", "env.nope=1"], "no key 'env.nope'"),
    (["run", QUICKSTART, "nope=1"], "no key 'nope'"),
    (["train", "+stepz=1"], "did you mean 'steps'"),
    (["train", "~steps"], "set, not deleted"),
    (["train", "~env.physics.lift"], "nothing to delete"),
    (["train", "steps"], "key=value"),
    (["train", "--steps", "3"], "no flag --steps"),
    (["train", "hydra.job.chdir=true"], "hydra.run.dir"),
    (["train", "--config-dir", "/nowhere"], "no such folder"),
    (["train", "--cfg", "all_of_it"], "choose one of job"),
    (["train", "-m", "seed=1,x"], "whole number, not 'x'"),
    (["train", "-m", "seed=interval(0,1)"], "names no values"),
    (["train", "-m", "seed=range(2000)"], "more than 1000 jobs"),
    (["train", "--config-path", "/nowhere"], "--config-dir DIR adds"),
    (["train", "--info", "--info=nothing"], "choose one of all, config"),
    (["train", "--cfg"], "lacks a value"),
    (["train", "--cfg", "job", "-p", "nowhere"], "no such part"),
    (["train", "--cfg", "job", "stepz=3"], "did you mean 'steps'"),
    (["train", "--cfg", "all", "steps=0"], "at least 1"),
    (["train", "~env"], "cannot be left out"),
    (["train", "-sc", "install=tcsh"], "of bash, zsh, fish"),
    (["rates", "hydra.run.dir=x", "study=y"], "no output folder of its own"),
    (["rates", "--dry-run", "study=x"], "gmexp run, train, evaluate, measure"),
    (["evaluate", "shift=sideways", "run=x"], "choose one of all, extreme"),
    (["--info"], "needs a verb"),
    (["trian"], "did you mean train"),
    (["run"], "give experiment=..., one of"),
    (["run", "experiment=nope"], "choose one of"),
    (["train", "env=mase"], "choose one of coinrun"),
    (["train", "env.name=mase"], "choose one of coinrun"),
    (["train", "logger=comet"], "choose one of none, tensorboard, trackio, wandb"),
    (["train", "logger.name=comet"], "one of none, wandb, tensorboard, trackio"),
    (["train", "logger.mode=loud"], "one of offline, online"),
    (["estimate", "shift=5"], "shift"),
    (["estimate", "shfit=3"], "did you mean shift"),
    # values of the wrong type
    (["train", "steps=many"], "whole number, not 'many'"),
    (["train", "steps=1.5"], "whole number, not '1.5'"),
    (["train", "steps="], "lacks a value"),
    (["train", "steps=null"], "steps"),
    (["train", "steps=[1"], "whole number"),
    (["train", "steps=1,2"], "whole number"),
    (["train", "steps=${nope}"], "nope"),
    (["train", "env.physics=3"], "env.physics"),
    (["train", "env={diversity: 0.5}"], "choose one of coinrun"),
    (["run", QUICKSTART, "seeds=[a]"], "whole number, not 'a'"),
    (["run", QUICKSTART, "conditions=3"], "conditions"),
    (["run", QUICKSTART, "evaluation.shifts=[true]"], "whole number, not 'true'"),
    # values out of range
    (["train", "env.diversity=1.5"], "env.diversity = 1.5 is not within [0, 1]"),
    (["train", "env.diversity=-0.1"], "env.diversity"),
    (["train", "env.diversity=nan"], "finite number"),
    (["train", "env.spec_quality=nan"], "spec_quality"),
    (["train", "env.mode=medium"], "neither 'easy' nor 'hard'"),
    (["train", "env.placement=cell"], "coin cell"),
    (["train", "env.placement=moon"], "choose one of"),
    (["train", "env.horizon=0"], "horizon"),
    (["train", "env.train_levels=0"], "train split"),
    (["train", "env.physics.gravity=nan"], "gravity"),
    (["train", "env.physics.lift=1"], "env.physics"),
    (["train", "steps=0"], "at least 1"),
    (["train", "seed=-1"], "seed = -1"),
    (["train", "seed=99999999999999999999999"], "seed"),
    (["train", "checkpoint_seconds=nan"], "checkpoint_seconds"),
    (["train", "device=abacus"], "device = 'abacus'"),
    (["train", "device=meta"], "device = 'meta'"),
    (["train", "agent.minibatches=0"], "agent.minibatches"),
    (["train", "agent.minibatches=7"], "agent.minibatches"),
    (["train", "agent.learning_rate=inf"], "agent.learning_rate"),
    (["train", "agent.actions=dance"], "coinrun has usual, jumps"),
    (["train", "agent.name=../../up"], "agent.name"),
    (["run", QUICKSTART, "seeds=[0,0]"], "names a seed twice"),
    (["run", QUICKSTART, "seeds=[]"], "at least one"),
    (["run", QUICKSTART, "seeds=[-1]"], "seed = -1"),
    (["run", QUICKSTART, "conditions=[]"], "at least one"),
    (["run", QUICKSTART, "conditions=[{},{}]"], "same"),
    (["run", QUICKSTART, "conditions=[{env.diversity: 2}]"], "env.diversity"),
    (["run", QUICKSTART, "conditions=[{diversity: 0.2}]"], "did you mean 'env.diversity'"),
    (["run", QUICKSTART, "conditions=[{seed: 3}]"], "conditions cannot vary seed"),
    (["run", QUICKSTART, "conditions=[{logger.name: wandb}]"], "conditions cannot vary logger.name"),
    (["run", QUICKSTART, "conditions=[{env.appearance: null}]"], "appearance cannot shift"),
    (["run", QUICKSTART, "evaluation.episodes=201"], "multiple of evaluation.slots"),
    (["run", QUICKSTART, "evaluation.shifts=[7]"], "shift types are 0"),
    (["run", QUICKSTART, "evaluation.grades=[nan]"], "finite number"),
    (["run", QUICKSTART, "workers=0"], "workers"),
    (["run", QUICKSTART, "threshold=2"], "threshold"),
    (["run", QUICKSTART, "draws=1"], "draws"),
    # files that are not there
    (["evaluate", "run=/nowhere"], "no checkpoint"),
    (["rates", "study=/nowhere"], "no study folder"),
    (["report", "study=/nowhere"], "no study folder"),
    (["calibrate", "counts=/nowhere/counts.parquet", "out=calibration.json"], "/nowhere/counts.parquet"),
    (["run", QUICKSTART, "out=/proc/nowhere"], "cannot write to /proc/nowhere"),
    (["run", QUICKSTART, "out=/" + 300 * "x"], "name too long"),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("arguments, expected", REFUSED, ids=[" ".join(case[0])[:60] for case in REFUSED])
def test_bad_input_is_one_line(arguments, expected, capsys):
    assert expected.lower() in refused(capsys, *arguments).lower()


def test_a_truncated_table_is_one_line_and_stays_as_it_is(study, capsys):
    run_id = study.runs()[0].run_id
    path = study.episodes(run_id)
    path.write_bytes(path.read_bytes()[:-100])
    before = {p: p.read_bytes() for p in study.root.rglob("*") if p.is_file()}
    assert str(path) in refused(capsys, "rates", f"study={study.root}")
    study.counts.write_bytes(study.counts.read_bytes()[:50])
    before[study.counts] = study.counts.read_bytes()
    assert "counts.parquet" in refused(capsys, "calibrate", f"counts={study.root}", f"out={study.root / 'c.json'}")
    assert {p: p.read_bytes() for p in study.root.rglob("*") if p.is_file()} == before


def test_too_little_memory_is_one_line(capsys, monkeypatch):
    monkeypatch.setattr(train, "train", mock.Mock(side_effect=MemoryError("9 TiB")))
    assert "not enough memory: 9 TiB" in refused(capsys, "train", *AGENT)


def test_ctrl_c_is_one_line(capsys, monkeypatch):
    monkeypatch.setattr(train, "train", mock.Mock(side_effect=KeyboardInterrupt))
    assert main(["train", *AGENT]) == 130
    assert capsys.readouterr().err == "gmexp train: stopped; the same command goes on where it was\n"


def test_a_fault_of_ours_says_so(monkeypatch, capsys):
    monkeypatch.setattr(train, "train", mock.Mock(side_effect=RuntimeError("a bug")))
    assert main(["train", *AGENT]) == 70
    assert "a fault of gmexp" in (said := capsys.readouterr().err) and "a bug" in said


# --- overrides --------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("text", ["/a b(c)=d'e\\", "[x]", "null", "1", "a,b", "{a: 1}", "ü", "${x}", "???"])
def test_text_is_taken_as_it_stands(text):
    assert config.load("train", [f"out={text}"]).out == text


def test_the_last_of_two_values_counts_and_interpolation_works():
    loaded = config.load("train", ["steps=5", "steps=6", "experiment=mine"])
    assert loaded.steps == 6 and loaded.out == "outputs/mine"


def test_override_copies_and_checks(tmp_path):
    base = train_config(tmp_path)
    changed = override(base, {"env.diversity": 1, "env.appearance": None, "env.physics.gravity": 0.3, "seed": 7})
    assert (changed.env.diversity, changed.env.appearance, changed.seed) == (1.0, None, 7)
    assert changed.env.physics["gravity"] == 0.3 and base.env.physics["gravity"] == 0.2 and base.env.diversity == 0.0
    for wrong in ({"env.diversity": "x"}, {"env": 3}, {"seed": None}, {"nope": 1}, {"env.physics.lift": 1}):
        with pytest.raises(UserError):
            override(base, wrong)


VALUES = st.one_of(
    st.text(max_size=8), st.integers().map(str), st.floats().map(str),
    st.sampled_from(["null", "true", "[]", "{}", "[1,2]", "[{a: 1}]", "${x}", "${", "???", "'", '"', "a,b", "range(1,3)",
                     "glob(*)", "1e999", "0x10", "!!python/object:os.system", "[[[[", "int(3)", "\\", "@", "\u202e"]))
WORDS = st.one_of(st.text(max_size=12), st.sampled_from(["--help", "-h", "experiment=quickstart", "=", "~env", "+a=1"]))


@pytest.mark.slow
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from([*VERBS, "fly"]), st.data())
def test_nothing_typed_yields_a_traceback(call, verb, data):
    known = list(keys(schema(verb))) if verb in SCHEMAS else ["shift", "diversity", "mode", "format", "capability"]
    override = st.tuples(st.sampled_from(known), VALUES).map("=".join)
    arguments = data.draw(st.lists(override | WORDS, max_size=3))
    if verb == "run" and data.draw(st.booleans()):
        arguments = [QUICKSTART, *arguments]
    code, err = call([verb, *arguments])
    assert code in (0, 2) and len(err.splitlines()) == (code == 2), err


@pytest.fixture
def call(monkeypatch, tmp_path):
    """Runs a command whose work is left out -> (exit code, stderr)."""
    monkeypatch.chdir(tmp_path)  # `calculator` alone writes its page here

    def check_only(name):
        return (lambda loaded: bool(pipeline.training_runs(loaded)) * 0) if name == "run" else (lambda loaded: 0)

    for name in CONFIGURED:
        module = importlib.import_module(VERBS[name].module)
        monkeypatch.setattr(module, VERBS[name].function, check_only(name))

    def call(arguments):  # capsys would collect all examples
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main(arguments)
        return code, err.getvalue()

    return call


# --- help -------------------------------------------------------------------------------------------------------------

@pytest.mark.slow
@pytest.mark.parametrize("verb", CONFIGURED)
def test_help_names_every_key(verb, capsys):
    groups = chosen_groups(config_folder() / f"{verb}.yaml")
    shown = [[], *([f"{group}={name}"] for group in groups if group != "experiment" for name in choices(group))]
    for chosen in shown:  # the keys of an entry are shown where it is chosen
        assert main([verb, *chosen, "--help"]) == 0
    text = capsys.readouterr().out
    for key in (key for key in keys(schema(verb)) if key.split(".")[-1] != "name"):
        assert re.search(rf"\b{re.escape(key.split('.')[-1])}\b", text), key


def test_the_overview_names_every_verb(capsys):
    for arguments in ([], ["--help"], ["-h"], ["help"]):
        assert main(arguments) == 0
        text = capsys.readouterr().out
        assert all(f"  {name} " in text for name in VERBS)


@pytest.mark.skipif(os.name != "posix", reason="needs wait4")
@pytest.mark.parametrize("arguments", [["--help"], *([verb, "--help"] for verb in VERBS), ["estimate", "shift=4"]],
                         ids=" ".join)
def test_light_commands_do_not_wait_for_torch(arguments):
    """Counted in processor seconds, which a busy machine does not stretch."""
    script = ("import resource, sys; from gmexp.cli.main import main; code = main(sys.argv[1:]); "
              "heavy = [m for m in ('torch', 'hydra', 'numba', 'wandb') if m in sys.modules]; "
              "print(heavy, sum(resource.getrusage(resource.RUSAGE_SELF)[:2]), file=sys.stderr); sys.exit(code)")
    done = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=True)
    heavy, seconds = done.stderr.rsplit(" ", 1)
    assert heavy == "[]" and float(seconds) < 1.5
