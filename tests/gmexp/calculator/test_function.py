"""`gmexp.estimate`: the calculator as a plain function, with the keys of the command."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

import gmexp
from gmexp.calculator import Calculator, Scenario
from gmexp.calculator.calibrated import SHIPPED, load_calibration
from gmexp.cli.calculator import ESTIMATE
from gmexp.support.errors import UserError

SETTINGS = dict(spec_quality=0.2, capability="superhuman", diversity=0.05, alignment="behavioral_cloning")
MULTIPLIERS = dict(m_spec=1.5, m_cap=0.9, m_div=2.0, m_align=0.5)


@pytest.mark.parametrize("mode", ["published", "odds"])
@pytest.mark.parametrize("settings", [{}, SETTINGS, MULTIPLIERS])
def test_it_is_the_calculators_estimate(mode, settings, capsys):
    assert gmexp.estimate(4, mode=mode, **settings) == Calculator(mode=mode).estimate(Scenario(4, **settings))
    assert capsys.readouterr() == ("", "")


def test_every_option_reaches_the_calculator():
    options = dict(mode="odds", harm="stated", spec_map="anchors", rl_to_llm=True)
    assert gmexp.estimate(2, spec_quality=0.4, **options) == Calculator(**options).estimate(Scenario(2, spec_quality=0.4))
    with pytest.raises(UserError, match="not a probability"):
        gmexp.estimate(4, m_spec=5.0, strict=True)


@pytest.mark.slow
def test_a_posterior_is_asked():
    for given in (None, SHIPPED, str(SHIPPED), load_calibration(None)):
        estimate = gmexp.estimate(3, diversity=0.3, mode="calibrated", calibration=given, env="coinrun")
        assert estimate.kind == "this_setup" and estimate.intervals.keys() >= {"latent", "realised"}
    following = gmexp.estimate(3, grade=0.5, mode="calibrated", transport=0.5)
    assert following.kind == "next_environment" and following.contributions[0].setting.startswith("type 3, grade 0.5")


def test_its_arguments_are_the_keys_of_the_command():
    keys = {option.key: option.default for option in ESTIMATE.options if option.key not in ("shift", "format", "curves")}
    arguments = {name: p.default for name, p in inspect.signature(gmexp.estimate).parameters.items() if name != "shift"}
    assert arguments == keys


def test_what_does_not_fit_is_one_line():
    with pytest.raises(UserError, match="from 0 to 4"):
        gmexp.estimate(7)
    with pytest.raises(UserError, match="uses no env; say mode=calibrated"):
        gmexp.estimate(3, env="coinrun")


@pytest.mark.slow
def test_a_calibrated_estimate_waits_for_no_large_library():
    code = ("import sys, gmexp.cli.main as main; main.main(['estimate', 'shift=3', 'mode=calibrated'])\n"
            "large = ('scipy.stats', 'scipy.optimize', 'torch', 'numba', 'matplotlib', 'pyarrow', 'hydra')\n"
            "print([name for name in large if name in sys.modules], file=sys.stderr)")
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stderr.splitlines()[-1] == "[]"
