"""One instance's episodes: which level comes next, what an action does, what is logged. CPU and GPU engines share these."""

from typing import NamedTuple

import numpy as np

from gmexp_envs.compiled.jit import jit
from gmexp_envs.compiled.memory import array_at
from gmexp_envs.keys_and_chests.layout import (
    C_COUNT, C_FIRST, C_LISTED, C_LOW, C_SEQUENTIAL, CELL, CHESTS, CHESTS_LEFT, CHESTS_ON_WAY, DISTINGUISHING, Encoded,
    f32, INTENDED_STEP, KEYS, KEYS_LEFT, KEYS_ON_WAY, LOG_ALIGNED, LOG_CELL, LOG_CHESTS, LOG_CHESTS_ON_WAY,
    LOG_CHESTS_OPENED, LOG_DIED, LOG_DISTINGUISHING, LOG_EPISODE, LOG_INTENDED_STEP, LOG_KEYS, LOG_KEYS_ON_WAY,
    LOG_KEYS_TAKEN, LOG_LENGTH, LOG_PROXY_STEP, LOG_SEED, LOG_SURPLUS, LOG_TOUCHES, MAX_OBJECTS, NUM_FLOATS, NUM_INTS,
    NUM_LOG, NUM_STATE, PLENTY, PLENTY_CHESTS, PROXY_STEP, RETURN, SEED, SIZE, SURPLUS, TIME, World,
)
from gmexp_envs.keys_and_chests.opening import world_at
from gmexp_envs.keys_and_chests.rules import ONGOING, step_world, TERMINATED, TRUNCATED
from gmexp_envs.procgen_family.streams import EPISODES, next_level


class Buffers(NamedTuple):
    """What a step writes for its reader: one row per instance."""

    window: np.ndarray  # uint8 [N, 13, 13]
    state: np.ndarray  # float32 [N, 7]
    reward: np.ndarray  # float32 [N]
    terminated: np.ndarray  # bool [N]
    truncated: np.ndarray  # bool [N]
    log: np.ndarray  # int32 [N, NUM_LOG]
    log_return: np.ndarray  # float32 [N]


NUM_WORLD, NUM_ENCODED, NUM_BUFFERS = len(World._fields), len(Encoded._fields), len(Buffers._fields)
TABLE = NUM_WORLD + NUM_ENCODED + NUM_BUFFERS + 3  # length of the table that `opened` reads


def allocate_buffers(num_envs: int, zeros=np.zeros) -> Buffers:
    """Zeroed buffers for `num_envs` instances, made by `zeros(shape, dtype)`."""
    n = num_envs
    return Buffers(
        window=zeros((n, SIZE, SIZE), np.uint8), state=zeros((n, NUM_STATE), f32), reward=zeros((n,), f32),
        terminated=zeros((n,), np.bool_), truncated=zeros((n,), np.bool_), log=zeros((n, NUM_LOG), np.int32),
        log_return=zeros((n,), f32))


@jit(inline="always")
def opened(table):
    """World, encoded distributions and buffers from a table (uint64 [TABLE]): the addresses of their arrays, in order,
    then the numbers of instances, of distributions and of listed seeds. Windows are flat here: [N, 169]."""
    c, b = NUM_WORLD, NUM_WORLD + NUM_ENCODED
    sizes = b + NUM_BUFFERS
    n, d, seeds = np.int64(table[sizes]), np.int64(table[sizes + 1]), np.int64(table[sizes + 2])
    encoded = Encoded(
        array_at(table[c], (d, NUM_FLOATS), np.float32), array_at(table[c + 1], (d, NUM_INTS), np.int64),
        array_at(table[c + 2], (seeds,), np.int64))
    buffers = Buffers(
        array_at(table[b], (n, SIZE * SIZE), np.uint8), array_at(table[b + 1], (n, NUM_STATE), np.float32),
        array_at(table[b + 2], (n,), np.float32), array_at(table[b + 3], (n,), np.bool_),
        array_at(table[b + 4], (n,), np.bool_), array_at(table[b + 5], (n, NUM_LOG), np.int32),
        array_at(table[b + 6], (n,), np.float32))
    return world_at(table, n), encoded, buffers


@jit
def next_seed(world, e, encoded):
    """Level seed of instance e's next episode: the next of its sequence, or a draw from its own stream."""
    ints = encoded.ints[world.facts[e, CELL]]
    index = next_level(world.slots[e], world.level_stream[e], ints[C_COUNT], ints[C_SEQUENTIAL])
    if ints[C_LISTED]:
        return encoded.seeds[ints[C_FIRST] + index]
    return ints[C_LOW] + index


@jit(forceinline=True)
def act(world, e, encoded, buffers, action, repeat):
    """Step instance e `repeat` times or to the end of the episode, which is logged; returns whether it ended."""
    reward, ending = f32(0), ONGOING
    for _ in range(repeat):
        gain, ending = step_world(world, e, encoded, action)
        reward = f32(reward + gain)
        if ending != ONGOING:
            break
    buffers.reward[e] = reward
    return conclude(world, e, buffers, ending)


@jit(forceinline=True)
def conclude(world, e, buffers, ending):
    """Note how instance e's episode stands, and log it where it ended; returns whether it did."""
    buffers.terminated[e] = ending == TERMINATED
    buffers.truncated[e] = ending == TRUNCATED
    if ending == ONGOING:
        return False
    write_log(world, e, buffers.log[e])
    buffers.log_return[e] = world.body[e, RETURN]
    world.slots[e, EPISODES] += 1
    return True


@jit
def write_log(world, e, log):
    """The event log of instance e's episode so far."""
    facts, clock = world.facts[e], world.clock[e]
    log[LOG_SEED] = facts[SEED]
    log[LOG_CELL] = facts[CELL]
    log[LOG_EPISODE] = world.slots[e, EPISODES]
    log[LOG_DISTINGUISHING] = facts[DISTINGUISHING]
    log[LOG_ALIGNED] = facts[PLENTY] == PLENTY_CHESTS
    log[LOG_INTENDED_STEP] = clock[INTENDED_STEP]
    log[LOG_PROXY_STEP] = clock[PROXY_STEP]
    log[LOG_DIED] = 0
    log[LOG_LENGTH] = clock[TIME]
    log[LOG_KEYS] = facts[KEYS]
    log[LOG_CHESTS] = facts[CHESTS]
    log[LOG_KEYS_ON_WAY] = facts[KEYS_ON_WAY]
    log[LOG_CHESTS_ON_WAY] = facts[CHESTS_ON_WAY]
    log[LOG_KEYS_TAKEN] = facts[KEYS] - clock[KEYS_LEFT]
    log[LOG_CHESTS_OPENED] = facts[CHESTS] - clock[CHESTS_LEFT]
    log[LOG_SURPLUS] = clock[SURPLUS]
    for k in range(MAX_OBJECTS):
        log[LOG_TOUCHES + k] = world.touches[e, k]
