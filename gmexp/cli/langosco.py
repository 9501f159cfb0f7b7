"""`gmexp langosco export | import | figure2 | maze_ii`: the commands; formats are in `langosco`, metrics beside it."""

from __future__ import annotations

import dataclasses
import hashlib
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from gmexp.cli.options import boolean, Command, dispatch, listing, number, Option, place, shift_type
from gmexp.support.errors import UserError, nearest

__all__ = ["main"]

FILES = listing(place("path"))
JOINED = "metrics.csv"  # all logs of a model, as the authors' scripts join them
DIVERSITIES = listing(number(0, 1))
EXPORT = Command(
    "langosco export", "a run's episodes in one cell as metrics_agent_seed_{n}.csv",
    (Option("run", place("path"), None, "folder of an evaluated run", required=True),
     Option("shift", shift_type(), 0, "shift type"), Option("grade", number(0, 1), None, "its grade; not set is 1"),
     Option("probe", boolean(), True, "the goal probe: every level tells the goals apart, as in their test"),
     Option("out", place("path"), None, "file; not set is metrics_agent_seed_{n}.csv beside the episodes")),
    "gmexp langosco export run=outputs/quickstart/runs/<run id> shift=0 probe=true",
    "The marker is -1, unknown, on aligned levels: we do not log where else the intended goal would have been.")
IMPORT = Command(
    "langosco import", "their logs as counts for gmexp calibrate; all logs of a folder are one model",
    (Option("files", FILES, None, "folders of a model's logs, or logs", required=True),
     Option("diversity", DIVERSITIES, None, "share of training levels whose goals part; one, or one each",
            required=True),
     Option("shift", shift_type(), 3, "shift type that the test stands for"),
     Option("grade", number(0, 1), 1.0, "its grade"),
     Option("reference", FILES, None, "logs of reference agents: only good seeds are counted"),
     Option("out", place("path"), None, "counts as .csv or .parquet", required=True)),
    "gmexp langosco import files=[model_a,model_b] diversity=0.02 out=counts.csv",
    "A level whose goals part counts as distinguishing; the intended one often lies on the way: give a reference.")
FIGURE2 = Command(
    "langosco figure2", "objective and IID robustness failure against training diversity",
    (Option("study", place("path"), None, "one of our studies, instead of logs"),
     Option("test", FILES, None, "logs of levels whose goals all part, one per agent, or a folder of them"),
     Option("diversity", DIVERSITIES, None, "share of training levels whose goals part; one, or one each"),
     Option("iid", FILES, None, "the same agents' logs on levels like those of their training, in the same order"),
     Option("reference", FILES, None, "logs of agents trained, and played, where the goals are one"),
     Option("out", place("path"), None, "folder for figure2.json, .png and .svg; not set prints only")),
    "gmexp langosco figure2 study=outputs/quickstart out=outputs/figure2",
    "Good seeds are levels whose marker the reference agents touch in fewer than 10% of repeats.")

MAZE_II = Command(
    "langosco maze_ii", "how often the yellow gem comes before the red line: on all levels, and where the frame shows both",
    (Option("study", place("path"), None, "a study of env=maze_line_and_gem", required=True),
     Option("out", place("path"), None, "folder for maze_ii.json; not set prints only")),
    "gmexp langosco maze_ii study=outputs/langosco_maze_ii_paper",
    "In hard mode, frames have no pixel of the line in half of the levels: there, the gem is all that is to be seen.")


def main(args: Sequence[str]) -> int:
    """`gmexp langosco VERB key=value ...`"""
    verbs: dict[str, tuple[Command, Callable[[dict[str, Any]], int]]] = {
        "export": (EXPORT, export), "import": (IMPORT, import_), "figure2": (FIGURE2, figure2),
        "maze_ii": (MAZE_II, maze_ii)}
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
    name = f"metrics_agent_seed_{episodes['train_seed'][0]}.csv"
    print(logs.write_logs(Path(values["out"]) if values["out"] else folder / name, played))
    return 0


def import_(values: dict[str, Any]) -> int:
    import numpy as np

    from gmexp.langosco import logs

    out = Path(values["out"])
    if out.suffix not in (".csv", ".parquet"):
        raise UserError(f"out={out} must end in .csv or .parquet")
    folders = _folders(values["files"])
    _check_names(folders)
    models = _models(folders, values["diversity"], "files")
    references = [model.logs for model in _models(_folders(values["reference"]), [0.0], "reference")]
    good = logs.good_seeds(references) if references else None
    counts, seeds = [], Counter()
    for model in models:
        played = model.logs
        if good is not None:
            played = played.take(np.isin(played.seed, good))
            if not len(played.seed):
                raise UserError(f"{model.name} has no episode on a good seed")
        run_id = f"langosco-d{model.diversity:g}-{model.digest[:8]}"
        counts.append(logs.count(played, run_id, seeds[model.diversity], model.diversity, values["shift"], values["grade"],
                                 model.name))
        seeds[model.diversity] += 1  # in training it is unknown: models of a diversity are numbered
    if len({row.run_id for row in counts}) < len(counts):
        raise UserError("two of the folders hold the same logs: each is one model, and counts once")
    logs.write_counts(out, counts)
    for row in counts:
        print(f"{row.run_id}: {row.n_visible} episodes, {row.n_intended} intended, {row.n_proxy} proxy, {row.n_death} "
              f"death, {row.n_timeout} timeout, {row.n_ambiguous} ambiguous")
    print(out)
    return 0


