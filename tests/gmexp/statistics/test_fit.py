"""What a whole calibration does with odd data: degenerate counts, opposed runs, one moved cell, several environments."""

import random
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import psutil
import pytest

import gmexp.statistics.fit as fitting
from gmexp.calculator import Scenario
from gmexp.statistics.calibrate import calibrate
from gmexp.statistics.checks.joint import joint_rate
from gmexp.statistics.config import CalibrationConfig
from gmexp.statistics.design import build_design
from gmexp.statistics.fit import Part, SamplerError, _judge, fit, iterations
from gmexp.statistics.simulate import World, simulate, synthetic_counts


def one(run, shift=3, intended=0, proxy=0, timeout=0, ambiguous=0, **fields):
    """A row of counts with the given outcomes and no masked arm."""
    template = synthetic_counts(diversities=(0.0,), runs=1, shifts=(3,), episodes=1, masked=False)[0]
    return replace(template, run_id=run, shift_type=shift, shift_name=f"type {shift}", n_intended=intended, n_proxy=proxy,
                   n_timeout=timeout, n_death=0, n_ambiguous=ambiguous, n_distinguishing=None,
                   n_visible=intended + proxy + timeout + ambiguous, **fields)


DEGENERATE = {
    "all proxy": [one(f"r{i}", proxy=50) for i in range(5)],
    "never proxy": [one(f"r{i}", intended=50) for i in range(5)],
    "nobody capable": [one(f"r{i}", timeout=50) for i in range(5)],
    "one episode": [one("r", proxy=1)],
    "no episodes": [one("r")],
}


@pytest.mark.slow
@pytest.mark.parametrize("name", DEGENERATE)
def test_degenerate_data_give_finite_wide_intervals(name, lenient):
    calibration = calibrate(DEGENERATE[name], lenient)
    for kind in ("this_setup", "next_environment"):
        prediction = calibration.predict(Scenario(3), kind)
        for quantity in (prediction.capability, prediction.goal_failure, prediction.latent):
            assert 0 <= quantity.q025 < quantity.q50 < quantity.q975 <= 1
            assert quantity.q975 - quantity.q025 > 0.02
    if name == "all proxy":
        assert calibration.predict(Scenario(3), "this_setup").goal_failure.q025 > 0.5
    if name in ("nobody capable", "no episodes"):  # nothing measured: the prior, about uniform
        assert prediction.goal_failure.q025 < 0.1 and prediction.goal_failure.q975 > 0.9


@pytest.mark.slow
def test_the_joint_rate_is_that_of_the_data():
    """Half the runs capable and true to the goal, half neither: the first edition said .34 [.23, .45] where .19 is true."""
    found = joint_rate(config=CalibrationConfig(warmup=150, draws=200, attempts=1))
    assert found["inside"] and found["raw"] == pytest.approx(0.19) and found["high"] - found["low"] < 0.25


@pytest.mark.slow
def test_permuted_rows_and_other_names_change_nothing(lenient):
    counts = synthetic_counts(runs=2, shifts=(3,), episodes=40, masked=False)
    shuffled = [replace(row, run_id=f"x{row.run_id}", env="elsewhere") for row in counts]
    random.Random(1).shuffle(shuffled)
    quick = replace(lenient, warmup=100, draws=50, rhat_max=9, ess_min=1)
    one, other = calibrate(counts, quick), calibrate(shuffled, quick)
    assert np.array_equal(one.posterior.cell, other.posterior.cell)
    assert one.predict(Scenario(3)).latent == other.predict(Scenario(3)).latent


@pytest.mark.slow
def test_four_environments_speak_for_the_next_one(lenient):
    """Goal failure .73, .39, .97 and .18: no interval that leaves out two of the four is one for environments."""
    rows, rng = [], np.random.default_rng(0)
    for e, g in enumerate((0.73, 0.39, 0.97, 0.18)):
        for r in range(5):
            goals = rng.binomial(200, 0.85)
            proxy = rng.binomial(goals, rng.beta(8 * g, 8 - 8 * g))
            rows.append(one(f"{e}-{r}", intended=goals - proxy, proxy=proxy, timeout=200 - goals, train_diversity=None))
            rows[-1] = replace(rows[-1], env=f"env{e}")
    calibration = calibrate(rows, lenient)
    prediction = calibration.predict(Scenario(3))
    assert (prediction.kind, prediction.environments, calibration.estimand["name"]) == ("next_environment", 4, "first_event")
    low, high = prediction.goal_failure.q025, prediction.goal_failure.q975
    assert sum(low <= g <= high for g in (0.73, 0.39, 0.97, 0.18)) >= 3
    assert any(note.startswith("4 environments, fewer than 5") for note in calibration.warnings)
    assert calibration.environments["classical"] and len(calibration.environments["left_out"]) == 8
    assert [row["next_t"] for row in calibration.environments["classical"]] == ["t with 2 degrees of freedom"] * 2
    env0 = calibration.predict(Scenario(3), env="env0").goal_failure
    assert env0.q975 - env0.q025 < high - low and abs(env0.mean - 0.73) < 0.2


