"""A mitigation is one file: what it leaves out does nothing, what it says is honoured where an agent plays."""

from __future__ import annotations

import dataclasses

import pytest

from gmexp.agents.checkpoint import load_checkpoint
from gmexp.agents.scripted import ScriptedAgent
from gmexp.artefacts import tables
from gmexp.artefacts.records import Episode
from gmexp.calculator import table
from gmexp.cli.config import load
from gmexp.cli.main import main
from gmexp.evaluation.evaluate import evaluate
from gmexp.mitigations import Mitigation, find_mitigation, mitigation_config, mitigation_names, mitigation_of
from gmexp.training.run import Run
from gmexp.training.train import train

from ..tiny import train_config

PLAN = dataclasses.replace(load("evaluate", ["run=none"]).evaluation, shifts=[0, 3], probes=[], episodes=8, slots=8)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return load_checkpoint(train(train_config(tmp_path_factory.mktemp("study"), "env.horizon=300", "agent.actions=moves",
                                              iterations=1)))


@dataclasses.dataclass
class GuideConfig:
    name: str = "guide"


class Guide(Mitigation):
    """Somebody who knows the intended goal takes over."""

    name, layer, price, config = "guide", "response", "somebody who knows", GuideConfig

    def wrap(self, actor, env):
        return ScriptedAgent("intended", self.options.task, env)


def test_a_mitigation_that_does_nothing_changes_nothing():
    class Idle(Mitigation):
        name, layer, price, config = "idle", "response", "nothing", GuideConfig

    idle = Idle(GuideConfig())
    actor, env = object(), object()
    assert idle.wrap(actor, env) is actor and idle.accept(None, None) is None
    assert idle.train(lambda shown: ("built", shown), env) == ("built", env)


@pytest.mark.slow
def test_who_plays_is_what_the_mitigation_says(checkpoint):
    plain = tables.read_table(evaluate(checkpoint, PLAN), Episode)
    options = GuideConfig()
    options.task = checkpoint.task
    guided = tables.read_table(evaluate(checkpoint, PLAN, mitigation=Guide(options)), Episode)
    assert guided["level_seed"].equals(plain["level_seed"])
    assert guided["intended_step"].null_count < plain["intended_step"].null_count
    assert tables.read_table(evaluate(checkpoint, PLAN), Episode).equals(plain)  # its episodes are not taken for others


@pytest.mark.slow
def test_the_table_of_mitigations():
    published = {row["name"]: row["layer"] for row in table("mitigations").rows}
    for name in mitigation_names():
        kind = find_mitigation(name)
        assert kind.name == name and kind.layer in {"prevention", "detection", "response"} and kind.price
        assert kind.row is None or published[kind.row] == kind.layer
        options = load("evaluate", ["run=none", f"mitigation={name}"]).mitigation
        assert isinstance(options, mitigation_config(name)) and isinstance(mitigation_of(options), kind)
    assert mitigation_of(load("evaluate", ["run=none"]).mitigation) is None


def test_what_is_no_mitigation_is_one_line(capsys):
    for name, message in (("verificaton", "choose one of none, verification"), ("gmexp.nowhere:X", "cannot be imported"),
                          ("gmexp.cli.main:main", "not a subclass")):
        with pytest.raises(ValueError, match=message):
            find_mitigation(name)
    assert main(["evaluate", "run=x", "mitigation=verificaton"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.slow
def test_training_is_what_the_mitigation_says(tmp_path, monkeypatch):
    """A run with a mitigation is another run, in another condition, and its trainer is the mitigation's."""
    (tmp_path / "their_curriculum.py").write_text(CURRICULUM)
    monkeypatch.syspath_prepend(tmp_path)
    plain = train_config(tmp_path / "study", iterations=2)
    treated = train_config(tmp_path / "study", "mitigation=their_curriculum:Curriculum", "mitigation.rest=1", iterations=2)
    first, second = Run.of(plain), Run.of(treated)
    assert first.meta.config_hash != second.meta.config_hash and first.meta.condition_hash != second.meta.condition_hash
    assert first.meta.learner_hash == second.meta.learner_hash
    assert "mitigation" not in first.identity  # as that of runs of earlier versions
    weights = [load_checkpoint(train(config)).network.state_dict() for config in (plain, treated)]
    assert any(not (weights[0][name] == weights[1][name]).all() for name in weights[0])


CURRICULUM = '''"""A mitigation of somebody else's: training skips some levels first."""

from dataclasses import dataclass

from gmexp.mitigations import Mitigation


@dataclass
class Options:
    name: str = "curriculum"
    rest: int = 0


class Curriculum(Mitigation):
    name, layer, price, config = "curriculum", "prevention", "other levels", Options

    def train(self, build, env):
        return build(type(env)(*env._arguments[:2], env.seed + self.options.rest, *env._arguments[3:]))
'''


ECHO = '''"""A mitigation of somebody else's: the agent may not jump."""

from dataclasses import dataclass

from gmexp.mitigations import Mitigation


@dataclass
class Options:
    name: str = "grounded"
    action: int = 4  # that it takes instead of every other


class Stubborn:
    def __init__(self, actor, action):
        self._actor, self._action = actor, action

    def act(self, observation, rows):
        return self._actor.act(observation, rows) * 0 + self._action


class Grounded(Mitigation):
    name, layer, price, config = "grounded", "response", "all jumps", Options

    def wrap(self, actor, env):
        return Stubborn(actor, self.options.action)
'''


def test_a_mitigation_of_another_package_is_one_file(checkpoint, tmp_path, monkeypatch):
    (tmp_path / "their_mitigation.py").write_text(ECHO)
    monkeypatch.syspath_prepend(tmp_path)
    overrides = ["evaluation.shifts=[0]", "evaluation.probes=[]", "evaluation.episodes=8", "evaluation.slots=8"]
    assert main(["evaluate", f"run={checkpoint.path}", "mitigation=their_mitigation:Grounded", "mitigation.action=4",
                 *overrides]) == 0
    stored = tables.read_table(checkpoint.path.with_name("episodes.parquet"), Episode)
    assert stored["intended_step"].null_count == stored.num_rows == 16  # who stays where he is reaches nothing
