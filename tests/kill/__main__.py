"""python -m tests.kill kills=200 seed=0"""

import sys
import tempfile
from pathlib import Path

from tests.kill import harness


def main(arguments: list[str]) -> None:
    given = {"kills": 200, "seed": 0} | {key: int(value) for key, _, value in (item.partition("=") for item in arguments)}
    with tempfile.TemporaryDirectory(prefix="gmexp-kill-") as folder:
        report = harness.run(Path(folder), given["kills"], given["seed"], lambda line: print(line, flush=True))
    print(f"{report.kills.total()} kills ({', '.join(f'{way} {n}' for way, n in sorted(report.kills.items()))}), "
          f"{report.missed} came too late, {report.studies} studies: nothing lost, nothing left, nothing of others touched")


if __name__ == "__main__":
    main(sys.argv[1:])
