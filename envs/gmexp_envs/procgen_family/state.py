"""The state procgen keeps of one sub-environment, as named fields of the bytes it serialises.

The order of the fields is that of `Game::serialize`, `BasicAbstractGame::serialize` and the game's own `serialize`. Runs
of numbers between the parts of variable length are read as one record each, so parsing costs a few microseconds.

    state = State(binary.get_state(0))
    state["gravity"] = 0.1
    state["grid"][y, x] = GOAL
    binary.set_state(0, state.to_bytes())
"""

import struct
from typing import Any

import numpy as np

END_OF_STATE = 0xCAFECAFE
PLAYER, TRAIL = 0, 59  # entity types of every game


def _record(text: str) -> np.dtype:
    """Record of int32 fields, float32 where the name ends in `:f`."""
    return np.dtype([(name.removesuffix(":f"), "<f4" if name.endswith(":f") else "<i4") for name in text.split()])


ENTITY = _record("""
    x:f y:f vx:f vy:f rx:f ry:f type image_type image_theme render_z will_erase collides_with_entities
    collision_margin:f rotation:f vrot:f is_reflected fire_time spawn_time life_time expire_time use_abs_coords
    friction:f smart_step avoids_collisions auto_erase alpha:f health:f theta:f grow_rate:f alpha_decay:f
    climber_spawn_x:f""")

Part = np.dtype | str  # a record of numbers, or the name of a part that starts with its length
# Parts of every game's state, in order; those of the game itself follow.
COMMON: tuple[Part, ...] = (
    _record("version"),
    "game_name",
    _record("""paint_vel_info use_generated_assets use_monochrome_assets restrict_themes use_backgrounds center_agent
        debug_mode distribution_mode use_sequential_levels use_easy_jump plain_assets physics_mode grid_step
        level_seed_low level_seed_high game_type game_n level_stream_seeded"""),
    "level_stream",
    _record("twister_seeded"),
    "twister",
    _record("""reward:f done level_complete action timeout current_level_seed prev_level_seed episodes_remaining
        episode_done last_reward_timer last_reward:f default_action fixed_asset_seed cur_time is_waiting_for_step
        grid_size"""),
    "entities",
    _record("""use_procgen_background background_index bg_tile_ratio:f bg_pct_x:f char_dim:f last_move_action
        move_action special_action mixrate:f maxspeed:f max_jump:f action_vx:f action_vy:f action_vrot:f center_x:f
        center_y:f random_agent_start has_useful_vel_info step_rand_int asset_twister_seeded"""),
    "asset_twister",
    _record("""main_width main_height out_of_bounds_object unit:f view_dim:f x_off:f y_off:f visibility:f
        min_visibility:f grid_width grid_height"""),
    "grid",
)
OWN: dict[str, tuple[Part, ...]] = {
    "coinrun": (
        _record("last_agent_y:f wall_theme has_support facing_right is_on_crate gravity:f air_control:f end_of_state"),),
    "maze": (_record("maze_dim world_dim end_of_state"),),
    "heist": (_record("num_keys world_dim"), "has_keys", _record("end_of_state")),
}
TEXTS = ("game_name", "level_stream", "twister", "asset_twister")
ITEM = {"entities": ENTITY, "grid": np.dtype("<i4"), "has_keys": np.dtype("<i4")} | dict.fromkeys(TEXTS, np.dtype("S1"))

LAYOUTS = {game: COMMON + own for game, own in OWN.items()}  # the parts of each game's state
_PART_OF = {game: {name: part for part, kind in enumerate(layout)
                   for name in ((kind,) if isinstance(kind, str) else kind.names)}
            for game, layout in LAYOUTS.items()}
FIELDS = {game: tuple(parts) for game, parts in _PART_OF.items()}


def game_of(data: bytes) -> str:
    """Which game these bytes are the state of; ValueError where they are none's."""
    game = bytes(data[8:8 + int.from_bytes(data[4:8], "little")]).decode("ascii", "replace")
    if game not in LAYOUTS:
        raise ValueError(f"not a state of procgen 0.10's {', '.join(LAYOUTS)}: {len(data)} bytes")
    return game


