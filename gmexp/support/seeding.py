"""One seed, many named streams: randomness is an argument with a name, and no stream disturbs another."""

import numpy as np


def stream(seed: int, name: str) -> int:
    """The 32-bit seed of the stream `name` of `seed` (different names and seeds give independent streams)."""
    return int(np.random.SeedSequence([seed, *name.encode()]).generate_state(1)[0])
