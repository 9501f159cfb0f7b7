"""python -m tests.fuzz minutes=10 seed=0; exit code 1 where there is a fault."""

import sys
import tempfile
import time
from pathlib import Path

from tests.fuzz import classes, commands, harness, study


def main(arguments: list[str]) -> int:
    given = {"minutes": 10.0, "seed": float(time.time_ns() % 10**6)}
    given |= {key: float(value) for key, _, value in (item.partition("=") for item in arguments)}
    commands.warm()
    with tempfile.TemporaryDirectory(prefix="gmexp-fuzz-study-", dir=classes.FOLDER) as folder:
        made = study.make(Path(folder, "whole"))
        scratch = Path(folder, "scratch")
        scratch.mkdir()
        every = classes.CLASSES | commands.CLASSES | {"study": (study.mutations(made, scratch), 8.0)}
        tallies = harness.run(every, 60 * given["minutes"], int(given["seed"]), report=lambda line: print(line, flush=True))
    return int(any(tally.faults for tally in tallies.values()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
