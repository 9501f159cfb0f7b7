"""One instance's episodes: which level comes next, what an action does, what is logged. CPU and GPU engines share these.

A world brings the functions that stand here as `_of_the_world`; `scalar.Compiler` puts them in place:

    plan(game, seed, salt) -> uint64   lay the level out from hashes (salt, salt + 1, ...): numbers in facts and things,
                                       nothing that depends on the placement; what it holds, 0 where it does not fit
    build(game, seed)                  the grid and everything else, from the plan and facts[PLACEMENT]
    step(game, action) -> (float32, int)   one step of the rules: reward and ONGOING or TERMINATED
    show(game, window, left, top)      classes of the cells from (left, top) on
    sense(game, state)                 the state vector
    advise(game, search, intended) -> int, goals(game) -> (x, y, x, y)   see `world.World`
"""

import numpy as np

from gmexp_envs.chosen import AT_PROXY, AWAY
from gmexp_envs.compiled.memory import array_at, prefetch_row
from gmexp_envs.outcome import NEVER
from gmexp_envs.worlds.layout import (
    ALIGNED, BROKEN, Buffers, CELL, COUNT, DIED, DISTINGUISHING, Encoded, EPISODES, FACTS, FIRST, Game, Games, GRID_COLUMNS,
    GRID_ROWS, HORIZON, INTENDED_STEP, KNOBS, LISTED, LOG_ALIGNED, LOG_CELL, LOG_DIED, LOG_DISTINGUISHING, LOG_EPISODE,
    LOG_FACTS, LOG_INTENDED_STEP, LOG_LENGTH, LOG_PROXY_STEP, LOG_SEED, LOGGED, LOOK, LOW, MARGIN, NOW, NUM_LOG, OFFSET,
    ONGOING, OPTIONS, ORIGINAL, OWN, PLACEMENT, PROXY_STEP, SEED, SEQUENTIAL, SLOTS, STEPS, STREAM, STRIDE, SUPERVISION,
    TERMINATED, THINGS, TIME, TRUNCATED, WINDOW, X, Y,
)
from gmexp_envs.worlds.rules import ATTEMPT, dress, placement
from gmexp_envs.worlds.scalar import called, hash_bits, owner, split_of, substituted

f32, u64 = np.float32, np.uint64
NUM_GAMES, NUM_ENCODED, NUM_BUFFERS = len(Games._fields), len(Encoded._fields), len(Buffers._fields)
TABLE = NUM_GAMES + NUM_ENCODED + NUM_BUFFERS + 3  # length of the table: addresses, then instances, distributions, seeds
STATE, STRETCH = 1, 1.0  # length of the state vector, and how many times longer supervision 1 makes an episode: the world's


def _of_the_world(*arguments):
    raise NotImplementedError("a world's own function goes here")


plan = build = step = show = sense = advise = _of_the_world


# --- an instance's arrays ---------------------------------------------------------------------------------------------

@substituted
def game_at(table, e):
    """Instance e's `Game` from the table of addresses (uint64 [TABLE])."""
    facts = array_at(table[2] + u64(4 * FACTS) * u64(e), (FACTS,), np.int32)
    c = u64(facts[CELL])
    return Game(
        array_at(table[0] + u64(GRID_ROWS * GRID_COLUMNS) * u64(e), (GRID_ROWS, GRID_COLUMNS), np.uint8),
        array_at(table[1] + u64(4 * NOW) * u64(e), (NOW,), np.int32), facts,
        array_at(table[3] + u64(4 * THINGS) * u64(e), (THINGS,), np.int32),
        array_at(table[4] + u64(LOOK) * u64(e), (LOOK,), np.uint8),
        array_at(table[NUM_GAMES] + u64(4 * KNOBS) * c, (KNOBS,), np.float32),
        array_at(table[NUM_GAMES + 1] + u64(8 * OPTIONS) * c, (OPTIONS,), np.int64))


@substituted
def slot_at(table, e):
    """Instance e's row of `Games.slots`."""
    return array_at(table[5] + u64(8 * SLOTS) * u64(e), (SLOTS,), np.int64)


@substituted
def return_at(table, e):
    """Instance e's return so far, float32 [1]."""
    return array_at(table[6] + u64(4) * u64(e), (1,), np.float32)


@substituted
def buffers_at(table, e):
    """Instance e's rows of the buffers: window, state, reward [1], terminated [1], truncated [1], log, return [1]."""
    b = NUM_GAMES + NUM_ENCODED
    return (array_at(table[b] + u64(WINDOW * WINDOW) * u64(e), (WINDOW, WINDOW), np.uint8),
            array_at(table[b + 1] + u64(4 * STATE) * u64(e), (STATE,), np.float32),
            array_at(table[b + 2] + u64(4) * u64(e), (1,), np.float32),
            array_at(table[b + 3] + u64(e), (1,), np.bool_), array_at(table[b + 4] + u64(e), (1,), np.bool_),
            array_at(table[b + 5] + u64(4 * NUM_LOG) * u64(e), (NUM_LOG,), np.int32),
            array_at(table[b + 6] + u64(4) * u64(e), (1,), np.float32))


