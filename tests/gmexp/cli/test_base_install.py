"""What the base install does: verbs of the calculator, the statistics and the pages run without the extras' packages.

A process in which those packages cannot be imported stands for an environment that lacks them.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gmexp.artefacts.records import OutcomeCounts
from gmexp.artefacts.study import Study
from gmexp.artefacts.tables import write_table
from gmexp.statistics.simulate import synthetic_counts

EXTRAS = ("pyarrow", "torch", "numba", "llvmlite", "gymnasium", "jaxtyping", "sklearn", "wandb", "ray", "submitit",
          "stable_baselines3", "procgen", "procgen_gym", "gym3", "gym", "av", "imageio_ffmpeg", "moviepy")
SCRIPT = """
import json, sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in EXTRAS:
            raise ModuleNotFoundError("No module named " + name, name=name)

EXTRAS = set(sys.argv[1].split(","))
sys.meta_path.insert(0, Absent())
from gmexp.cli.main import main
for arguments in json.loads(sys.argv[2]):
    code = main(arguments)
    if code:
        sys.exit(" ".join(arguments) + " ended with " + str(code))
"""
ROOT = Path(__file__).parents[3]
SOURCES = os.pathsep.join([str(ROOT), str(ROOT / "envs"), os.environ.get("PYTHONPATH", "")])


def without_extras(*commands: str, cwd: Path) -> subprocess.CompletedProcess:
    """`gmexp` commands in turn, in one process of the base install."""
    given = [",".join(EXTRAS), json.dumps([command.split() for command in commands])]
    return subprocess.run([sys.executable, "-c", SCRIPT, *given],
                          capture_output=True, text=True, cwd=cwd, env=os.environ | {"PYTHONPATH": SOURCES})


@pytest.mark.slow
def test_the_calculator_needs_no_extra(tmp_path):
    done = without_extras(
        "--help", "--version", "train --help", "estimate shift=3", "estimate shift=3 mode=calibrated", "predict shift=3",
        "plan shift=4 diversity=0 runs=2 simulations=4", "calculator", "tables", "audit", "scenarios", "environments",
        "meta y=-0.9,-1.6,-1.4 v=0.3,0.2,0.4", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "calculator.html").is_file()


@pytest.mark.slow
def test_what_follows_the_episodes_needs_no_extra(study: Study, tmp_path):
    done = without_extras(f"rates study={study.root}", f"report study={study.root}", f"report results={study.root.parent}",
                          cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert study.report.is_file()


@pytest.mark.slow
def test_calibration_needs_no_extra(tmp_path):
    few = synthetic_counts(diversities=(0.0,), runs=2, shifts=(3,), episodes=50)
    write_table(tmp_path / "counts.parquet", few, OutcomeCounts)
    quick = "chains=2 draws=20 warmup=100 attempts=1 rhat_max=100 ess_min=1 divergences_max=1"
    done = without_extras(f"calibrate counts=counts.parquet out=c.json {quick}", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "c.json").is_file() and (tmp_path / "c.npz").is_file()


@pytest.mark.parametrize("command, package, extra", [
    ("train", "torch", "train"), ("evaluate run=.", "torch", "train"),
    pytest.param("run experiment=quickstart", "torch", "train", marks=pytest.mark.slow),
    ("watch agent=proxy", "torch", "train"), ("bench train", "torch", "train"), ("verify engine", "numba", "envs"),
    ("show shift=3", "numba", "envs"),
    pytest.param("run experiment=quickstart logger=wandb", "wandb", "wandb", marks=pytest.mark.slow),
    pytest.param("run experiment=quickstart launcher=ray", "ray", "sweep", marks=pytest.mark.slow),
])
def test_a_verb_that_needs_an_extra_names_it_in_a_line(command, package, extra, tmp_path):
    done = without_extras(command, cwd=tmp_path)
    line = done.stderr.splitlines()[0]
    assert f"the package {package}: pip install" in line and f"of the extra {extra}" in line
    assert len(done.stderr.splitlines()) == 2  # that, and what the script says of the exit code
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_folder_of_the_users_own_named_envs_is_in_nobodys_way(tmp_path):
    (tmp_path / "envs").mkdir()
    (tmp_path / "envs" / "__init__.py").write_text("raise ImportError('not yours')\n")
    for module in ("gmexp_envs", "gmexp", "gmexp.pipeline"):
        subprocess.run([sys.executable, "-c", f"import {module}"], cwd=tmp_path, check=True,
                       env=os.environ | {"PYTHONPATH": SOURCES})
