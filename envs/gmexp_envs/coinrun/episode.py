"""One world's episodes: which level comes next, what an action does, what is logged. CPU and GPU engines share these."""

from typing import NamedTuple

import numpy as np

from gmexp_envs.coinrun.layout import (
    C_COUNT, C_FIRST, C_LISTED, C_LOW, C_SEQUENTIAL, CELL, COIN_X, COIN_Y, CORRELATED, DIED, DISTINGUISHING, Encoded,
    END_X, END_Y, EPISODES, EVENTS, f32, INTENDED_STEP, LOG_ALIGNED, LOG_CELL, LOG_COIN_X, LOG_COIN_Y,
    LOG_CORRELATED, LOG_DIED, LOG_DISTINGUISHING, LOG_END_X, LOG_END_Y, LOG_EPISODE, LOG_INTENDED_STEP, LOG_LENGTH,
    LOG_PROXY_STEP, LOG_SECTIONS, LOG_SEED, NUM_FLOATS, NUM_INTS, NUM_LOG, NUM_SECTIONS, NUM_STATE, PROXY_STEP, RETURN,
    SEED, TIME, WINDOW, World,
)
from gmexp_envs.coinrun.opening import world_at
from gmexp_envs.coinrun.rules import ONGOING, TERMINATED, TRUNCATED, step_world
from gmexp_envs.compiled.jit import jit
from gmexp_envs.compiled.memory import array_at
from gmexp_envs.procgen_family.streams import next_level, start_stream


class Buffers(NamedTuple):
    """What a step writes for its reader: one row per world."""

    window: np.ndarray  # uint8 [N, 13, 13]
    state: np.ndarray  # float32 [N, 7]
    reward: np.ndarray  # float32 [N]
    terminated: np.ndarray  # bool [N]
    truncated: np.ndarray  # bool [N]
    log: np.ndarray  # int32 [N, NUM_LOG]
    log_return: np.ndarray  # float32 [N]


NUM_WORLD, NUM_ENCODED, NUM_BUFFERS = len(World._fields), len(Encoded._fields), len(Buffers._fields)
TABLE = NUM_WORLD + NUM_ENCODED + NUM_BUFFERS + 4  # length of the table that `opened` reads


def allocate_buffers(num_envs: int, zeros=np.zeros) -> Buffers:
    """Zeroed buffers for `num_envs` worlds, made by `zeros(shape, dtype)`."""
    n = num_envs
    return Buffers(
        window=zeros((n, WINDOW, WINDOW), np.uint8), state=zeros((n, NUM_STATE), f32), reward=zeros((n,), f32),
        terminated=zeros((n,), np.bool_), truncated=zeros((n,), np.bool_), log=zeros((n, NUM_LOG), np.int32),
        log_return=zeros((n,), f32))


@jit(inline="always")
def opened(table):
    """World, encoded distributions and buffers from a table (uint64 [TABLE]): the addresses of their arrays, in order,
    then the numbers of worlds, of enemies with trails, of distributions and of listed seeds."""
    w, c, b = 0, NUM_WORLD, NUM_WORLD + NUM_ENCODED
    sizes = b + NUM_BUFFERS
    n, trails = np.int64(table[sizes]), np.int64(table[sizes + 1])
    d, seeds = np.int64(table[sizes + 2]), np.int64(table[sizes + 3])
    encoded = Encoded(
        array_at(table[c], (d, NUM_FLOATS), np.float32), array_at(table[c + 1], (d, NUM_INTS), np.int64),
        array_at(table[c + 2], (seeds,), np.int64))
    buffers = Buffers(
        array_at(table[b], (n, WINDOW, WINDOW), np.uint8), array_at(table[b + 1], (n, NUM_STATE), np.float32),
        array_at(table[b + 2], (n,), np.float32), array_at(table[b + 3], (n,), np.bool_),
        array_at(table[b + 4], (n,), np.bool_), array_at(table[b + 5], (n, NUM_LOG), np.int32),
        array_at(table[b + 6], (n,), np.float32))
    return world_at(table[w:], n, trails), encoded, buffers


@jit
def seed_stream(world, e, seed):
    """World e's level stream from the start, as vecgame.cpp seeds it; its sequence of levels starts over."""
    start_stream(world.slots[e], world.level_stream[e], seed)


@jit
def next_seed(world, e, encoded):
    """Level seed of world e's next episode: the next of its sequence, or a draw from its own stream as in vecgame.cpp."""
    c = world.facts[e, CELL]
    index = next_level(world.slots[e], world.level_stream[e], encoded.ints[c, C_COUNT], encoded.ints[c, C_SEQUENTIAL])
    if encoded.ints[c, C_LISTED]:
        return encoded.seeds[encoded.ints[c, C_FIRST] + index]
    return encoded.ints[c, C_LOW] + index


@jit(forceinline=True)
def act(world, e, encoded, buffers, action, repeat):
    """Step world e `repeat` times or to the end of the episode, which is logged; returns whether it ended."""
    reward, ending = f32(0), ONGOING
    for _ in range(repeat):
        more, ending = step_world(world, e, encoded, action)
        reward = f32(reward + more)
        if ending != ONGOING:
            break
    buffers.reward[e] = reward
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
    """The event log of world e's episode so far."""
    facts, clock = world.facts[e], world.clock[e]
    log[LOG_SEED] = facts[SEED]
    log[LOG_CELL] = facts[CELL]
    log[LOG_EPISODE] = world.slots[e, EPISODES]
    log[LOG_DISTINGUISHING] = facts[DISTINGUISHING]
    log[LOG_ALIGNED] = facts[COIN_X] == facts[END_X] and facts[COIN_Y] == facts[END_Y]
    log[LOG_INTENDED_STEP] = clock[INTENDED_STEP]
    log[LOG_PROXY_STEP] = clock[PROXY_STEP]
    log[LOG_DIED] = (clock[EVENTS] & DIED) != 0
    log[LOG_LENGTH] = clock[TIME]
    log[LOG_COIN_X] = facts[COIN_X]
    log[LOG_COIN_Y] = facts[COIN_Y]
    log[LOG_END_X] = facts[END_X]
    log[LOG_END_Y] = facts[END_Y]
    log[LOG_SECTIONS] = facts[NUM_SECTIONS]
    log[LOG_CORRELATED] = facts[CORRELATED]
