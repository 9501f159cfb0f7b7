"""Completion in a real bash: keys of the chosen files, choices, true and false, flags, paths."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

from gmexp.cli.main import VERBS, main

CASES = [
    ("gmexp tr", ["train"]),
    ("gmexp train env.di", ["env.diversity="]),
    ("gmexp train env=maze env.re", ["env.region="]),
    ("gmexp train env.re", []),
    ("gmexp run experiment=quick", ["experiment=quickstart"]),
    ("gmexp train agent.anneal=", ["agent.anneal=true", "agent.anneal=false"]),
    ("gmexp train +env.physics.g", ["+env.physics.gravity="]),
    ("gmexp train ~mit", ["~mitigation"]),
    ("gmexp evaluate shift=e", ["shift=extreme"]),
    ("gmexp run --cfg ", ["job", "hydra", "all"]),
    ("gmexp run --dry", ["--dry-run"]),
    ("gmexp train --info s", ["searchpath"]),
    ("gmexp show factor=c", ["factor=context", "factor=correlation"]),
    ("gmexp bench ", ["engine", "train", "calibrate"]),
    ("gmexp bench engine mod", ["mode="]),
    ("gmexp estimate stri", ["strict="]),
    ("gmexp nothing x", []),
    ("gmexp", []),
]


def completed(line: str, monkeypatch, capsys) -> list[str]:
    monkeypatch.setenv("COMP_LINE", line)
    monkeypatch.setenv("COMP_POINT", str(len(line)))
    capsys.readouterr()
    assert main(["-sc", "query=bash"]) == 0
    return capsys.readouterr().out.split("\n")[:-1]


@pytest.mark.parametrize("line, words", CASES, ids=[line for line, _ in CASES])
def test_what_may_follow(line, words, monkeypatch, capsys):
    assert completed(line, monkeypatch, capsys) == words


def test_files_of_ones_own(tmp_path, monkeypatch, capsys):
    (tmp_path / "mine.yaml").touch()
    (tmp_path / "notes.txt").touch()
    assert completed(f"gmexp run experiment={tmp_path}/", monkeypatch, capsys) == [f"experiment={tmp_path}/mine.yaml"]


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_keys(verb, monkeypatch, capsys):
    words = completed(f"gmexp {verb} ", monkeypatch, capsys)
    assert words and all(word.endswith("=") for word in words if verb not in ("bench", "langosco", "verify"))


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_in_bash(tmp_path):
    gmexp = tmp_path / "gmexp"
    gmexp.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m gmexp "$@"\n')
    gmexp.chmod(0o755)
    script = ('eval "$(gmexp -sc install=bash)"; COMP_LINE="gmexp train env.di"; COMP_POINT=${#COMP_LINE}; _gmexp; '
              'echo "${COMPREPLY[@]}"; complete -p gmexp; eval "$(gmexp -sc uninstall=bash)"; complete -p gmexp')
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(["bash", "-c", script], env=os.environ | {"PATH": path}, capture_output=True, text=True)
    assert done.stdout.splitlines() == ["env.diversity=", "complete -o default -F _gmexp gmexp"]
    assert "no completion specification" in done.stderr
