"""The statistics' commands: output for people and machines, one line for garbage."""

import json

import pytest

from gmexp.cli.calculator import estimate
from gmexp.cli.statistics import check, meta, plan, predict, sensitivity
from gmexp.support.errors import UserError


@pytest.fixture(scope="module")
def path(calibration, tmp_path_factory):
    return str(calibration.save(tmp_path_factory.mktemp("cal") / "calibration.json"))


def test_meta(capsys, tmp_path):
    assert meta(["y=-0.89,-1.59,-1.35", "v=0.33,0.19,0.42", "format=json"]) == 0
    assert json.loads(capsys.readouterr().out)["k"] == 3
    (tmp_path / "two.csv").write_text("y,v\n0.1,0.2\n0.3,0.1\n")
    assert meta([f"file={tmp_path / 'two.csv'}", "format=json"]) == 0
    assert json.loads(capsys.readouterr().out)["next_low"] is None  # two studies have no prediction interval
    assert meta(["y=1,2,3", "v=1,1,1", "method=DL", "hksj=true"]) == 0
    assert "DL, HKSJ" in capsys.readouterr().out


@pytest.mark.parametrize("args, fragment", [
    ([], "give file="), (["y=1,2"], "give file="), (["y=1,x", "v=1,1"], "not a list of numbers"),
    (["y=1,2", "v=1,-1"], "study 2"), (["file=/nowhere.csv"], "cannot read"), (["y=1,2", "v=1,1", "method=ML"], "REML"),
])
def test_meta_errors(args, fragment):
    with pytest.raises(UserError) as caught:
        meta(args)
    assert fragment in str(caught.value) and "\n" not in str(caught.value)


def test_meta_names_the_bad_row(tmp_path):
    (tmp_path / "bad.csv").write_text("y,v\n0.1,0.2\n0.3,huge\n")
    with pytest.raises(UserError, match="row 2, column v: 'huge'"):
        meta([f"file={tmp_path / 'bad.csv'}"])


def test_predict(capsys, path, calibration):
    assert predict(["shift=4", "diversity=0", f"calibration={path}"]) == 0
    assert "goal_failure" in capsys.readouterr().out
    assert predict(["shift=4", "diversity=0", f"calibration={path}", "kind=next_run", "episodes=100",
                    "format=json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert 0 <= document["counts"]["q025"] <= document["counts"]["q975"] <= 100
    assert document["counts"]["mean"] == pytest.approx(100 * document["rates"][3]["mean"], abs=2)
    assert document["kind"] == "next_run" and document["environments"] == 1 and document["warnings"]
    with pytest.raises(UserError, match="kind=next_run"):
        predict(["shift=4", f"calibration={path}", "episodes=10"])
    with pytest.raises(UserError, match="did you mean shift"):
        predict(["shit=4"])


@pytest.mark.parametrize("harm", ["0", "1", "assumed", "printed"])
def test_estimate_from_a_calibration(capsys, path, harm):
    args = ["shift=4", "diversity=0", "spec_quality=0.2", "mode=calibrated", f"calibration={path}", f"harm={harm}"]
    assert estimate([*args, "format=json"]) == 0
    document = json.loads(capsys.readouterr().out)
    by_name = {c["name"]: c for c in document["contributions"]}
    assert (by_name["M_div"]["source"], by_name["M_spec"]["source"]) == ("measured", "prior")
    assert document["value"] == pytest.approx(sum(c["effect"] for c in document["contributions"]))
    assert by_name["M_div"]["multiplier"] == pytest.approx(1)  # no diversity at all: the reference
    assert (document["kind"], document["environments"]) == ("next_environment", 1)
    assert set(document["intervals"]) == {"capability", "goal_failure", "latent", "realised", "harmful"}
    assert document["interval_kind"].startswith("95% credible, next_environment") and document["warnings"]


def test_estimate_shows_its_curves(capsys, path):
    assert estimate(["shift=3", "mode=calibrated", f"calibration={path}", "curves=true", "format=json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert len(document["transport_curve"]) == 5 and len(document["discount_curve"]) == 8
    assert estimate(["shift=3", "mode=calibrated", f"calibration={path}", "env=env0", "kind=next_run"]) == 0
    assert "next_run, 1 environment" in capsys.readouterr().out
    with pytest.raises(UserError, match="needs mode=calibrated"):
        estimate(["shift=3", "curves=true"])


@pytest.mark.slow
def test_plan_and_sensitivity(capsys, path):
    assert plan(["shift=4", "diversity=0", f"calibration={path}", "simulations=4", "top=3", "format=json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert len(rows) == 3 and rows[0]["expected_width"] <= rows[1]["expected_width"]
    assert sensitivity(["shift=4", "n=128", "format=json"]) == 0
    assert {"tornado", "sobol"} == set(json.loads(capsys.readouterr().out))
    assert sensitivity(["shift=4", "mode=calibrated", f"calibration={path}"]) == 0
    assert "harm" in capsys.readouterr().out


def test_check_coverage_writes_its_output(capsys, tmp_path, monkeypatch):
    out = tmp_path / "checks" / "coverage.json"

    def coverage(world, sets, seed, bar, kept):
        kept.mkdir(parents=True)  # fits that are done, until all are
        assert kept.parent == out.parent
        return {"check": "coverage", "sets": sets, "runs": world.runs}

    monkeypatch.setattr("gmexp.statistics.checks.coverage.coverage", coverage)
    assert check(["coverage", "sets=8", "runs=two_point", f"out={out}", "format=json"]) == 0
    assert json.loads(out.read_text()) == json.loads(capsys.readouterr().out) == {
        "command": f"gmexp check coverage sets=8 runs=two_point out={out} format=json",
        "check": "coverage", "sets": 8, "runs": "two_point"}
    assert [p.name for p in out.parent.iterdir()] == ["coverage.json"]


def test_meta_with_clusters_and_influence(capsys, tmp_path):
    (tmp_path / "c.csv").write_text("y,v,env\n0.1,0.2,a\n0.3,0.1,a\n1.0,0.1,b\n1.2,0.2,b\n0.5,0.1,c\n")
    assert meta([f"file={tmp_path / 'c.csv'}", "cluster=env", "format=json"]) == 0
    assert json.loads(capsys.readouterr().out)["clusters"] == 3
    assert meta([f"file={tmp_path / 'c.csv'}", "influence=true", "format=json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["influence"]) == 5
    with pytest.raises(UserError, match="column 'game'"):
        meta([f"file={tmp_path / 'c.csv'}", "cluster=game"])


@pytest.mark.parametrize("args, fragment", [
    ([], "say which"), (["sets=20"], "say which"), (["covrage"], "did you mean coverage"), (["loo"], "counts=PATH"),
    (["loo", "counts=/nowhere.csv"], "no counts at"), (["coverage", "runs=x"], "one of beta"),
    (["sbc", "sets=0"], ">= 1"),
])
def test_check_errors(args, fragment):
    with pytest.raises(UserError) as caught:
        check(args)
    assert fragment in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("command, args", [(meta, ["--help"]), (predict, ["help"]), (check, ["--help"]),
                                           (check, ["sbc", "--help"]), (plan, ["-h"]), (sensitivity, ["--help"])])
def test_help_ends_with_an_example(command, args, capsys):
    assert command(args) == 0
    assert "example: gmexp" in capsys.readouterr().out
