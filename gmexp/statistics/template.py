"""`gmexp calibrate --template`: a CSV to fill in, in the schema of `OutcomeCounts`, with four rows that show how."""

from __future__ import annotations

import csv
import io

from gmexp.statistics.counts import REQUIRED

__all__ = ["COLUMNS", "explained", "template"]

COLUMNS = {  # what to write below each; the order is that of the file
    "run_id": "name of the training run, the replicate: below five runs an interval is mostly assumption",
    "env": "name of the environment",
    "learner": "network, trainer and hyperparameters, as any word",
    "train_seed": "its training seed; runs of one seed in several conditions are compared in pairs",
    "train_diversity": "share of training levels on which the two goals part, 0 to 1",
    "spec_quality": "1 where the reward is the intended goal's alone, 0 where it is the proxy's",
    "shift_type": "0 in distribution, 1 superficial, 2 moderate, 3 significant, 4 extreme",
    "n_visible": "episodes played",
    "n_intended": "of these: the intended goal reached first, on a level that tells the goals apart",
    "n_proxy": "of these: the proxy reached first, on such a level",
    "n_ambiguous": "of these: a goal reached on a level that cannot tell them apart",
    "n_distinguishing": "of these: levels that tell them apart",
    "n_masked": "episodes with the intended goal neither seen nor rewarded, on levels that tell them apart",
    "masked_intended": "of these: its place reached first",
    "masked_proxy": "of these: the proxy first",
}
EXAMPLE = ("env", "learner", "train_diversity", "spec_quality"), ("my_env", "my_learner", "0", "1")
ROWS = (  # run, seed, shift; visible: all, intended, proxy, ambiguous, distinguishing; masked: all, intended, proxy
    ("example-1", 1, 0, 200, 0, 0, 171, 0, "", "", ""), ("example-1", 1, 3, 200, 42, 97, 0, 200, 200, 38, 99),
    ("example-2", 2, 0, 200, 0, 0, 165, 0, "", "", ""), ("example-2", 2, 3, 200, 35, 90, 0, 200, 200, 36, 94))
VARIED = ("run_id", "train_seed", "shift_type", "n_visible", "n_intended", "n_proxy", "n_ambiguous", "n_distinguishing",
          "n_masked", "masked_intended", "masked_proxy")


def template() -> str:
    """The file: a header and rows to be replaced. `read_counts` takes it as it is."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(COLUMNS), lineterminator="\n")
    writer.writeheader()
    writer.writerows(dict(zip(EXAMPLE[0], EXAMPLE[1], strict=True)) | dict(zip(VARIED, row, strict=True)) for row in ROWS)
    return text.getvalue()


def explained() -> str:
    """What each column is, and what to do with the rows."""
    width = max(map(len, COLUMNS))
    lines = [f"  {name:<{width}}  {about}{' (required)' * (name in REQUIRED)}" for name, about in COLUMNS.items()]
    return "\n".join(["A row per training run and shift, separated by commas. Replace the example's rows, leave empty what "
                      "is unknown:", *lines, "Then: gmexp calibrate counts=mine.csv out=mine.json"])
