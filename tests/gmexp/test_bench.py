"""The benchmark runs, says what it measured, and what it could not; how fast anything is, is not tested."""

import json

import pytest

from envs.procgen import binary as procgen
from gmexp import bench
from gmexp.artefacts import read_json
from gmexp.benchmarks import engine
from gmexp.benchmarks.contestants import CONTESTANTS, Contestant, Unavailable
from gmexp.errors import UserError

TINY = ["num_envs=[2,4]", "rounds=2", "seconds=0.001"]
needs_procgen = pytest.mark.skipif(not procgen.installed(), reason="procgen is not installed: nothing to compare with")


@needs_procgen
@pytest.mark.parametrize("mode", ["easy", "hard"])
def test_a_tiny_benchmark(mode, tmp_path, capsys):
    assert bench.main(["engine", *TINY, f"mode={mode}", f"out={tmp_path}", "format=json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report == read_json(tmp_path / f"engine-{mode}.json")
    assert {"command", "hardware", "versions", "created_utc"} <= report["provenance"].keys()
    present = [c["name"] for c in report["contestants"] if c["missing"] is None]
    assert [c["name"] for c in report["contestants"]] == list(CONTESTANTS)
    assert {"procgen", "semantic", "pixels"} <= set(present)
    assert {(m["contestant"], m["num_envs"]) for m in report["measurements"]} == {(c, n) for c in present for n in (2, 4)}
    for m in report["measurements"]:
        assert len(m["rounds"]) == 2
        for r in m["rounds"]:
            assert r["steps"] > 0 and r["steps"] % m["num_envs"] == 0
        for key in ("steps_per_cpu_second", "steps_per_second"):
            assert 0 < m[key]["low"] <= m[key]["median"] <= m[key]["high"]
    for ratios in (report["ratios"], report["ratios_per_second"]):
        assert {"semantic_vs_procgen", "pixels_vs_procgen"} <= ratios.keys()
        assert "procgen_vs_procgen" not in ratios and min(ratios.values()) > 0
    for suffix, head in (("png", b"\x89PNG"), ("svg", b"<?xml")):
        assert (tmp_path / f"engine-{mode}.{suffix}").read_bytes().startswith(head)


@needs_procgen
def test_who_is_missing_is_named(tmp_path, capsys, monkeypatch):
    def absent(num_envs, settings):
        raise Unavailable("not installed")

    monkeypatch.setitem(engine.CONTESTANTS, "envpool", Contestant("EnvPool", ("envpool",), absent))
    assert bench.main(["engine", *TINY, f"out={tmp_path}"]) == 0
    out = capsys.readouterr().out
    assert "EnvPool               not installed" in out and "envpool_vs_procgen" not in out
    assert "semantic_vs_procgen" in out


@pytest.mark.parametrize("args", [[], ["num_envs=8"], ["engine", "num_envs=[]"], ["engine", "num_envs=[0]"],
                                  ["engine", "rounds=0"], ["engine", "seconds=0"], ["engine", "mode=extreme"],
                                  ["engine", "treads=2"]])
def test_mistakes_are_one_line(args):
    with pytest.raises(UserError) as caught:
        bench.main(args)
    assert "\n" not in str(caught.value)


def test_without_procgen(monkeypatch):
    def missing():
        raise procgen.ProcgenUnavailable("procgen is not installed: pip install ...")

    monkeypatch.setattr(procgen, "package_folder", missing)
    with pytest.raises(UserError, match="not installed"):
        bench.main(["engine"])