def fetch(table, e):
    """Ask for what a step of instance e reads, and writes for its reader (`compiled.memory.prefetch`)."""
    n, b, row = np.int64(table[TABLE - 3]), NUM_GAMES + NUM_ENCODED, u64(e)
    prefetch_row(array_at(table[0], (n, GRID_ROWS * GRID_COLUMNS), np.uint8), row)
    prefetch_row(array_at(table[1], (n, NOW), np.int32), row)
    prefetch_row(array_at(table[2], (n, FACTS), np.int32), row)
    prefetch_row(array_at(table[3], (n, THINGS), np.int32), row)
    prefetch_row(array_at(table[b], (n, WINDOW * WINDOW), np.uint8), row)
    prefetch_row(array_at(table[b + 1], (n, STATE), np.float32), row)


# --- levels -----------------------------------------------------------------------------------------------------------

def seed_stream(table, e, seed):
    """Instance e's level stream from the start; its sequence of levels starts over."""
    slot = slot_at(table, e)
    slot[STREAM] = seed
    slot[EPISODES] = 0


@called
def next_seed(table, e, game):
    """Level seed of instance e's next episode: the next of its sequence, or a draw from its own stream."""
    slot, options = slot_at(table, e), game.options
    count = options[COUNT]
    if options[SEQUENTIAL]:
        index = (slot[OFFSET] + slot[EPISODES] * slot[STRIDE]) % count
    else:
        index = np.int64(hash_bits(slot[STREAM], slot[EPISODES]) % u64(count))
    if options[LISTED]:
        seeds = array_at(table[NUM_GAMES + 2], (np.int64(table[TABLE - 1]),), np.int64)
        return seeds[options[FIRST] + index]
    return options[LOW] + index


def begin(game, seed, placed):
    """Level `seed` under the instance's distribution with its intended goal `placed`, and the agent at its start."""
    facts, now = game.facts, game.now
    for k in range(NOW):
        now[k] = 0
    now[INTENDED_STEP] = NEVER
    now[PROXY_STEP] = NEVER
    facts[SEED] = seed
    facts[PLACEMENT] = placed
    facts[DISTINGUISHING] = facts[PLACEMENT] != ALIGNED
    longer = f32(f32(1) + f32(f32(STRETCH - 1) * game.knobs[SUPERVISION]))
    facts[HORIZON] = np.int32(f32(f32(game.options[STEPS]) * longer))
    salt = ATTEMPT
    while True:
        content = plan(game, seed, salt)
        if game.options[ORIGINAL] or (content != u64(0) and owner(content) == split_of(seed)):
            break
        salt += ATTEMPT
    build(game, seed)
    dress(game, seed)


@called
def begin_instance(table, e):
    """Start instance e's next episode."""
    game = game_at(table, e)
    seed = next_seed(table, e, game)
    begin(game, seed, placement(game, seed))


@called
def begin_chosen(table, e, seed, place):
    """Start an episode of instance e on a chosen level; `place` as in `gmexp_envs.chosen`, of which a cell says nothing."""
    game = game_at(table, e)
    placed = placement(game, seed)
    if place == AT_PROXY:
        placed = ALIGNED
    elif place == AWAY:
        placed = BROKEN
    return_at(table, e)[0] = f32(0)
    begin(game, seed, placed)


# --- a step -----------------------------------------------------------------------------------------------------------

def observe(table, e):
    """Write instance e's semantic observation."""
    game = game_at(table, e)
    window, state, _, _, _, _, _ = buffers_at(table, e)
    show(game, window, game.now[X] - MARGIN, game.now[Y] - MARGIN)
    sense(game, state)


def act(table, e, action, repeat):
    """Step instance e `repeat` times or to the end of the episode, which is logged; returns whether it ended."""
    game, total = game_at(table, e), return_at(table, e)
    _, _, reward, terminated, truncated, log, log_return = buffers_at(table, e)
    gained, ending = f32(0), ONGOING
    for _ in range(repeat):
        game.now[TIME] += 1
        paid, ending = step(game, action)
        gained = f32(gained + paid)
        if ending == ONGOING and game.now[TIME] >= game.facts[HORIZON]:
            ending = TRUNCATED
        if ending != ONGOING:
            break
    total[0] = f32(total[0] + gained)
    reward[0] = gained
    terminated[0] = ending == TERMINATED
    truncated[0] = ending == TRUNCATED
    if ending == ONGOING:
        return False
    slot = slot_at(table, e)
    write_log(game, slot[EPISODES], log)
    log_return[0] = total[0]
    total[0] = f32(0)
    slot[EPISODES] += 1
    return True


@called
def write_log(game, episode, log):
    """The event log of an instance's episode."""
    facts, now = game.facts, game.now
    log[LOG_SEED] = facts[SEED]
    log[LOG_CELL] = facts[CELL]
    log[LOG_EPISODE] = episode
    log[LOG_DISTINGUISHING] = facts[DISTINGUISHING]
    log[LOG_ALIGNED] = facts[PLACEMENT] == ALIGNED
    log[LOG_INTENDED_STEP] = now[INTENDED_STEP]
    log[LOG_PROXY_STEP] = now[PROXY_STEP]
    log[LOG_DIED] = now[DIED]
    log[LOG_LENGTH] = now[TIME]
    for k in range(LOGGED):
        log[LOG_FACTS + k] = now[OWN + k]
