"""A whole small study of mitigations: trained, played, measured, drawn; the same command does nothing twice."""

import json
import shutil

import pytest

from gmexp.artefacts import tables
from gmexp.artefacts.study import Study
from gmexp.cli.main import main
from gmexp.figures.data import StudyData
from gmexp.mitigations import stage
from gmexp.mitigations.play import PlayedCounts
from gmexp.pages import mirror
from gmexp.rates import mitigated

from ..tiny import AGENT, ITERATION, SAMPLER

CONDITIONS = ("{env.diversity: 0.03}", "{env.diversity: 0.03, mitigation: robust_plr, mitigation.hold: 1}",
              "{env.diversity: 0.03, mitigation: robust_plr, mitigation.hold: 1, mitigation.score: uniform}")


@pytest.mark.slow
def test_a_study_of_mitigations(tmp_path):
    command = [
        "run", "experiment=quickstart", *AGENT, *SAMPLER, f"steps={2 * ITERATION}", f"out={tmp_path}", "workers=1",
        f"conditions=[{', '.join(CONDITIONS)}]", "seeds=[0,1,2]", "env.horizon=100", "measures=[]",
        "evaluation.shifts=[0,3]", "evaluation.probes=[]", "evaluation.episodes=20", "evaluation.slots=20",
        "evaluation.clips=0", "mitigations.played=[{name: ensemble, members: 3}, {name: shield}]",
        "mitigations.scores=[max_probability]",
        "mitigations.probed=20", "mitigations.probe=true", "mitigations.levels=20", "mitigations.accepted=0.1"]
    assert main(command) == 0
    study = Study(tmp_path)
    found = mitigated.read(study.mitigations)
    methods = {row.method for row in found.rows}
    assert methods >= {"robust_plr", "ensemble", "shield", "trusted_monitoring", "gradual_deployment"}
    (plr,) = (row for row in found.rows if row.method == "robust_plr" and row.shift_type == 3)
    assert plr.pairs == 3 and plr.control is not None and plr.price.wall_clock > 0
    assert plr.realised is not None and plr.control_realised is not None
    (shield,) = (row for row in found.rows if row.method == "shield" and row.shift_type == 3)
    assert shield.latent is None and shield.price.helped is not None and shield.declared
    assert {trace.method for trace in found.traces} >= {"shield", "gradual_deployment"}
    assert StudyData(study).mitigations == found and (study.figures / "mitigations.svg").is_file()
    assert "mitigations" in json.loads(study.index.read_text())["config"]
    rows = [row for row in tables.read_records(study.mitigated, PlayedCounts) if row.shift_type == 3]
    assert {row.method for row in rows} == {"ensemble", "shield"} and len({row.run_id for row in rows}) == 3
    own = [mirror.mitigated_run(row) for row in rows if row.method == "shield" and row.run_id == rows[0].run_id]
    assert len({row["setting"] for row in own}) == 2  # the shield, and its negative control
    assert all(0 <= row["helped"] <= 1 and 0 <= row["usefulness"] <= 1 for row in own)
    played = {path: path.stat().st_mtime_ns for path in study.root.rglob("*.parquet")}
    assert main(command) == 0
    assert {path: path.stat().st_mtime_ns for path in study.root.rglob("*.parquet")} == played
    assert stage.measured(study) == found
    for run in study.runs():  # as it is committed
        for name in stage.PLAYED:
            path = study.run(run.run_id) / name
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    assert stage.measured(study) == found
