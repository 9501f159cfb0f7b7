"""`gmexp langosco export | import | figure2`: the commands; formats are in `langosco`, metrics in `figure2`."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from gmexp.cli.options import Command, Option, boolean, dispatch, listing, number, text, whole
from gmexp.support.errors import UserError, nearest

__all__ = ["main"]

FILES = listing(text("path"))
DIVERSITIES = listing(number(0, 1))
EXPORT = Command(
    "langosco export", "a run's episodes in one cell as metrics_agent_seed_{n}.csv",
    (Option("run", text("path"), None, "folder of an evaluated run", required=True),
     Option("shift", whole(0, 4), 0, "shift type"), Option("grade", number(0, 1), None, "its grade; not set is 1"),
     Option("probe", boolean(), True, "the goal probe: every coin away from the end, as in their test"),
     Option("out", text("path"), None, "file; not set is metrics_agent_seed_{n}.csv beside the episodes")),
    "gmexp langosco export run=outputs/quickstart/runs/<run id> shift=0 probe=true",
    "The marker is -1, unknown, where the coin is at the end: we do not log where else it would have been.")
IMPORT = Command(
    "langosco import", "their logs as counts for gmexp calibrate",
    (Option("files", FILES, None, "logs, one per agent, or a folder of them", required=True),
     Option("diversity", DIVERSITIES, None, "share of training levels with a random coin; one value, or one per log",
            required=True),
     Option("shift", whole(0, 4), 3, "shift type that the test stands for"),
     Option("grade", number(0, 1), 1.0, "its grade"),
     Option("reference", FILES, None, "logs of reference agents: only good seeds are counted"),
     Option("out", text("path"), None, "counts as .csv or .parquet", required=True)),
    "gmexp langosco import files=[metrics_agent_seed_0.csv,metrics_agent_seed_1.csv] diversity=0.02 out=counts.csv",
    "A level with a random coin counts as distinguishing; their coins often lie on the way to the end, so give a reference.")
FIGURE2 = Command(
    "langosco figure2", "objective and IID robustness failure against training diversity",
    (Option("study", text("path"), None, "one of our studies, instead of logs"),
     Option("test", FILES, None, "logs with every coin at random, one per agent, or a folder of them"),
     Option("diversity", DIVERSITIES, None, "share of training levels with a random coin; one value, or one per log"),
     Option("iid", FILES, None, "the same agents' logs on levels like those of their training, in the same order"),
     Option("reference", FILES, None, "logs of agents trained, and played, with the coin at the end"),
     Option("out", text("path"), None, "folder for figure2.json, .png and .svg; not set prints only")),
    "gmexp langosco figure2 study=outputs/quickstart out=outputs/figure2",
    "Good seeds are levels whose marker the reference agents touch in fewer than 10% of repeats.")


def main(args: Sequence[str]) -> int:
    """`gmexp langosco VERB key=value ...`"""
    verbs: dict[str, tuple[Command, Callable[[dict[str, Any]], int]]] = {
        "export": (EXPORT, export), "import": (IMPORT, import_), "figure2": (FIGURE2, figure2)}
    return dispatch(args, verbs,
                    f"say what: gmexp langosco {' | '.join(verbs)}{nearest(args[0], list(verbs)) if args else ''}")


def export(values: dict[str, Any]) -> int:
    from gmexp.artefacts import tables
    from gmexp.artefacts.records import Episode
    from gmexp.langosco import logs
    from gmexp.rates.definitions import in_arm

    folder = Path(values["run"])
    episodes = in_arm(tables.read_table(folder / "episodes.parquet", Episode))
    grade = float(values["shift"] > 0) if values["grade"] is None else values["grade"]
    played = logs.logs_of_cell(episodes, values["shift"], grade, values["probe"])
    name = f"metrics_agent_seed_{episodes['train_seed'][0].as_py()}.csv"
    print(logs.write_logs(Path(values["out"]) if values["out"] else folder / name, played))
    return 0


def import_(values: dict[str, Any]) -> int:
    import numpy as np

    from gmexp.langosco import logs

    out = Path(values["out"])
    if out.suffix not in (".csv", ".parquet"):
        raise UserError(f"out={out} must end in .csv or .parquet")
    paths = _paths(values["files"])
    diversities = _spread(values["diversity"], paths, "files")
    references = [logs.read_logs(path) for path in _paths(values["reference"])]
    good = logs.good_seeds(references) if references else None
    counts, seen = [], {}
    for path, diversity in zip(paths, diversities, strict=True):
        seed = _agent_seed(path)
        run_id = f"langosco-d{diversity:g}-s{seed}"
        if run_id in seen:
            raise UserError(f"{seen[run_id]} and {path} are both agent seed {seed} at diversity {diversity:g}")
        seen[run_id] = path
        played = logs.read_logs(path)
        if good is not None:
            played = played.take(np.isin(played.seed, good))
            if not len(played.seed):
                raise UserError(f"{path.name} has no episode on a good seed")
        counts.append(logs.count(played, run_id, seed, diversity, values["shift"], values["grade"], path.name))
    logs.write_counts(out, counts)
    for row in counts:
        print(f"{row.run_id}: {row.n_visible} episodes, {row.n_intended} intended, {row.n_proxy} proxy, {row.n_death} "
              f"death, {row.n_timeout} timeout, {row.n_ambiguous} ambiguous")
    print(out)
    return 0


def figure2(values: dict[str, Any]) -> int:
    from gmexp import artefacts
    from gmexp.langosco import figure2 as metrics
    from gmexp.langosco import logs

    if (values["study"] is None) == (values["test"] is None):
        raise UserError("give either study=<folder> or test=[logs] diversity=[...]")
    if values["study"]:
        tests, iids, references = metrics.study_logs(Path(values["study"]))
    else:
        paths = _paths(values["test"])
        if values["diversity"] is None:
            raise UserError("diversity is missing: one value, or one per test log")
        diversities = _spread(values["diversity"], paths, "test")
        beside = _paths(values["iid"])
        if beside and len(beside) != len(paths):
            raise UserError(f"iid names {len(beside)} logs where test names {len(paths)}")
        tests, iids = ([(d, logs.read_logs(path)) for d, path in zip(diversities, files, strict=False)]
                       for files in (paths, beside))
        references = [logs.read_logs(path) for path in _paths(values["reference"])]
    found = metrics.figure2(tests, iids, references)
    print(_table(found))
    if values["out"]:
        folder = Path(values["out"])
        origin = artefacts.provenance(None, values, "Figure 2 of Langosco et al. (2022)")
        print(artefacts.write_json(folder / "figure2.json", dataclasses.asdict(found), origin))
        for path in metrics.write(found, folder):
            print(path)
    return 0


def _paths(named: Sequence[str] | None) -> list[Path]:
    """The named files, those of a folder in the order of their names."""
    found: list[Path] = []
    for path in map(Path, named or ()):
        inside = sorted(path.glob("*.csv")) if path.is_dir() else [path]
        if not inside:
            raise UserError(f"{path} holds no .csv")
        found += inside
    return found


def _spread(diversities: Sequence[float], paths: Sequence[Path], key: str) -> list[float]:
    if len(diversities) not in (1, len(paths)):
        raise UserError(f"diversity names {len(diversities)} values for {len(paths)} logs in {key}: give one, or "
                        "one each")
    return list(diversities) * (len(paths) if len(diversities) == 1 else 1)


def _agent_seed(path: Path) -> int:
    """The n of metrics_agent_seed_{n}.csv."""
    match = re.fullmatch(r"metrics_agent_seed_(\d{1,18})", path.stem)
    if match is None:
        raise UserError(f"{path.name} does not say its agent's seed: name it metrics_agent_seed_<n>.csv")
    return int(match[1])


def _table(found: Any) -> str:
    """The points as aligned text; a dash is unknown."""
    def show(share: Any) -> str:
        return "-" if share is None or share.mean is None else f"{share.mean:.2f} [{share.low:.2f}, {share.high:.2f}]"

    lines = [f"{'diversity':>9}  {'runs':>4}  {'objective failure':>18}  {'IID failure':>18}  "
             f"{'objective, all':>18}  {'IID, all':>18}"]
    for p in found.points:
        shares = (p.objective_robustness_failure, p.iid_robustness_failure, p.objective_robustness_failure_all_seeds,
                  p.iid_robustness_failure_all_seeds)
        runs = len(p.objective_robustness_failure_all_seeds.runs)
        lines.append(f"{p.diversity:>9g}  {runs:>4}  " + "  ".join(f"{show(share):>18}" for share in shares))
    known = "unknown (no reference)" if found.n_good_seeds is None else f"{found.n_good_seeds} of {found.n_seeds}"
    lines.append(f"left: on good seeds, {known}; right: on all seeds; most that could fail (reference agents): "
                 f"{show(found.most_possible)}")
    return "\n".join(lines)
