"""What procgen's games share.

    binary.py    the real procgen's compiled games, through the C interface of an installed wheel
    host.py      that binary behind the interface of a native engine
    state.py     the state it keeps of a sub-environment, as named fields
    streams.py   which level comes next
    themes.py    themes that training shows, and those held out
    mazes.py     procgen's mazes, draw by draw
    images.py    sprites, backgrounds, flat colours
    blit.py      images drawn as procgen's Qt draws them
    board.py     games whose whole world is in view: images cut to the cells
"""
