"""std::mt19937 as procgen draws from it, and hashes for every choice procgen does not make.

The words are regenerated one at a time, so a generator costs nothing for outputs nobody asks for. Choices of ours (where
a moved coin goes, which themes a level wears) are hashes of the level seed: they never disturb the game's own draws, and
the same level makes the same choice at every grade of a shift.
"""

import numpy as np

from gmexp_envs.compiled.jit import jit

u32 = np.uint32
u64 = np.uint64
WORDS = 624


@jit
def seed_twister(words, seed):
    """Fill `words` (uint32 [624]) from a 32-bit seed; drawing starts at index 0."""
    x = u32(seed)
    words[0] = x
    for i in range(1, WORDS):
        x = u32(u32(1812433253) * u32(x ^ (x >> u32(30))) + u32(i))
        words[i] = x


@jit
def draw(words, index):
    """Next raw output and the index of the word after it."""
    following = index + 1
    if following == WORDS:
        following = 0
    far = index + 397
    if far >= WORDS:
        far -= WORDS
    y = u32(u32(words[index] & u32(0x80000000)) | u32(words[following] & u32(0x7FFFFFFF)))
    v = u32(words[far] ^ (y >> u32(1)))
    if y & u32(1):
        v = u32(v ^ u32(0x9908B0DF))
    words[index] = v
    v = u32(v ^ (v >> u32(11)))
    v = u32(v ^ u32(u32(v << u32(7)) & u32(0x9D2C5680)))
    v = u32(v ^ u32(u32(v << u32(15)) & u32(0xEFC60000)))
    return u32(v ^ (v >> u32(18))), following


@jit
def start_generator(words, draws, seed):
    """Seed `words` and write the first outputs to `draws`; output len(draws) is then the next that `draw` gives."""
    seed_twister(words, seed)
    for i in range(draws.shape[0]):
        draws[i], _ = draw(words, i)


@jit
def output(words, draws, n, drawn):
    """Output number n (from 0) of a started generator, asked for in rising order; past `draws`, the outputs up to it
    are drawn first, `drawn` of them being drawn already. Returns the output and how many are drawn now."""
    if n < draws.shape[0]:
        return draws[n], drawn
    v = u32(0)
    while drawn <= n:
        v, _ = draw(words, drawn % WORDS)
        drawn += 1
    return v, drawn


@jit
def hash_bits(seed, salt):
    """64 well-mixed bits of (seed, salt): splitmix64's finaliser (Steele et al. 2014)."""
    z = u64(u64(seed) * u64(0x9E3779B97F4A7C15) + u64(salt) * u64(0xD1B54A32D192ED03) + u64(0x632BE59BD9B4E019))
    z = u64((z ^ (z >> u64(30))) * u64(0xBF58476D1CE4E5B9))
    z = u64((z ^ (z >> u64(27))) * u64(0x94D049BB133111EB))
    return u64(z ^ (z >> u64(31)))


@jit
def hash_unit(seed, salt):
    """float32 in [0, 1), fixed by (seed, salt)."""
    return np.float32(np.float32(hash_bits(seed, salt) >> u64(40)) * np.float32(1.0 / 16777216.0))


@jit
def hash_below(seed, salt, n):
    """int32 in [0, n), fixed by (seed, salt)."""
    return np.int32((hash_bits(seed, salt) >> u64(33)) % u64(n))
