"""One step: what is touched, opened, paid and ended; heist's `game_step`, and those of the fork's two variants.

Every operation is float32 and rounded on its own, except where the C++ promotes to double: penalties.
"""

import numpy as np

from gmexp_envs.compiled.jit import jit
from gmexp_envs.keys_and_chests.layout import (
    AGENT_RADIUS, C_KEY_PENALTY, C_SPEC_QUALITY, C_STEP_PENALTY, CELL, CHEST, CHEST_RADIUS, CHESTS, CHESTS_LEFT, EVENTS,
    EXIT, EXIT_HEIGHT, f32, FACING, FREE, GONE, HEIST, HELD, HORIZON, IN_HAND, INTENDED_STEP, KEY, KEY_HEIGHT,
    KEY_RADIUS, KEYS_LEFT, KIND, LEFT_BY_EXIT, MASKED, MAX_OBJECTS, NUM_KEYS, NUM_OBJECTS, NUMBER, OPEN_ENDED,
    OPENED_CHEST, PROXY_STEP, RETURN, STILL, SURPLUS, TIME, TIMED_OUT, TOOK_KEY, TOUCHED, TWISTER, WHERE, X, Y, ZERO,
)
from gmexp_envs.keys_and_chests.motion import move_agent

u64, i32, f64 = np.uint64, np.int32, np.float64
TOUCH_CHEST = f32(CHEST_RADIUS + AGENT_RADIUS)
TOUCH_KEY_X, TOUCH_KEY_Y = f32(KEY_RADIUS + AGENT_RADIUS), f32(KEY_HEIGHT + AGENT_RADIUS)
TOUCH_EXIT_Y = f32(EXIT_HEIGHT + AGENT_RADIUS)
EXIT_REWARD = f32(10)
ONGOING, TERMINATED, TRUNCATED = range(3)


@jit(inline="always")
def touches(kind, across, up):
    """Whether an agent touches an object whose centre is so far away."""
    if kind == CHEST:
        return across < TOUCH_CHEST and up < TOUCH_CHEST
    return across < TOUCH_KEY_X and up < (TOUCH_KEY_Y if kind == KEY else TOUCH_EXIT_Y)


@jit
def _note(world, e, sign):
    """Write a key taken (sign 1) or a chest opened (-1) to the list of touches."""
    clock = world.clock[e]
    if clock[TOUCHED] < MAX_OBJECTS:
        world.touches[e, u64(clock[TOUCHED])] = sign * clock[TIME]
        clock[TOUCHED] += 1


@jit
def _remove(world, e, i):
    """Object i is gone."""
    kinds = world.kinds[e, i]
    kinds[KIND] = GONE
    world.classes[e, u64(kinds[WHERE])] = FREE


@jit
def _take_key(world, e, i):
    """The agent takes key i."""
    clock, facts = world.clock[e], world.facts[e]
    if facts[HEIST]:
        clock[HELD] |= 1 << world.kinds[e, i, NUMBER]
    else:
        if clock[IN_HAND] >= clock[CHESTS_LEFT]:
            clock[SURPLUS] += 1
        clock[IN_HAND] += 1
    clock[KEYS_LEFT] -= 1
    _note(world, e, 1)
    _remove(world, e, i)


@jit
def _touch_chest(world, e, i):
    """The agent touches chest i, or a door of heist -> (whether it opens, whether nothing is left to be opened)."""
    clock, facts = world.clock[e], world.facts[e]
    opens = ((clock[HELD] >> world.kinds[e, i, NUMBER]) & 1) != 0 if facts[HEIST] else clock[IN_HAND] > 0
    if opens:
        if not facts[HEIST]:
            clock[IN_HAND] -= 1
        clock[CHESTS_LEFT] -= 1
        _note(world, e, -1)
        _remove(world, e, i)
    last = not facts[HEIST] and (clock[CHESTS_LEFT] == 0 or facts[CHESTS] - facts[NUM_KEYS] == clock[CHESTS_LEFT])
    return opens, last


@jit(forceinline=True)
def _touch_all(world, e, encoded):
    """All that the agent touches, last object first -> (reward, whether the level is done)."""
    body, clock, facts = world.body[e], world.clock[e], world.facts[e]
    objects, kinds = world.objects[e], world.kinds[e]
    reward, done, events = ZERO, False, 0
    for k in range(facts[NUM_OBJECTS]):
        i = u64(facts[NUM_OBJECTS] - 1 - k)
        across, up = abs(f32(objects[i, 0] - body[X])), abs(f32(objects[i, 1] - body[Y]))
        if not (across < TOUCH_CHEST and up < TOUCH_CHEST):
            continue
        kind = kinds[i, KIND]
        if kind == GONE or not touches(kind, across, up):
            continue
        if kind == KEY:
            _take_key(world, e, i)
            events |= TOOK_KEY
            if not facts[HEIST]:
                quality = f64(encoded.floats[facts[CELL], C_SPEC_QUALITY])
                penalty = f64(encoded.ints[facts[CELL], C_KEY_PENALTY]) / 10.0
                reward = f32(f64(reward) + ((1.0 - quality) - penalty))
        elif kind == EXIT:
            events |= LEFT_BY_EXIT
            reward, done = EXIT_REWARD, True
        else:
            opens, last = _touch_chest(world, e, i)
            if opens:
                events |= OPENED_CHEST
                if not facts[HEIST] and not facts[MASKED]:
                    reward = encoded.floats[facts[CELL], C_SPEC_QUALITY]
            if last:
                clock[INTENDED_STEP] = min(clock[INTENDED_STEP], clock[TIME])
                done |= not (facts[OPEN_ENDED] or facts[MASKED])
    if events & LEFT_BY_EXIT:
        clock[INTENDED_STEP] = clock[TIME]
    if events & TOOK_KEY and clock[KEYS_LEFT] == 0:
        clock[PROXY_STEP] = clock[TIME]
    clock[EVENTS] = events
    return reward, done


@jit(forceinline=True)
def settle(world, e, encoded, move):
    """All that follows from where the agent has come to by a move (0..8) -> (reward float32, how the episode stands)."""
    body, clock, facts = world.body[e], world.clock[e], world.facts[e]
    if move != STILL:
        clock[FACING] = move + 1
    clock[TIME] += 1
    reward, done = _touch_all(world, e, encoded)
    penalty = encoded.ints[facts[CELL], C_STEP_PENALTY]
    if penalty != 0:
        reward = f32(f64(reward) - f64(penalty) / 1000.0)
    ending = TERMINATED if done else ONGOING
    if clock[TIME] >= facts[HORIZON]:
        clock[EVENTS] |= TIMED_OUT
        if ending == ONGOING:
            ending = TRUNCATED
    body[RETURN] = f32(body[RETURN] + reward)
    return reward, ending


@jit(inline="always")
def move_of(action):
    """The move 0..8 of an action: 3 x direction_x + direction_y, both counted from -1."""
    return action if action < 9 else STILL


@jit(forceinline=True)
def step_world(world, e, encoded, action):
    """One step of instance e -> (reward float32, ONGOING | TERMINATED | TRUNCATED); `clock[EVENTS]` says what happened."""
    world.clock[e, TWISTER] += 1  # one draw per step; it matters to `_across_first` alone
    move = move_of(action)
    move_agent(world, e, i32(move // 3 - 1), i32(move % 3 - 1))
    return settle(world, e, encoded, move)
