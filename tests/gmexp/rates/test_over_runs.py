"""Counts are exact, rates follow from them, and the intervals know what a replicate is."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gmexp import artefacts
from gmexp.artefacts import tables
from gmexp.artefacts.records import Episode, OutcomeCounts
from gmexp.artefacts.study import Study
from gmexp.rates import over_runs
from gmexp.rates.counting import MASKED
from gmexp.rates.definitions import DEFINITIONS
from gmexp.statistics.simulate import synthetic_counts
from gmexp.support.errors import UserError

from ..fabricate import HORIZON, SHIFTS, Truth, episodes, fabricate, meta, stack

RUN = meta("d0-s0", 0.0, 0)


# --- counting ---------------------------------------------------------------------------------------------------------

steps = st.none() | st.integers(1, HORIZON)


@st.composite
def logs(draw) -> list[Episode]:
    """Random event logs, several cells at once, equally many episodes per slot."""
    found = []
    cells = draw(st.sets(st.tuples(st.integers(0, 4), st.booleans(), st.sampled_from(["visible", "masked"])), min_size=1,
                         max_size=5))
    for shift, probe, arm in cells:
        for slot in range(draw(st.integers(1, 3))):
            for index in range(2):
                found.append(Episode(
                    experiment_id=RUN.experiment_id, run_id=RUN.run_id, train_seed=0, eval_seed=7, env="coinrun",
                    shift_type=shift, shift_name=SHIFTS[shift], grade=float(shift > 0), probe=probe, arm=arm, slot=slot,
                    index=index,
                    level_seed=draw(st.integers(0, 99)), distinguishing=draw(st.booleans()), aligned=draw(st.booleans()),
                    facts=(3, 1, 9, 1, 2, 0), intended_step=draw(steps),
                    proxy_step=draw(steps), death_step=draw(steps), length=HORIZON, truncated=draw(st.booleans()),
                    episode_return=0.0))  # fmt: skip
    return draw(st.permutations(found))


def slow_counts(log: list[Episode]) -> dict:
    """The definition again, one episode at a time, in words rather than arrays."""
    counts = {}
    for e in log:
        if e.arm != "visible":
            continue
        cell = counts.setdefault((e.shift_type, e.probe), dict.fromkeys(
            ("n_visible", "n_intended", "n_proxy", "n_timeout", "n_death", "n_ambiguous", "n_distinguishing"), 0))
        cell["n_visible"] += 1
        cell["n_distinguishing"] += e.distinguishing
        if e.intended_step is None and e.proxy_step is None:
            cell["n_timeout" if e.death_step is None else "n_death"] += 1
        elif not e.distinguishing:
            cell["n_ambiguous"] += 1
        elif e.proxy_step is None or (e.intended_step is not None and e.intended_step <= e.proxy_step):
            cell["n_intended"] += 1
        else:
            cell["n_proxy"] += 1
    for place, cell in counts.items():
        masked = [e for e in log if e.arm == "masked" and (e.shift_type, e.probe) == place]
        known = [e for e in masked if e.distinguishing and (e.intended_step or e.proxy_step)]
        first = [(e.intended_step or HORIZON + 1) <= (e.proxy_step or HORIZON + 1) for e in known]
        cell |= {"n_masked": sum(e.distinguishing for e in masked), "masked_intended": sum(first),
                 "masked_proxy": len(first) - sum(first)} if masked else dict.fromkeys(MASKED)
    return counts


@pytest.mark.slow
@given(logs())
@settings(max_examples=80, deadline=None)
def test_counts_agree_with_counting_by_hand(log):
    counts = over_runs.count_outcomes(tables.as_table(log, Episode), RUN)
    expected = slow_counts(log)
    assert {(row.shift_type, row.probe) for row in counts} == set(expected)
    for row in counts:
        assert {name: getattr(row, name) for name in expected[row.shift_type, row.probe]} == \
            expected[row.shift_type, row.probe]
        in_distribution = expected.get((0, False))
        solved = in_distribution and sum(in_distribution[f"n_{k}"] for k in ("intended", "proxy", "ambiguous"))
        assert row.id_capability == (solved / in_distribution["n_visible"] if in_distribution else None)


@pytest.mark.slow
@given(logs())
@settings(max_examples=40, deadline=None)
def test_the_primary_definition_is_the_one_counted(log):
    table = tables.as_table(log, Episode)
    tallied = over_runs.tally(table)
    for row in over_runs.count_outcomes(table, RUN):
        cell = tallied[row.shift_type, row.shift_name, row.grade, row.probe]
        assert cell["first_event"] == (row.reached, row.n_visible, row.n_proxy, row.capable)
        assert cell["timeouts_excluded"] == (row.reached, row.n_visible - row.n_timeout, row.n_proxy, row.capable)
        for capable, played, failed, committed in cell.values():
            assert capable <= played <= row.n_visible and failed <= committed <= row.n_visible
        late = [cell[name] for name in ("timeouts_as_intended", "timeouts_as_proxy")]
        assert late[0][2] <= cell["first_event"][2] <= late[1][2] and late[0][3] == late[1][3]


def one_episode(**changes) -> dict:
    table = episodes(RUN, np.random.default_rng(0), 3, 1.0, 1.0, 1.0, slots=2, per_slot=3)
    return table | changes


@pytest.mark.parametrize(("changes", "message"), [
    ({"run_id": "another"}, "carry run_id = 'another'"),
    ({"train_seed": 5}, "carry train_seed = 5"),
    ({"index": np.zeros(6, int)}, "occur twice"),
    ({"slot": np.array([0, 0, 0, 0, 1, 1]), "index": np.array([0, 1, 2, 3, 0, 1])}, "equally many per slot"),
    ({"intended_step": HORIZON + 1, "length": HORIZON}, "intended_step lies outside"),
    ({"proxy_step": 0}, "proxy_step lies outside"),
])  # fmt: skip
def test_logs_that_would_mislead_are_refused(changes, message):
    with pytest.raises(UserError, match=message) as error:
        over_runs.count_outcomes(tables.as_table(one_episode(**changes), Episode), RUN)
    assert "\n" not in str(error.value)


def test_extreme_agents_get_extreme_rates():
    rng = np.random.default_rng(0)
    for proxy in (0.0, 1.0):
        (row,) = over_runs.count_outcomes(tables.as_table(episodes(RUN, rng, 3, 1.0, proxy, 1.0), Episode), RUN)
        assert row.first_event_failure == row.realised == proxy and row.reached == row.n_visible
        assert row.id_capability is None and row.goal_failure is None and row.capability is None  # nobody played blind


def test_an_empty_log_has_no_rows():
    assert over_runs.count_outcomes(tables.as_table([], Episode), RUN) == []


# --- rates across runs ------------------------------------------------------------------------------------------------

def cell(cells, condition, shift, probe=False):
    (found,) = (c for c in cells if (c.condition, c.shift_type, c.probe) == (condition, shift, probe))
    return found


@pytest.mark.slow
def test_the_stage_recovers_the_truth(finished):
    found = over_runs.read_rates(finished.rates)
    counts = tables.read_records(finished.counts, OutcomeCounts)
    assert len(counts) == 8 * 6 and len(found.cells) == 2 * 6
    for delta, failing in Truth().goal_failure.items():
        rate = cell(found.cells, f"delta={delta:g}", 3).goal_failure
        assert rate.mean == pytest.approx(np.mean(failing), abs=0.05)
        assert rate.low < np.mean(failing) < rate.high
        mine = [c for c in counts if c.shift_type == 3 and c.train_diversity == delta]
        assert rate.mean == pytest.approx(np.mean([c.first_event_failure for c in mine]))
        assert [run.rate for run in rate.runs] == [c.first_event_failure for c in sorted(mine, key=lambda c: c.run_id)]
    assert cell(found.cells, "delta=0", 0).goal_failure.mean is None
    assert cell(found.cells, "delta=0", 1).goal_failure.mean is None
    assert cell(found.cells, "delta=0", 1, probe=True).goal_failure.mean > 0.7


@pytest.mark.slow
def test_contrasts_are_against_the_first_condition(finished):
    found = over_runs.read_rates(finished.rates)
    (contrast,) = (c for c in found.contrasts if (c.metric, c.shift_type, c.probe) == ("goal_failure", 3, False))
    assert (contrast.condition, contrast.baseline) == ("delta=0.3", "delta=0")
    assert contrast.difference == pytest.approx(-0.75, abs=0.06) and contrast.high < -0.1
    assert not any(c.condition == c.baseline for c in found.contrasts)


def test_conditions_are_compared_within_their_environment():
    """With the first counted of its lowest training diversity, whatever their labels sort like."""
    counts = [dataclasses.replace(row, run_id=f"{env}-{quality}-{row.run_id}", spec_quality=quality, env=env)
              for env in ("maze", "coinrun") for quality in (1.0, 0.2)
              for row in synthetic_counts(diversities=(0.0,), runs=3, shifts=(3,), seed=int(10 * quality) + len(env))]
    labels = {row.run_id: f"env={row.env}, delta=0, quality={row.spec_quality:g}" for row in counts}
    found = over_runs.rates_of(counts, labels).contrasts
    assert {(each.condition, each.baseline) for each in found} == {
        (f"env={env}, delta=0, quality=0.2", f"env={env}, delta=0, quality=1") for env in ("maze", "coinrun")}


def test_only_runs_that_pass_the_threshold_are_above_it(tmp_path):
    truth = Truth({0.0: [0.95, 0.30, 0.95]}, {0.0: [1.0, 0.0, 1.0]})
    study = fabricate(tmp_path, truth)
    over_runs.build(study.root, threshold=0.8)
    found = over_runs.read_rates(study.rates)
    assert cell(found.cells, "delta=0", 3).n_runs == 3
    assert [run.run_id for run in cell(found.above_threshold, "delta=0", 3).capability.runs] == ["d0-s0", "d0-s2"]
    assert cell(found.above_threshold, "delta=0", 3).goal_failure.mean == 1.0


@pytest.mark.slow
def test_all_or_nothing_runs_stay_uncertain(tmp_path):
    """Four runs, two of which always fail: 800 episodes, but four facts."""
    truth = Truth({0.0: [1.0] * 4}, {0.0: [0.0, 1.0, 0.0, 1.0]})
    study = fabricate(tmp_path, truth)
    over_runs.build(study.root)
    rate = cell(over_runs.read_rates(study.rates).cells, "delta=0", 3).goal_failure
    assert rate.mean == 0.5 and rate.high - rate.low > 0.6


@pytest.mark.slow
def test_the_same_seed_gives_the_same_file(study):
    first = over_runs.read_rates(study.rates)
    over_runs.build(study.root)
    assert over_runs.read_rates(study.rates) == first
    over_runs.build(study.root, seed=1)
    other = over_runs.read_rates(study.rates)
    assert other != first
    assert [c.capability.low for c in other.cells] == [c.capability.low for c in first.cells]


def test_the_order_of_rows_changes_nothing(finished):
    counts = tables.read_records(finished.counts, OutcomeCounts)
    turned = list(np.random.default_rng(3).permutation(np.array(counts, object)))
    labels = over_runs.condition_labels(Study(finished.root).runs())
    found, again = (over_runs.summarise(rows, labels, np.random.default_rng(0)) for rows in (counts, turned))
    assert found == again


def test_evaluation_seeds_of_a_run_are_added_up():
    rng = np.random.default_rng(0)
    parts = [episodes(RUN, rng, 3, 0.9, 0.5, 1.0) | {"eval_seed": seed} for seed in (1, 2)]
    counts = over_runs.count_outcomes(tables.as_table(stack(parts), Episode), RUN)
    assert [row.eval_seed for row in counts] == [1, 2]
    (summary,) = over_runs.summarise(counts, {RUN.run_id: "delta=0"}, rng)
    assert summary.n_runs == 1 and summary.n_episodes == 400 == summary.capability.runs[0].n


def test_every_definition_is_compared(finished):
    found = over_runs.read_rates(finished.rates).definitions
    mine = {row.definition: row for row in found
            if (row.condition, row.shift_type, row.probe) == ("delta=0", 3, False)}
    assert list(mine) == list(DEFINITIONS)
    primary = cell(over_runs.read_rates(finished.rates).cells, "delta=0", 3)
    assert mine["first_event"].goal_failure == (primary.goal_failure.mean, primary.goal_failure.low,
                                                primary.goal_failure.high)
    assert mine["langosco"].goal_failure[0] == pytest.approx(primary.joint_failure.mean)
    assert mine["timeouts_as_intended"].goal_failure[0] < mine["first_event"].goal_failure[0]


# --- bad input and display --------------------------------------------------------------------------------------------

def test_a_missing_log_is_one_line(study):
    study.episodes("d0-s1").unlink()
    with pytest.raises(UserError, match="d0-s1/episodes.parquet: No such file") as error:
        over_runs.build(study.root)
    assert "\n" not in str(error.value)


def test_a_truncated_log_leaves_the_old_counts(study):
    before = study.counts.read_bytes(), study.rates.read_bytes()
    path = study.episodes("d0-s1")
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(UserError, match="episodes.parquet is damaged"):
        over_runs.build(study.root)
    assert (study.counts.read_bytes(), study.rates.read_bytes()) == before


def test_a_threshold_outside_its_range_is_refused(study):
    with pytest.raises(UserError, match=r"within \[0, 1\]"):
        over_runs.build(study.root, threshold=80)


def test_a_study_without_an_index_is_one_line(tmp_path):
    with pytest.raises(UserError, match="study.json: No such file"):
        over_runs.build(tmp_path)


def test_an_index_with_a_broken_run_is_one_line(study):
    index = study.read_index()
    del index["runs"][2]["env"]
    artefacts.write_json(study.index, index)
    with pytest.raises(UserError, match="run 2 lacks env"):
        Study(study.root).runs()


def test_two_runs_of_one_seed_are_no_replicates(study):
    index = study.read_index()
    index["runs"][1]["train_seed"] = index["runs"][0]["train_seed"]
    artefacts.write_json(study.index, index)
    with pytest.raises(UserError, match="runs d0-s0 and d0-s1 have the same condition"):
        over_runs.build(study.root)


def test_rates_of_another_version_are_refused(study):
    content = artefacts.read_json(study.rates)
    del content["cells"][0]["capability"]["low"]
    artefacts.write_json(study.rates, content)
    with pytest.raises(UserError, match="not a rates file of this version"):
        over_runs.read_rates(study.rates)


def test_labels_name_what_differs():
    plain = [RUN, meta("d0.3-s0", 0.3, 0)]
    assert over_runs.condition_labels(plain) == {"d0-s0": "delta=0", "d0.3-s0": "delta=0.3"}
    vague = dataclasses.replace(RUN, run_id="v", spec_quality=0.5)
    assert over_runs.condition_labels([RUN, vague]) == {"d0-s0": "delta=0, quality=1", "v": "delta=0, quality=0.5"}


def test_the_table_lines_up(finished):
    text = over_runs.table(over_runs.read_rates(finished.rates).cells)
    head, rule, *rows = text.splitlines()
    assert head.split() == ["condition", "shift", "runs", "episodes", "capability", "goal", "failure", "joint"]
    assert len(rows) == 12 and all(len(row) <= len(rule) for row in rows)
    assert rows[0].startswith("delta=0 ") and rows[1].startswith(" ") and rows[6].startswith("delta=0.3")
    column = head.index("capability")
    assert all(row[column:column + 2] in ("0.", "1.") for row in rows)