class State:
    """Fields of one state by name; what is assigned or changed in place comes out of `to_bytes`.

    Numbers come as numpy scalars, `entities` as a record array (assign a longer or shorter one to change their
    number), `grid` as int32 [height, width] with y upwards, the generators and the game's name as bytes. `game` is that
    name as text. Raises ValueError for bytes that are no state of a game of `LAYOUTS`.
    """

    def __init__(self, data: bytes):
        data = bytearray(data)
        self.game = game_of(data)
        self._layout, self._part_of = LAYOUTS[self.game], _PART_OF[self.game]
        self._parts: list[Any] = []  # views of `data` until assigned
        offset = 0
        for kind in self._layout:
            if isinstance(kind, str):
                count, = struct.unpack_from("<i", data, offset)
                offset += 4
                end = offset + count * ITEM[kind].itemsize
                part = bytes(data[offset:end]) if kind in TEXTS else np.frombuffer(data, ITEM[kind], count, offset)
                offset = end
            else:
                part = np.frombuffer(data, kind, 1, offset)[0]
                offset += kind.itemsize
            self._parts.append(part)
        if int(self["end_of_state"]) & 0xFFFFFFFF != END_OF_STATE or offset != len(data):
            raise ValueError(f"not a state of procgen 0.10's {self.game}: {len(data)} bytes, understood up to {offset}")
        self["grid"] = self["grid"].reshape(self["grid_height"], self["grid_width"])

    def __getitem__(self, name: str) -> Any:
        part = self._part_of[name]
        return self._parts[part] if isinstance(self._layout[part], str) else self._parts[part][name]

    def __setitem__(self, name: str, value: Any) -> None:
        part = self._part_of[name]
        if isinstance(self._layout[part], str):
            self._parts[part] = value
        else:
            self._parts[part][name] = value

    def to_bytes(self) -> bytes:
        """The bytes `Binary.set_state` takes."""
        pieces = []
        for kind, part in zip(self._layout, self._parts, strict=True):
            if isinstance(kind, str):
                count = len(part) if isinstance(part, bytes) else part.size
                pieces.append(struct.pack("<i", count))
            pieces.append(part if isinstance(part, bytes) else part.tobytes())
        return b"".join(pieces)


def differing_fields(a: State, b: State) -> list[str]:
    """Names of the fields in which two states of a game differ, bit by bit."""
    return [name for name in FIELDS[a.game] if _bits(a[name]) != _bits(b[name])]


def _bits(value: Any) -> bytes:
    return value if isinstance(value, bytes) else value.tobytes()


def offset_of(data: bytes, name: str) -> int:
    """Where a number starts in these bytes, for changing it in place."""
    offset = 0
    for kind in LAYOUTS[game_of(data)]:
        if isinstance(kind, str):
            count, = struct.unpack_from("<i", data, offset)
            offset += 4 + count * ITEM[kind].itemsize
        elif name in kind.names:
            return offset + kind.fields[name][1]
        else:
            offset += kind.itemsize
    raise KeyError(f"{name} is not a number in the state")


def twister_words(text: bytes) -> tuple[np.ndarray, int]:
    """A generator as procgen writes it (decimal words, then the position): uint32 [624] and the position."""
    numbers = np.array(text.split(), dtype=np.uint64)
    return numbers[:624].astype(np.uint32), int(numbers[624])


def twister_text(words: np.ndarray, position: int) -> bytes:
    """The inverse of `twister_words`."""
    return b" ".join(b"%d" % w for w in words.tolist()) + b" %d" % position


def twister_after(seed: int, outputs: int) -> tuple[np.ndarray, int]:
    """A generator that gave so many outputs since it was seeded, as `twister_words` gives it."""
    generator = np.random.MT19937()
    generator._legacy_seeding(seed & 0xFFFFFFFF)
    if outputs:
        generator.random_raw(outputs)
    state = generator.state["state"]
    return state["key"].astype(np.uint32), int(state["pos"])


def new_entities(count: int, kind: int) -> np.ndarray:
    """Records of `count` entities as procgen's constructor makes them; positions and themes are still to be set."""
    entities = np.zeros(count, ENTITY)
    for name, value in (("rx", 0.5), ("ry", 0.5), ("type", kind), ("image_type", kind), ("fire_time", -1),
                        ("spawn_time", -1), ("expire_time", -1), ("friction", 1), ("auto_erase", 1), ("alpha", 1),
                        ("health", 1), ("theta", -100), ("grow_rate", 1), ("alpha_decay", 1)):
        entities[name] = value
    return entities
