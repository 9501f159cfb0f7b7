"""`gmexp mitigations`: printing never writes."""

import json
from pathlib import Path

import pytest

from gmexp.cli.mitigations import main
from gmexp.rates import mitigated
from gmexp.support.errors import UserError

STUDY = Path(__file__).parents[3] / "results" / "quickstart"


def test_printed_or_written(capsys, tmp_path):
    assert main([f"studies=[{STUDY}]", "format=json"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert {row["pairs"] for row in rows} == {5} and not list(tmp_path.iterdir())
    assert main([f"studies=[{STUDY}]", f"out={tmp_path / 'm.json'}"]) == 0
    assert "delta 0 to 0.3" in capsys.readouterr().out
    assert len(mitigated.read(tmp_path / "m.json").rows) == len(rows)
    assert main([f"studies=[{STUDY}]", "accepted=0.1", "declared=true", "format=json"]) == 0
    deployed = [row for row in json.loads(capsys.readouterr().out)["rows"] if row["method"] == "gradual_deployment"]
    assert {row["edition"] for row in deployed} == {"both arms"} and all(row["latent"] is None for row in deployed)
    (third,) = (row for row in deployed if row["declared"] and row["shift_type"] == 3)
    assert third["realised"]["relative"][1] > 0.8  # agents of delta 0 are stopped early
    with pytest.raises(UserError, match="counts.parquet"):
        main([f"studies=[{tmp_path}]"])
