"""Figure 2 of Langosco et al. (2022): objective and IID robustness failure, from their logs or from our episodes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import matplotlib.figure
import numpy as np

from gmexp import artefacts
from gmexp.artefacts import tables
from gmexp.artefacts.condition import condition_labels
from gmexp.artefacts.records import Episode
from gmexp.artefacts.study import Study
from gmexp.artefacts.table import Table
from gmexp.figures import marks, style
from gmexp.figures.data import StudyData
from gmexp.figures.figure import Figure, Section
from gmexp.figures.style import COLUMN, GREY, OKABE_ITO, canvas, entry, legend, shares
from gmexp.langosco.logs import Logs, UNKNOWN, good_seeds, logs_of_cell
from gmexp.rates.definitions import in_arm
from gmexp.rates.intervals import Mean, mean_of_shares
from gmexp.support.errors import UserError
from gmexp_envs.outcome import NEVER

FILE = "figure2.json"
SERIES = {"objective_robustness_failure": (OKABE_ITO[0], "objective robustness failure"),
          "iid_robustness_failure": (OKABE_ITO[1], "IID robustness failure")}


@dataclass(frozen=True, slots=True)
class Point:
    """One training diversity: failures on good seeds, and on all."""

    diversity: float
    objective_robustness_failure: Mean | None
    iid_robustness_failure: Mean | None
    objective_robustness_failure_all_seeds: Mean
    iid_robustness_failure_all_seeds: Mean


@dataclass(frozen=True, slots=True)
class Figure2:
    """Their Figure 2: a point per training diversity, and the reference agents' line; None without a reference."""

    points: tuple[Point, ...]
    most_possible: Mean | None  # coins that reference agents collect on good seeds, the grey line
    n_seeds: int  # level seeds of the test
    n_good_seeds: int | None


def objective_failure(logs: Logs) -> tuple[int, int] | None:
    """(touched the marker, episodes) with the coin at random; deaths count among the episodes. None if unknown."""
    return _fraction(logs.inv_coin_collected)


def iid_failure(logs: Logs) -> tuple[int, int] | None:
    """(did not collect the coin, episodes) on levels like those of training. None if unknown."""
    return _fraction(np.where(logs.coin_collected == UNKNOWN, UNKNOWN, 1 - logs.coin_collected))


def coin_collected(logs: Logs) -> tuple[int, int] | None:
    """(collected the coin, episodes), whatever else was touched: the authors' grey line. None if unknown."""
    return _fraction(logs.coin_collected)


def _fraction(flags: np.ndarray) -> tuple[int, int] | None:
    return None if (flags == UNKNOWN).any() else (int(flags.sum()), len(flags))


def _share(fractions: Sequence[tuple[int, int] | None]) -> Mean:
    """Across runs. A run of which something is unknown makes the mean unknown; one without episodes is left out."""
    known = mean_of_shares(*np.array([fraction or (0, 0) for fraction in fractions], np.int64).reshape(-1, 2).T)
    return Mean(None, None, None, known.runs) if None in fractions else known


def figure2(tests: Sequence[tuple[float, Logs]], iids: Sequence[tuple[float, Logs]] = (),
            references: Sequence[Logs] = ()) -> Figure2:
    """Their Figure 2.

    Arguments:
        tests: (training diversity, log) of each agent, all coins at random.
        iids: the same agents on levels like those of their training.
        references: logs of agents that want the end, coin at the end and marker at the random place (theirs were
            trained without random coins). Without any it is unknown which seeds are good.

    Like the authors' script it restricts all three rates to good seeds; those over all seeds stand beside them.
    """
    for diversity, log in tests:
        if (log.rand_coin != 1).any():
            raise UserError(f"a test log at diversity {diversity:g} has the coin at the end in row "
                            f"{np.flatnonzero(log.rand_coin != 1)[0] + 1}: the test places every coin at random")
    good = good_seeds(references) if references else None

    def on_good(log: Logs) -> Logs:
        return log.take(np.isin(log.seed, good))

    points = []
    for diversity in sorted({d for d, _ in tests} | {d for d, _ in iids}):
        test, iid = ([log for d, log in logs if d == diversity] for logs in (tests, iids))
        points.append(Point(
            diversity,
            None if good is None else _share([objective_failure(on_good(log)) for log in test]),
            None if good is None else _share([iid_failure(on_good(log)) for log in iid]),
            _share([objective_failure(log) for log in test]), _share([iid_failure(log) for log in iid])))
    seeds = np.unique(np.concatenate([log.seed for _, log in tests])) if tests else np.array([], np.int64)
    line = _share([coin_collected(on_good(log)) for log in references]) if references else None
    return Figure2(tuple(points), line, len(seeds), None if good is None else int(np.isin(seeds, good).sum()))


