"""CoinRun, exactly: level generation, dynamics and frames of procgen 0.10.7 as Numba scalar functions.

    layout.py    what one world holds, and the constants of the game
    twister.py   std::mt19937 as procgen draws from it; hashes for everything procgen does not draw
    levels.py    one level from its seed
    cells.py     the cells of a planned level
    coins.py     where the coin goes when it is not at the end
    rules.py     one step of the game
    semantic.py  the observation as tile classes
    episode.py   one world's episodes: next level, action, log
    base.py      what the engines share
    engine.py    many worlds stepped together on the CPU; cuda_engine.py, on a GPU, and kernels.py, what it launches
    scripted policies.py   agents whose goal is known, which plan with the exact game
    certify.py   levels that separate the goals in play too
"""
