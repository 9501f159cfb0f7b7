"""What the ladder's counts alone cannot say of an agent: why it goes where it goes, and how far a shift really shifts.

    attribution   what the coin's presence and place cause, on the same levels
    critic        what the value function makes of the coin, before and behind the level's end
    factors       each factor of the ladder shifted alone
    magnitude     how far each shift moves observations and the policy's features

Each measures one checkpoint and writes one file into the run's folder; `summary` brings the runs of a study together.
"""
