"""Maze, exactly: levels, steps and frames of procgen 0.10.7's maze, and Langosco et al.'s Maze I and Maze II.

    distribution.py  what levels are drawn
    layout.py        what one world holds, and the constants of the game
    paths.py         a maze as a tree: ways, distances, which cells tell two goals apart
    goals.py         where the goals go
    levels.py        one level from its seed
    rules.py         one step of the game
    semantic.py      the observation as classes of cells
    episode.py       one world's episodes: next level, action, log
    base.py          what the engines share
    engine.py        many worlds stepped together on the CPU; cuda_engine.py, on a GPU, and kernels.py, what it launches
    certify.py       levels that tell the goals apart
    scripted.py      policies whose goal is known: shortest ways
    draw/            frames, and pictures for people
    procgen/         the real binary: as a backend, and what compares the engine with it
    task.py          the `Task`s
"""
