"""What lies each way: against a plain search, against all cells at once, and its derivatives against finite differences."""

from __future__ import annotations

import dataclasses
from collections import deque

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import gmexp_envs
from gmexp.agents.networks import Observation, Semantic, SemanticWays, seen
from gmexp.agents.ways import CLOSED, Ways
from gmexp.cli.config import load
from gmexp_envs.task import Semantics

from .. import tiny

FREE, WALL, AGENT, CHEESE = range(4)
GLYPHS = {" ": FREE, "#": WALL, "a": AGENT, "c": CHEESE}
MAZE = ("     #c",
        " ### # ",
        " #    #",
        " # ### ",
        "a#    c")
UP, DOWN, LEFT, RIGHT = range(4)


def semantics(down: int, across: int, **changes) -> Semantics:
    return dataclasses.replace(Semantics(("free", "wall", "agent", "cheese"), (down, across), (), (), 0, 10, ("agent",),
                                         ("wall",)), **changes)


def window(*rows: str) -> torch.Tensor:
    return torch.tensor([[GLYPHS[glyph] for row in rows for glyph in row]], dtype=torch.uint8)


def ways(meaning: Semantics, seed: int = 0) -> Ways:
    return Ways(meaning, torch.Generator().manual_seed(seed))


def wants_cheese(meaning: Semantics, place=(0.0, 0.0), cost: float = 0.02) -> Ways:
    """One whose every channel is pulled by cheese alone, and by `place`."""
    made = ways(meaning)
    with torch.no_grad():
        made.pull.zero_()
        made.pull[CHEESE] = 1.0
        made.place[:] = torch.tensor(place)[:, None]
        made.log_cost.fill_(float(np.log(cost)))
    return made


