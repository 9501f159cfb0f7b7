"""Where the fork puts chests and keys, whether that can tell the goals apart, and another arrangement where it cannot.

A maze is a tree, and touching is taking: what lies on the only way somewhere is taken on the way. Let the chest way be
the union of the ways from the start to all chests, and the key way that to all keys. Whoever opens all chests takes at
least max(keys on the chest way, chests) keys, and needs no more; whoever takes all keys can leave every chest alone that
is not on the key way. So a level is distinguishing if a key can be left and a chest can:

    max(keys on the chest way, chests) < keys    and    chests on the key way < chests

(By cells, that is: in about one level of a thousand the agent's box can touch a chest round a corner, before the key.)
"""

import numpy as np

from gmexp_envs.compiled.jit import jit
from gmexp_envs.compiled.mersenne_twister import hash_below
from gmexp_envs.keys_and_chests.cells import choose_agent, list_free, take, way_back
from gmexp_envs.keys_and_chests.layout import (
    AGENT_THING, BACK, CHEST_THING, KEY_THING, LIST, NOTHING, QUEUE, SPACE, THINGS,
)
from gmexp_envs.procgen_family.mazes import below

u64 = np.uint64
TRIES = 256  # other arrangements before a level is left as one that cannot tell the goals apart
SALT_ARRANGEMENT = 5000


@jit
def place_as_fork(words, p, scratch, d, chests, keys, least):
    """Chests and keys in cells with at least `least` free neighbours, the agent in any other -> its cell, the next output.

    Where there are fewer cells, all are taken, chests first.
    """
    things, listed = scratch[THINGS], scratch[LIST]
    n = list_free(things, d, least, listed)
    short = chests + keys > n
    for k in range(min(chests + keys, n)):
        if short:
            cell = np.int64(listed[u64(k)])
        else:
            at, p = below(words, p, n - k)
            cell = take(listed, n - k, at)
        things[u64(cell)] = CHEST_THING + 1 + k if k < chests else KEY_THING + 1 + k - chests
    return choose_agent(words, p, things, d, listed)


@jit(inline="always")
def _is_chest(thing):
    return CHEST_THING < thing < KEY_THING


@jit(inline="always")
def _is_key(thing):
    return thing > KEY_THING


@jit
def _count_on_way(things, d, back, marks, to_chests):
    """Of the ways from the start to all chests (or all keys): how many keys (or chests) lie on them."""
    for cell in range(d * d):
        marks[u64(cell)] = 0
    count = 0
    for goal in range(d * d):
        thing = things[u64(goal)]
        if not (_is_chest(thing) if to_chests else _is_key(thing)):
            continue
        cell = np.int64(goal)
        while cell >= 0 and marks[u64(cell)] == 0:
            marks[u64(cell)] = 1
            thing = things[u64(cell)]
            if _is_key(thing) if to_chests else _is_chest(thing):
                count += 1
            cell = np.int64(back[u64(cell)])
    return count


@jit
def count_on_ways(scratch, d, start):
    """Keys on the ways to all chests, chests on the ways to all keys."""
    things, back, queue = scratch[THINGS], scratch[BACK], scratch[QUEUE]
    way_back(things, d, start, back, queue)
    return _count_on_way(things, d, back, queue, True), _count_on_way(things, d, back, queue, False)


@jit(inline="always")
def tells_apart(keys, chests, keys_on_way, chests_on_way):
    """Whether a level is distinguishing."""
    return max(keys_on_way, chests) < keys and chests_on_way < chests


@jit
def rearrange(scratch, d, chests, keys, seed):
    """Arrange chests, keys and agent anew in any free cells, fixed by the level seed, so that the level is distinguishing
    -> the agent's cell, keys on the ways to all chests, chests on the ways to all keys."""
    things, listed = scratch[THINGS], scratch[LIST]
    start, keys_on_way, chests_on_way = 0, 0, 0
    for attempt in range(TRIES):
        for cell in range(d * d):
            if things[u64(cell)] != NOTHING:
                things[u64(cell)] = SPACE
        n = list_free(things, d, 0, listed)
        for k in range(chests + keys + 1):
            cell = take(listed, n - k, hash_below(seed, SALT_ARRANGEMENT + 64 * attempt + k, n - k))
            if k == 0:
                start = cell
                things[u64(cell)] = AGENT_THING
            else:
                things[u64(cell)] = CHEST_THING + k if k <= chests else KEY_THING + k - chests
        keys_on_way, chests_on_way = count_on_ways(scratch, d, start)
        if tells_apart(keys, chests, keys_on_way, chests_on_way):
            break
    return start, keys_on_way, chests_on_way
