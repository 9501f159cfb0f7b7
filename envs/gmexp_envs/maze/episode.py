"""One world's episodes: which level comes next, what an action does, what is logged. CPU and GPU engines share these."""

import numpy as np

from gmexp_envs.compiled.jit import jit
from gmexp_envs.compiled.memory import array_at
from gmexp_envs.maze.layout import (
    Buffers, C_COUNT, C_FIRST, C_LISTED, C_LOW, C_SEQUENTIAL, CELL, CLOCK_ROW, DISTINGUISHING, Encoded, f32, FACTS_ROW,
    GAINS_ROW, GOAL_X, GOAL_Y, INTENDED_STEP, LOG_ALIGNED, LOG_CELL, LOG_DISTINGUISHING, LOG_EPISODE, LOG_FACTS,
    LOG_INTENDED_STEP, LOG_LENGTH, LOG_PROXY_STEP, LOG_SEED, LOGGED, MAX_SIZE, NUM_APPEARANCE, NUM_FLOATS, NUM_INTS,
    NUM_LOG, NUM_STATE, PROXY_STEP, PROXY_X, PROXY_Y, RETURN, SEED, SLOTS_ROW, TIME, World,
)
from gmexp_envs.maze.rules import ONGOING, TERMINATED, TRUNCATED, step_world
from gmexp_envs.procgen_family.streams import EPISODES, next_level

NUM_WORLD, NUM_ENCODED, NUM_BUFFERS = len(World._fields), len(Encoded._fields), len(Buffers._fields)
TABLE = NUM_WORLD + NUM_ENCODED + NUM_BUFFERS + 4  # length of the table that `opened` reads
LOGGED_COLUMNS = np.array(LOGGED)


@jit(inline="always")
def opened(table):
    """World, encoded distributions and buffers from a table (uint64 [TABLE]): the addresses of their arrays, in order,
    then the numbers of worlds, of cells across a semantic window, of distributions and of listed seeds."""
    c, b = NUM_WORLD, NUM_WORLD + NUM_ENCODED
    sizes = b + NUM_BUFFERS
    n, side = np.int64(table[sizes]), np.int64(table[sizes + 1])
    d, seeds = np.int64(table[sizes + 2]), np.int64(table[sizes + 3])
    world = World(
        array_at(table[0], (n, CLOCK_ROW), np.int32), array_at(table[1], (n, FACTS_ROW), np.int32),
        array_at(table[2], (n, GAINS_ROW), np.float32), array_at(table[3], (n, SLOTS_ROW), np.int32),
        array_at(table[4], (n, MAX_SIZE, MAX_SIZE), np.uint8), array_at(table[5], (n, MAX_SIZE, MAX_SIZE), np.uint8),
        array_at(table[6], (n, NUM_APPEARANCE), np.uint8), array_at(table[7], (n, 624), np.uint32))
    encoded = Encoded(
        array_at(table[c], (d, NUM_FLOATS), np.float32), array_at(table[c + 1], (d, NUM_INTS), np.int64),
        array_at(table[c + 2], (seeds,), np.int64))
    buffers = Buffers(
        array_at(table[b], (n, side, side), np.uint8), array_at(table[b + 1], (n, NUM_STATE), np.float32),
        array_at(table[b + 2], (n,), np.float32), array_at(table[b + 3], (n,), np.bool_),
        array_at(table[b + 4], (n,), np.bool_), array_at(table[b + 5], (n, NUM_LOG), np.int32),
        array_at(table[b + 6], (n,), np.float32))
    return world, encoded, buffers


@jit
def next_seed(world, e, encoded):
    """Level seed of world e's next episode."""
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
    buffers.log_return[e] = world.gains[e, RETURN]
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
    log[LOG_ALIGNED] = facts[GOAL_X] == facts[PROXY_X] and facts[GOAL_Y] == facts[PROXY_Y]
    log[LOG_INTENDED_STEP] = clock[INTENDED_STEP]
    log[LOG_PROXY_STEP] = clock[PROXY_STEP]
    log[LOG_LENGTH] = clock[TIME]
    for k in range(len(LOGGED_COLUMNS)):
        log[LOG_FACTS + k] = facts[LOGGED_COLUMNS[k]]