def plain_search(shown: np.ndarray, columns: int, way: int, made: Ways) -> list[tuple[float, int, int]] | None:
    """(strength, cell, steps) of the best cell that way, for every channel; None where it is closed."""
    down = len(shown) // columns
    agents = np.flatnonzero(shown == AGENT)
    start = int(agents[0]) if len(agents) else len(shown) // 2
    pull, place, cost = made.class_pull.detach().numpy(), made.place.detach().numpy(), made.log_cost.exp().detach().numpy()

    def beside(cell: int) -> list[int | None]:
        r, c = divmod(cell, columns)
        found = [(r - 1, c), (r + 1, c), (r, c - 1), (r, c + 1)]
        return [a * columns + b if 0 <= a < down and 0 <= b < columns and shown[a * columns + b] != WALL else None
                for a, b in found]

    first = beside(start)[way]
    if first is None:
        return None
    far, queue = {start: 0, first: 1}, deque([first])
    while queue:
        cell = queue.popleft()
        for other in beside(cell):
            if other is not None and other not in far:
                far[other] = far[cell] + 1
                queue.append(other)
    del far[start]
    strength = {cell: pull[shown[cell]] + place[0] * (2 * (cell % columns) / (columns - 1) - 1)
                + place[1] * (1 - 2 * (cell // columns) / (down - 1)) - steps * cost for cell, steps in far.items()}
    return [max((float(values[c]), cell, far[cell]) for cell, values in strength.items()) for c in range(pull.shape[1])]


def test_the_way_to_the_cheese_pulls_by_its_length():
    """One cheese is 18 steps off through the corridor above, the other one is walled in; right of the agent is a wall."""
    meaning = semantics(5, 7)
    pulls = wants_cheese(meaning)(window(*MAZE)).view(-1)
    strength, is_open = pulls[:-4].view(4, -1), pulls[-4:]
    assert is_open.tolist() == [1, 0, 0, 0]
    assert plain_search(window(*MAZE)[0].numpy(), 7, UP, wants_cheese(meaning))[0][1:] == (34, 18)
    torch.testing.assert_close(strength[UP], torch.full_like(strength[UP], 1 - 18 * 0.02))
    assert (strength[[DOWN, LEFT, RIGHT]] == 0).all()


def test_a_place_pulls_as_a_class_does():
    """The corner above right, without anything in it: of the two ways, the one that leads there."""
    open_room = "   ", " a ", "   "
    made = wants_cheese(semantics(3, 3), place=(1.0, 1.0), cost=0.1)
    pulls = made(window(*open_room)).view(-1)[:-4].view(4, -1)[:, 0]
    torch.testing.assert_close(pulls, torch.tensor([1.8, 1.6, 1.6, 1.8]))
    best, steps = made.dense_search(window(*open_room))
    assert (best[0, [UP, RIGHT], 0] == 2).all() and (steps[0, [UP, RIGHT], 0] == 2).all()


def test_classes_that_share_a_word_pull_alike():
    """A yellow gem is as far from a yellow line as a red line is, and nearer than a red gem."""
    names = "free", "wall", "agent", "yellow line", "red line", "yellow gem", "red gem"
    yellow_line, red_line, yellow_gem, red_gem = Ways(semantics(3, 3, classes=names), torch.Generator().manual_seed(0),
                                                      channels=4096).class_pull.detach()[3:]
    torch.testing.assert_close(yellow_line.square().mean(), torch.tensor(1.0), rtol=0.1, atol=0)
    alike = [float((yellow_line * other).mean()) for other in (red_line, yellow_gem, red_gem)]
    np.testing.assert_allclose(alike, [0.5, 0.5, 0], atol=0.1)


@pytest.mark.slow
@given(st.integers(0, 2**31), st.integers(2, 7), st.integers(2, 9), st.floats(0, 0.6))
def test_search_is_a_plain_search_and_that_over_all_cells(seed, down, across, walls):
    rng = np.random.default_rng(seed)
    size = 4, down * across
    shown = np.where(rng.random(size) < walls, WALL, rng.choice([FREE, CHEESE], size, p=(0.8, 0.2)))
    for row in shown[:3]:
        row[rng.integers(down * across)] = AGENT  # in the last it is the middle
    made, tensor = ways(semantics(down, across), seed), torch.from_numpy(shown.astype(np.uint8))
    rows = torch.tensor([3, 0, 2, 1])
    (best, steps), dense = made._search(tensor, rows), made.dense_search(tensor, rows)
    torch.testing.assert_close((best, steps), dense)
    pulls = made(tensor, rows)
    for b, row in enumerate(rows.tolist()):
        for way in range(4):
            plain = plain_search(shown[row], across, way, made)
            strength = pulls[b, :-4].view(4, -1)[way]
            assert (pulls[b, way - 4] == 1) == (plain is not None)
            if plain is None:
                assert (steps[b, way] == CLOSED).all() and (strength == 0).all()
            else:
                np.testing.assert_allclose(strength.detach(), [most for most, _, _ in plain], rtol=1e-4, atol=1e-5)
                assert steps[b, way].tolist() == [far for _, _, far in plain]


def test_a_margin_of_walls_changes_nothing_but_the_scale_of_places():
    """A window larger than the maze: what is beyond the walls neither shows nor hides anything."""
    wide = ["#" * 11, *(f"##{row}##" for row in MAZE), "#" * 11]
    narrow, broad = wants_cheese(semantics(5, 7)), wants_cheese(semantics(7, 11))
    torch.testing.assert_close(narrow(window(*MAZE)), broad(window(*wide)))


def test_derivatives_are_those_of_the_strength():
    made, tensor = ways(semantics(5, 7)), window(*MAZE)
    weights = torch.randn(1, made.size, generator=torch.Generator().manual_seed(1))

    def value() -> torch.Tensor:
        return (made(tensor) * weights).sum()

    value().backward()
    for parameter in made.parameters():
        for index in np.ndindex(*parameter.shape):
            changed = []
            for step in (1e-3, -1e-3):
                with torch.no_grad():
                    parameter[index] += step
                    changed.append(float(value()))
                    parameter[index] -= step
            assert abs((changed[0] - changed[1]) / 2e-3 - float(parameter.grad[index])) < 2e-2


# --- the network ------------------------------------------------------------------------------------------------------

ENVS = ("coinrun", "maze", "maze_line_and_gem", "keys_and_chests", "boat_race", "tetris")


@pytest.mark.slow
@pytest.mark.parametrize("env", ENVS)
def test_it_reads_what_every_environment_shows(env):
    config = load("train", [f"env={env}", "agent=ppo_ways"])
    network = config.agent.build(config.task, torch.Generator().manual_seed(0))
    assert isinstance(network, SemanticWays) and isinstance(network, Semantic)
    instances = gmexp_envs.make_vec(config.task, 16, distribution=config.training, seed=0)
    instances.reset()
    for _ in range(5):
        observation = seen(instances.step(np.zeros(16, np.int32)).observation, torch.device("cpu"))
    rows = torch.tensor([3, 1, 7])
    some = Observation(*(part[rows] for part in observation))
    for whole, part in zip(network(observation, rows), network(some), strict=True):
        torch.testing.assert_close(whole, part)
    shown = network.ways.is_agent[observation.window.long()]
    assert shown.any() == bool(config.task.semantics.agent)
    assert (shown.sum(1) == 1).all() or not shown.any()


@pytest.mark.slow
def test_an_agent_goes_on_bit_for_bit_and_through_checkpoints(tmp_path):
    from gmexp.agents.checkpoint import load_checkpoint
    from gmexp.training.train import train

    small = ("env=maze", "env.horizon=20", "agent=ppo_ways", "agent.num_envs=16", "agent.width=8", "agent.hidden=8")
    first, second = (train(tiny.train_config(tmp_path / name, *small, iterations=3)) for name in "ab")
    tiny.assert_equal_runs(first, second)
    checkpoint = load_checkpoint(first)
    assert isinstance(checkpoint.network, SemanticWays) and checkpoint.meta.algo == "ppo_ways"
    assert not any("is_wall" in name for name in checkpoint.network.state_dict())


@pytest.mark.slow
def test_it_goes_through_the_stages(tmp_path):
    """Evaluated, measured, imitated by another of its kind, played by `gmexp.evaluate`; the critic study reads it too."""
    import gmexp
    from gmexp.agents.checkpoint import load_checkpoint
    from gmexp.evaluation.evaluate import evaluate
    from gmexp.measures.take import measure
    from gmexp.training.train import train

    small = ("agent.num_envs=16", "agent.width=8", "agent.hidden=8")
    run = train(tiny.train_config(tmp_path / "a", "env=maze", "env.horizon=20", "agent=ppo_ways", *small, iterations=2))
    plan = load("evaluate", ["run=none", "evaluation.episodes=4", "evaluation.slots=4", "evaluation.shifts=[0,3]",
                             "evaluation.attributed=[0]", "evaluation.probes=[0]"]).evaluation
    checkpoint = load_checkpoint(run)
    assert evaluate(checkpoint, plan).is_file()
    assert all(path.is_file() for path in measure(checkpoint, ["attribution", "magnitude"], plan))
    student = train(tiny.train_config(tmp_path / "b", "env=maze", "env.horizon=20", "agent=cloning", "agent.network=ways",
                                      "agent.action_repeat=1", f"agent.demonstrator={run}", *small, iterations=1))
    assert isinstance(load_checkpoint(student).network, SemanticWays)
    played = gmexp.evaluate(checkpoint.policy(0), "maze", training={"horizon": 20}, shifts=[0], probes=[0], episodes=4)
    assert played.estimands
    ran = train(tiny.train_config(tmp_path / "c", "env.horizon=40", "agent.network=ways", *small, iterations=1))
    assert measure(load_checkpoint(ran), ["critic"], plan)[0].is_file()


@pytest.mark.slow
def test_it_learns_mazes_in_half_a_minute():
    """Visible success in training, far above what a random walker has (tests/gmexp/langosco/test_experiments.py)."""
    from gmexp.agents.ppo import PPO

    config = load("train", ["env=maze", "agent=ppo_ways"])
    env = gmexp_envs.make_vec(config.task, config.agent.num_envs, distribution=config.training, seed=0)
    agent = PPO(config.agent, config.task, env, 1_000_000, 0)
    success = [agent.iterate().success for _ in range(60)]
    assert np.mean(success[-10:]) > 0.8