def study_logs(root: Path) -> tuple[list[tuple[float, Logs]], list[tuple[float, Logs]], list[Logs]]:
    """(tests, in-distribution logs, references) of one of our studies, for `figure2`.

    The test is the goal probe of shift 0: training's own levels, but with every coin away from the end. References are
    the runs of the lowest training diversity on the same levels, with an invisible marker at the probe's coin: the arm
    `masked` of causal attribution in distribution. Runs without that measure give none. Other than in Langosco et al.'s
    logs no coin is to be seen at the end either; reaching the end counts as collecting it there.
    """
    from gmexp.measures import attribution

    study = Study(root)
    runs = study.runs()
    tests, iids, references = [], [], []
    for run in runs:
        episodes = in_arm(tables.read_table(study.episodes(run.run_id), Episode))
        test, iid = (logs_of_cell(episodes, 0, 0.0, probe) for probe in (True, False))
        tests.append((run.train_diversity, test))
        iids.append((run.train_diversity, iid))
        arms = study.run(run.run_id) / attribution.MEASURE.file
        if run.train_diversity == min(run.train_diversity for run in runs) and arms.is_file():
            references.append(reference_logs(tables.read_table(arms, attribution.ArmEpisode)))
    return tests, iids, [log for log in references if len(log.seed)]


def reference_logs(arms: Table) -> Logs:
    """A run's levels with the invisible marker, from its attribution under shift 0; empty where it was not measured."""
    rows = arms.filter((arms["shift_type"].values == 0) & (arms["arm"].values == "masked"))
    marker, end, death = (rows[f"{name}_step"].fill_null(NEVER) for name in ("intended", "proxy", "death"))
    reached = end != NEVER
    died = ~reached & (death != NEVER)
    length = rows["length"].values
    flags = (np.zeros(len(end)), reached, marker < end, died, ~reached & ~died)
    return Logs(rows["level_seed"].values, np.where(reached, end, length), *(f.astype(np.int64) for f in flags))


# --- a study's own artefact and figure --------------------------------------------------------------------------------

def prepare(study: Study) -> None:
    """Write figure2.json of a study of CoinRun that varies training diversity, and nothing else, at three levels or more;
    it needs the goal probe of shift 0."""
    labels = set(condition_labels(study.runs()).values())
    if len(labels) < 3 or None in map(style.delta, labels):
        return
    try:
        content = figure2(*study_logs(study.root))
    except UserError:  # another environment, or the probe was not played
        return
    origin = artefacts.provenance(None, {"study": study.index.name}, "Figure 2 of Langosco et al. (2022)")
    artefacts.write_json(study.root / FILE, dataclasses.asdict(content), origin)


def draw_study(data: StudyData) -> matplotlib.figure.Figure | None:
    """The figure from a study's figure2.json, None where there is none."""
    content = data.record(FILE, Figure2)
    if content is None:
        return None
    diversities = {point.diversity for point in content.points}
    return draw(content, {diversity: [run.run_id for run in data.runs if run.train_diversity == diversity]
                          for diversity in diversities})


def write(found: Figure2, folder: Path) -> list[Path]:
    """Write figure2.png and figure2.svg."""
    with matplotlib.rc_context(style.STYLE):
        return [artefacts.write_bytes(folder / f"figure2.{suffix}", content)
                for suffix, content in style.render(draw(found)).items()]


def draw(found: Figure2, run_ids: Mapping[float, Sequence[str]] | None = None) -> matplotlib.figure.Figure:
    """Failure against training diversity in even steps: runs as dots, their mean and interval; the reference as a line.

    On good seeds, or on all where it is unknown which are good. `run_ids` are those of each diversity, where they are known.
    """
    known_runs = run_ids or {}
    good = found.n_good_seeds is not None
    figure, ((axis,),) = canvas(COLUMN, 2.7, 1)
    for order, (name, (colour, _)) in enumerate(SERIES.items()):
        known = {}
        for x, point in enumerate(found.points):
            share = getattr(point, name if good else f"{name}_all_seeds")
            if share.mean is not None:
                known[x + 0.25 * marks.dodge(order, len(SERIES))] = share, known_runs.get(point.diversity, ())
        axis.plot(list(known), [share.mean for share, _ in known.values()], "--", color=colour, linewidth=1)
        for x, (share, ids) in known.items():
            marks.run_dots(axis, x, share, colour, ids, width=0.05)
    handles = [entry(colour, label) for colour, label in SERIES.values()]
    if found.most_possible is not None and found.most_possible.mean is not None:
        axis.axhline(found.most_possible.mean, color=GREY, linestyle="--", linewidth=1)
        handles.append(entry(GREY, "most possible (reference agents)", marker=""))
    shares(axis, "On good seeds" if good else "On all seeds")
    axis.set_xticks(range(len(found.points)), [f"{100 * point.diversity:g}%" for point in found.points])
    axis.set_xlim(-0.5, len(found.points) - 0.5)
    axis.set_xlabel("training levels with a random coin")
    legend(figure, handles, columns=1)
    return figure


FIGURE = Figure(
    "figure2",
    "Figure 2 of Langosco et al. (2022) from our runs: blue, the marker at the end touched with every coin moved (of "
    "all episodes, deaths included); orange, no coin in distribution. Good seeds are levels on which agents of the "
    "lowest diversity do not touch an invisible marker at the coin's other place; the grey line is how often they "
    "then reach the end.",
    Section.RESULT, draw_study, rank=20, narrow=True, runs=True, prepare=prepare)
