"""The state codec for every game it knows: bytes survive, edits take, wrong bytes are refused."""

import numpy as np
import pytest

from gmexp_envs.procgen_family import binary as procgen
from gmexp_envs.procgen_family.state import FIELDS, State, differing_fields, offset_of, twister_text, twister_words

pytestmark = pytest.mark.skipif(not procgen.installed(), reason="procgen is not installed")
A_FIELD = {"coinrun": "gravity", "maze": "maze_dim", "heist": "num_keys"}


@pytest.mark.parametrize("game", procgen.GAMES)
@pytest.mark.parametrize("mode", ["easy", "hard", "memory"])
def test_states_survive_and_take_edits(game, mode):
    if mode not in procgen.GAMES[game]:
        with pytest.raises(ValueError, match=f"mode of {game}"):
            procgen.Binary(1, game=game, mode=mode)
        return
    with procgen.Binary(1, game=game, mode=mode, seed=3) as binary:
        binary.step(np.array([7]))
        before = binary.get_state(0)
        state = State(before)
        assert state.game == game and state.to_bytes() == before
        assert twister_text(*twister_words(state["twister"])) == state["twister"]
        assert len(set(FIELDS[game])) == len(FIELDS[game])
        name = A_FIELD[game]
        assert np.frombuffer(before, "<i4", 1, offset_of(before, name)).tobytes() == state[name].tobytes()
        edited = State(before)
        edited["timeout"] = 7
        assert differing_fields(state, edited) == ["timeout"]
        binary.set_state(0, edited.to_bytes())
        assert binary.get_state(0) == edited.to_bytes()


def test_wrong_bytes_are_refused():
    with procgen.Binary(1, game="maze", seed=3) as binary:
        good = binary.get_state(0)
    with pytest.raises(ValueError, match="not a state of procgen 0.10's maze"):
        State(good + b"....")
    with pytest.raises(ValueError, match="not a state of procgen 0.10's coinrun, maze, heist"):
        State(good.replace(b"maze", b"bees"))
    with pytest.raises(ValueError, match="game must be one of"):
        procgen.Binary(1, game="bees")
