"""Every number that a claim gives is that of the committed artefact; README has no measured number without a claim."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

from gmexp.cli.main import VERBS

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(not (ROOT / "results").exists(), reason="a source distribution is without results")


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("claims", ROOT / "scripts" / "claims.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["claims"] = module
    spec.loader.exec_module(module)
    yield module
    for name in ("claims", "claim_values"):
        sys.modules.pop(name, None)
    sys.path.remove(str(ROOT / "scripts"))


@pytest.mark.slow
def test_pages_say_what_the_artefacts_say(script):
    rows, wrong = script.judged(script.data())
    assert wrong == []
    assert sum(status.startswith("recomputed") for _, status, _ in rows) > 50
    assert not [sentence.text for sentence, status, _ in rows if status == "not recomputed"]


@pytest.mark.slow
def test_claims_md_is_made_of_the_data(script):
    assert (ROOT / "CLAIMS.md").read_text(encoding="utf-8") == script.markdown(script.data()), "run scripts/claims.py"


@pytest.mark.slow
def test_a_wrong_number_and_a_new_one_are_noticed(script, monkeypatch):
    text = script.page_text
    row = "| coinrun | the coin, or the end |"
    changed = text("README.md").replace(f"{row} 0.", f"{row} 1.") + "\nIt is 0.123 somewhere."
    monkeypatch.setattr(script, "page_text", lambda page: changed if page == "README.md" else text(page))
    wrong = script.judged(script.data())[1]
    assert any(line.startswith("README.md should say: | coinrun") for line in wrong)
    assert "README.md: no claim covers: It is 0.123 somewhere." in wrong


def test_an_artefact_without_the_value_is_noticed(script):
    content = script.data()
    content["claims"] = {"README.md": [{"says": "{rate quickstart delta=9 3 goal_failure}"}]}
    assert "no such value" in script.judged(content)[1][0]


def test_commands_are_of_verbs_that_there_are(script):
    commands = [about["command"] for about in script.data()["pages"].values() if "command" in about]
    assert commands and all(command.split()[0] == "gmexp" and command.split()[1] in VERBS for command in commands)