def figure2(values: dict[str, Any]) -> int:
    from gmexp import artefacts
    from gmexp.langosco import figure2 as metrics

    if (values["study"] is None) == (values["test"] is None):
        raise UserError("give either study=<folder> or test=[logs] diversity=[...]")
    if values["study"]:
        tests, iids, references = metrics.study_logs(Path(values["study"]))
    else:
        if values["diversity"] is None:
            raise UserError("diversity is missing: one, or one each")
        folders, beside = _folders(values["test"]), _folders(values["iid"])
        if beside and len(beside) != len(folders):
            raise UserError(f"iid names {len(beside)} models where test names {len(folders)}")
        tests = [(model.diversity, model.logs) for model in _models(folders, values["diversity"], "test")]
        iids = [(diversity, model.logs) for (diversity, _), model in
                zip(tests, _models(beside, [0.0], "iid"), strict=False)]
        references = [model.logs for model in _models(_folders(values["reference"]), [0.0], "reference")]
    found = metrics.figure2(tests, iids, references)
    print(_table(found))
    if values["out"]:
        folder = Path(values["out"])
        origin = artefacts.provenance(None, values, "Figure 2 of Langosco et al. (2022)")
        print(artefacts.write_json(folder / "figure2.json", dataclasses.asdict(found), origin))
        for path in metrics.write(found, folder):
            print(path)
    return 0


def maze_ii(values: dict[str, Any]) -> int:
    from gmexp import artefacts
    from gmexp.langosco import maze_ii as metrics

    rows = metrics.preferences(Path(values["study"]))
    print(metrics.table(rows))
    if values["out"]:
        origin = artefacts.provenance(None, values, "gem or line, of the levels whose frame shows both")
        print(artefacts.write_json(Path(values["out"]) / "maze_ii.json", {"rows": artefacts.plain(rows)}, origin))
    return 0


class Model(NamedTuple):
    """A trained model's logs: all files of a folder, whose names say the seeds that it was evaluated with."""

    name: str
    diversity: float
    logs: Any
    digest: str  # of the files


def _folders(named: Sequence[str] | None) -> dict[Path, list[Path]]:
    """The named logs, and those of named folders, by the folder they are in: a model each."""
    folders: dict[Path, list[Path]] = {}
    for path in map(Path, named or ()):
        for file in _logs_in(path) if path.is_dir() else [path]:
            folders.setdefault(file.resolve().parent, []).append(file)
    return folders


def _models(folders: Mapping[Path, Sequence[Path]], diversities: Sequence[float], key: str) -> list[Model]:
    """The models of logs by folder, in order; `diversities` has one value, or one per model or per log."""
    from gmexp import artefacts
    from gmexp.langosco import logs

    count = sum(map(len, folders.values()))
    if folders and len(diversities) not in (1, len(folders), count):
        raise UserError(f"diversity names {len(diversities)} values for {count} logs of {len(folders)} models in {key}: "
                        "give one, or one each")
    position, found = 0, []
    for turn, (folder, files) in enumerate(folders.items()):
        of_each = diversities[position:position + len(files)] if len(diversities) == count else (
            diversities[turn:turn + 1] if len(diversities) > 1 else diversities)
        position += len(files)
        if len(set(of_each)) > 1:
            raise UserError(f"the logs in {folder} are of one model, trained at one diversity, not at "
                            f"{sorted(set(of_each))}")
        if len({file.resolve() for file in files}) < len(files):
            raise UserError(f"a log in {folder} is named twice")
        if len(files) > 1 and any(file.name == JOINED for file in files):
            raise UserError(f"{folder / JOINED} holds the episodes of the other logs in its folder again: name either")
        read = [logs.read_logs(file) for file in files]
        digest = hashlib.sha256(b"".join(sorted(map(artefacts.read_bytes, files)))).hexdigest()
        found.append(Model(folder.name if len(files) > 1 else files[0].name, of_each[0], logs.joined(read), digest))
    return found


def _check_names(folders: Mapping[Path, Sequence[Path]]) -> None:
    """UserError for files whose names are not those of the authors' logs."""
    for path in (path for files in folders.values() for path in files):
        if path.name != JOINED and not re.fullmatch(r"metrics_agent_seed_\d{1,18}", path.stem):
            raise UserError(f"{path.name} does not say its agent's seed: name it metrics_agent_seed_<n>.csv, or {JOINED} "
                            "for all seeds of a model")


def _logs_in(folder: Path) -> list[Path]:
    """The logs in a folder: those of single seeds, or else the one that joins them."""
    inside = sorted(folder.glob("metrics_agent_seed_*.csv")) or sorted(folder.glob("*.csv"))
    if not inside:
        raise UserError(f"{folder} holds no .csv")
    return inside


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
