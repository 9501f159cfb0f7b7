"""The small worlds: published case studies and synthetic tasks of goal misgeneralization on one grid engine.

    boat_race.py ...  one world each: its rules, its words, its page of documentation
    world.py          what a world brings
    ring.py           a ring of cells, which two worlds share
    layout.py         what one instance holds, and the numbers that all worlds share
    scalar.py         plain functions that become compiled ones, a copy for each world
    rules.py          what the rules of all worlds share
    episode.py        one instance's episodes: next level, action, observation, log
    search.py         shortest paths
    engine.py         many instances stepped together on the CPU; cuda_engine.py, on a GPU, and kernels.py, what it launches
    draw.py           flat tiles; pictures.py, pictures for people and levels as text
    scripted.py       policies whose goal is known, and levels certified by them
    task.py           a world as a `gmexp_envs.task.Task`; distribution.py, its levels
"""
