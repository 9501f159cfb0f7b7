"""Accidents discounted, over the runs of several studies: agents of known pursuit."""

import dataclasses

import pytest

from gmexp import artefacts
from gmexp.artefacts import tables
from gmexp.artefacts.study import Study
from gmexp.measures import attribution
from gmexp.measures.attribution import ArmEpisode
from gmexp.measures.pursuit import unpursued
from gmexp.statistics.design import condition_of_run
from gmexp_envs.coinrun.task import TASK

from ..fabricate import meta

LEVELS = 40


def arms(TASK, run_id: str, pursued: int, stumbled: int) -> list[ArmEpisode]:
    """An agent that always reaches a goal, stumbles on the first `stumbled` coins and pursues the next `pursued`."""
    def row(arm: str, level: int, coin: bool) -> ArmEpisode:
        return ArmEpisode(run_id, 3, "significant", 1.0, arm, level, True, 5 if coin else None, 9, None, 10)

    return [row(arm, level, level < stumbled + (pursued if arm == "moved" else 0)) for level in range(LEVELS)
            for arm in attribution.ARMS]


def study(root, runs: dict[str, tuple[float, int]]) -> Study:
    """A study of runs given as {id: (delta, coins pursued of the 20 that are not stumbled on)}."""
    found, metas = Study(root), []
    for seed, (run_id, (delta, pursued)) in enumerate(runs.items()):
        metas.append(dataclasses.replace(meta(run_id, delta, seed), config_hash=run_id))
        tables.write_table(found.run(run_id) / attribution.FILE, arms(TASK, run_id, pursued, LEVELS // 2), ArmEpisode)
    found.write_index("x", {}, metas, artefacts.provenance(None, {}, "a study of known pursuit"))
    return found


def test_runs_are_the_replicates_and_count_once(tmp_path):
    first = study(tmp_path / "a", {"r0": (0.0, 0), "r1": (0.0, 10), "r2": (0.3, 20)})
    second = study(tmp_path / "b", {"r1": (0.0, 10), "r3": (0.0, 5)})
    plain, diverse = (condition_of_run(run) for run in (first.runs()[0], first.runs()[2]))
    found = unpursued([first, second])
    assert set(found) == {(plain, 3), (diverse, 3)}
    assert sorted(found[plain, 3].runs) == pytest.approx([0.5, 0.75, 1.0])  # r1 is in both
    assert found[plain, 3].mean == pytest.approx(0.75)
    assert found[plain, 3].low < 0.75 < found[plain, 3].high
    assert found[diverse, 3].mean == pytest.approx(0.0)


def test_what_was_not_measured_has_no_entry(tmp_path):
    bare = study(tmp_path / "a", {"r0": (0.0, 0)})
    (bare.run("r0") / attribution.FILE).unlink()
    assert unpursued([bare]) == unpursued([]) == {}
