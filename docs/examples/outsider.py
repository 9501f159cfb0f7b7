"""Train three agents, evaluate them and a plain callable, calibrate, ask: `python docs/examples/outsider.py`."""

import sys

import numpy as np

import gmexp
from gmexp.agents.checkpoint import load_checkpoint
from gmexp.calculator import Scenario
from gmexp.statistics.config import CalibrationConfig

steps = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
asked = {"env": "coinrun", "shifts": [0, 3], "probes": [], "episodes": 60}
counts = []
for seed in range(3):
    run = gmexp.train("coinrun", "ppo", out="outputs/outsider", settings={"steps": steps, "seed": seed, "agent.width": 64})
    agent = load_checkpoint(run.folder).policy(seed=0)
    counts += gmexp.evaluate(agent, **asked, action_repeat=2, name=run.meta.run_id, train_seed=seed).counts
hopping = gmexp.evaluate(lambda observation: np.full(len(observation.state), 8), **asked)  # action 8 hops to the right
print("hopping right:", hopping.estimands[1].capability.mean, hopping.estimands[1].goal_failure.mean)
effort = CalibrationConfig(warmup=300, draws=300, rhat_max=1.1, ess_min=50, divergences_max=0.1)  # an example's
posterior = gmexp.calibrate(counts, config=effort)
print("the next run:", posterior.predict(Scenario(shift=3), kind="next_run", env="coinrun").goal_failure)
