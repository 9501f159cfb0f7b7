"""Completion in real shells: keys of the chosen files, choices, true and false, flags, paths."""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
import sys
import time

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
    ("gmexp bench ", ["engine", "train", "calibrate", "start"]),
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


@pytest.fixture
def environment(tmp_path) -> dict[str, str]:
    """The environment with a `gmexp` on the path, and a home without anybody's settings."""
    gmexp = tmp_path / "gmexp"
    gmexp.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m gmexp "$@"\n')
    gmexp.chmod(0o755)
    (tmp_path / "home").mkdir()
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    return os.environ | {"PATH": path, "HOME": str(tmp_path / "home"), "TERM": "dumb"}


def needs(shell: str):
    return pytest.mark.skipif(shutil.which(shell) is None, reason=f"there is no {shell}")


@pytest.mark.slow
@needs("bash")
def test_in_bash(environment):
    script = ('eval "$(gmexp -sc install=bash)"; COMP_LINE="gmexp train env.di"; COMP_POINT=${#COMP_LINE}; _gmexp; '
              'echo "${COMPREPLY[@]}"; complete -p gmexp; eval "$(gmexp -sc uninstall=bash)"; complete -p gmexp')
    done = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True)
    assert done.stdout.splitlines() == ["env.diversity=", "complete -o default -F _gmexp gmexp"]
    assert "no completion specification" in done.stderr


@pytest.mark.slow
@needs("fish")
def test_in_fish(environment):
    script = ('gmexp -sc install=fish | source; complete -C "gmexp train env.di"; complete -C "gmexp tr"; '
              'gmexp -sc uninstall=fish | source; echo over; complete -C "gmexp train env.di"')
    done = subprocess.run(["fish", "-c", script], env=environment, capture_output=True, text=True)
    assert done.stdout.splitlines() == ["env.diversity=", "train", "over"], done.stderr


@pytest.mark.slow
@needs("zsh")
def test_in_zsh(environment):
    """Typed at a terminal: zsh completes nowhere else."""
    process, terminal = pty.fork()
    if process == 0:
        os.execvpe("zsh", ["zsh", "-f", "-i"], environment)

    def typed(keys: str, expected: str) -> bool:
        os.write(terminal, keys.encode())
        shown, end = "", time.monotonic() + 60
        while expected not in shown and time.monotonic() < end:
            if select.select([terminal], [], [], 1)[0]:
                shown += os.read(terminal, 4096).decode(errors="replace")
        return expected in shown

    clear, told = "\x15", "\x18"
    assert typed('eval "$(gmexp -sc install=zsh)"; told() { print -r -- "<$BUFFER>" }; zle -N told; bindkey "^X" told; '
                 'echo inst""alled\n', "installed")
    assert typed(f"gmexp train env.di\t{told}", "<gmexp train env.diversity=>")
    assert typed(f"{clear}gmexp run experiment=quick\t{told}", "<gmexp run experiment=quickstart >")
    assert typed(f"{clear}gmexp tr\tenv.di\t{told}", "<gmexp train env.diversity=>")  # a whole word is followed by a space
    os.write(terminal, f"{clear}exit\n".encode())
    os.waitpid(process, 0)
