"""A film is the recorded episode; the moments to look at."""

import numpy as np
import pytest

import gmexp_envs
from gmexp.agents.scripted import ScriptedAgent
from gmexp.evaluation.replay import Take, film, record
from gmexp_envs.coinrun.task import TASK
from gmexp_envs.outcome import NEVER, Outcome
from gmexp_envs.shifts import shift

LEVELS = gmexp_envs.split_levels("evaluation", 12)
TRAINING = gmexp_envs.LevelDistribution(mode="easy", appearance=0.0, levels=LEVELS, sequential=True, horizon=200)


@pytest.mark.parametrize("name, repeat", [("random", 1), ("random", 2), ("intended", 2), ("proxy", 1)])
def test_a_film_is_the_recorded_episode(name, repeat):
    distribution = shift(TASK, TRAINING, 4, 1.0)
    env = gmexp_envs.make_vec("coinrun", LEVELS.count, distribution=distribution, seed=0, action_repeat=repeat)
    tape = record(ScriptedAgent(name, TASK, env, seed=1), env)
    assert tape.log.level_seed.tolist() == list(range(LEVELS.first, LEVELS.first + LEVELS.count))
    for instance in range(4):
        decisions = -(-int(tape.log.length[instance]) // repeat)
        take = Take(TASK, distribution, int(tape.log.level_seed[instance]), Outcome.DEATH,
                    tape.actions[:decisions, instance], repeat, None)
        shown = film(take, 64, pictures=())
        last = shown.moments[-1]
        logged = [None if step == NEVER else step
                  for step in (tape.log.intended_step[instance], tape.log.proxy_step[instance])]
        assert (last.step, [last.intended_step, last.proxy_step]) == (tape.log.length[instance], logged)
        assert len(shown.moments) == decisions + 1 and not shown.drawn


def take_of(decisions, touch, repeat=2):
    return Take(TASK, TRAINING, 0, Outcome.DEATH, np.zeros(decisions, np.uint8), repeat, touch)


@pytest.mark.parametrize("decisions, touch, expected", [
    (50, 31, {"start": 0, "before the touch": 10, "first touch": 16, "end": 50}),
    (50, 99, {"start": 0, "halfway": 22, "before the touch": 44, "first touch and end": 50}),
    (50, None, {"start": 0, "a third": 16, "two thirds": 33, "end": 50}),
    (1, 1, {"start": 0, "halfway": 0, "before the touch": 0, "first touch and end": 1}),
])
def test_key_moments(decisions, touch, expected):
    assert take_of(decisions, touch).key_moments == expected


@pytest.mark.parametrize("decisions, touch", [(1, None), (1000, None), (1000, 4), (1000, 1990), (500, 333)])
def test_an_animation_is_short_and_keeps_its_end(decisions, touch):
    chosen = take_of(decisions, touch).even_moments(240)
    assert {0, decisions} <= chosen <= set(range(decisions + 1)) and len(chosen) <= 243
    assert len(chosen) >= min(decisions, 40)