@pytest.mark.slow
def test_draws_that_do_not_pass_are_refused():
    with pytest.raises(SamplerError, match="raise draws"):
        calibrate(synthetic_counts(runs=2, shifts=(3,), episodes=20), CalibrationConfig(
            chains=2, warmup=100, draws=20, attempts=1))


def test_attempts_are_judged_together_but_for_a_first_one_far_away():
    rng = np.random.default_rng(2)

    def part(mean: float, divergences: int = 0) -> Part:
        return Part({"alpha": mean + rng.standard_normal((4, 400, 1, 1))}, divergences, 0.9)

    draws, judged = _judge([part(0), part(0, divergences=1)], CalibrationConfig())
    assert judged.passed and judged.divergences == 1 and draws["alpha"].shape == (4, 800, 1, 1)
    draws, judged = _judge([part(5), part(0)], CalibrationConfig())
    assert judged.passed and draws["alpha"].shape == (4, 400, 1, 1) and abs(draws["alpha"].mean()) < 0.1
    draws, judged = _judge([part(5), part(0, divergences=9)], CalibrationConfig())
    assert not judged.passed and judged.divergences == 9 and draws["alpha"].shape == (4, 800, 1, 1)


@pytest.mark.parametrize("many", [1, 2])
def test_where_a_chain_is_stuck_all_of_that_fit_begin_anew(monkeypatch, many):
    real, calls, told = fitting._sample, [], []

    def stuck_at_first(designs, config, chains, seed, begin, progress=None):
        sampled = real(designs, config, chains, seed, begin, progress)
        calls.append([each is not None for each in begin])
        if len(calls) == 1:
            sampled[0][0].draws["alpha"][0] += 50  # one chain, of the first design
        return sampled

    monkeypatch.setattr(fitting, "_sample", stuck_at_first)
    design = build_design(synthetic_counts(runs=2, shifts=(3,), episodes=20))
    config = CalibrationConfig(chains=2, warmup=100, draws=20, attempts=2, rhat_max=1.0001, ess_min=1)  # none passes
    if many == 1:
        posterior, judged = fit(design, config, on_retry=lambda iterations, why: told.append(iterations))
        assert calls == [[False], [False]] and told == [fitting.iterations(config)]
    else:
        (posterior, judged), (whole, _) = fitting.fit_alike([design, design], config, on_retry=told.append)
        assert calls == [[False, False], [True], [False]] and told == [fitting.iterations(config) + 120]
        assert whole.size == 2 * 2 * 20
    assert posterior.size == 2 * 20 and judged.rhat_max < fitting.APART and np.abs(posterior.alpha).max() < 25


@pytest.mark.slow
def test_truth_is_recovered_where_first_events_are_off():
    """Causal goal failure of every measured setup; first events take accidents for reached goals."""
    world = World(shifts=(3,), diversities=(0.0,), runs_per_cell=12, runs="logistic_normal", run_sd=0.3, pursuit=-1.5)
    counts, truth = simulate(world, np.random.default_rng(5))
    calibration = calibrate(counts, CalibrationConfig(warmup=150, draws=200, attempts=1, rhat_max=2, ess_min=1))
    prediction = calibration.predict(Scenario(3), "this_setup")
    known = truth.setups["env0", 3, 0.0]
    for name in ("capability", "goal_failure", "latent", "realised"):
        summary = getattr(prediction, name)
        assert summary.q025 - 0.01 <= known[name] <= summary.q975 + 0.01
    assert np.mean([row.first_event_failure for row in counts]) < known["goal_failure"] - 0.1


@pytest.mark.slow
def test_chains_in_two_processes_are_counted_and_reproducible():
    """The bar ends where it should, and the same seed in as many processes gives the same draws."""
    design = build_design(synthetic_counts(runs=3, shifts=(3,)))
    config = CalibrationConfig(warmup=100, draws=60, attempts=1, cores=2)
    told: list[int] = []
    one, _ = fit(design, config, told.append)
    other, _ = fit(design, config)
    assert sum(told) == iterations(config) and len(told) < iterations(config)
    assert all(np.array_equal(one.draws[name], other.draws[name]) for name in one.draws)


@pytest.mark.slow
def test_processes_end_with_the_calibration_that_is_killed():
    code = ("from gmexp.statistics.calibrate import calibrate\n"
            "from gmexp.statistics.config import CalibrationConfig\n"
            "from gmexp.statistics.simulate import synthetic_counts\n"
            "if __name__ == '__main__':\n"
            "    calibrate(synthetic_counts(runs=3, shifts=(3,)), CalibrationConfig(draws=10**6, cores=2))\n")
    parent = subprocess.Popen([sys.executable, "-c", code])
    try:
        workers: list[psutil.Process] = []
        for _ in range(600):
            workers = [each for each in psutil.Process(parent.pid).children() if "spawn_main" in " ".join(each.cmdline())]
            if len(workers) == 2 and all(each.cpu_times().user > 1 for each in workers):
                break
            time.sleep(0.1)
        assert len(workers) == 2
    finally:
        parent.kill()
        parent.wait()
    assert not psutil.wait_procs(workers, timeout=10)[1]
