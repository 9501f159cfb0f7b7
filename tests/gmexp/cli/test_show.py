"""`gmexp show` writes pictures, the same each time; bad input is one line."""

import dataclasses
import io

import pytest
from PIL import Image

from gmexp import artefacts
from gmexp.cli.config import load
from gmexp.cli.main import main


@pytest.mark.slow
@pytest.mark.parametrize("arguments, name", [(["shift=3"], "shift-3"), (["factor=context"], "factor-context"),
                                             (["shift=all", "cell=4"], "shift-all")])
def test_show_writes_the_same_picture_each_time(arguments, name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    pictures = []
    for _ in range(2):
        assert main(["show", "levels=1", "grades=[0,1]", *arguments]) == 0
        pictures.append((tmp_path / "outputs" / "show" / f"{name}.png").read_bytes())
    assert pictures[0] == pictures[1]
    with Image.open(io.BytesIO(pictures[0])) as picture:
        assert picture.width > 300 and picture.height > 200


@pytest.mark.slow
def test_a_study_is_shown_on_its_own_training_distribution(study, capsys):
    assert main(["show", "shift=all", f"study={study.root}"]) == 2
    assert "does not say what its agents were trained on" in capsys.readouterr().err
    index = study.read_index()
    index["config"] = {"env": dataclasses.asdict(load("train", ["env.mode=hard"]).env), "seeds": [7],
                       "evaluation": {"episodes": 20}}
    artefacts.write_json(study.index, index)
    assert main(["show", "shift=all", f"study={study.root}", "levels=1", "grades=1", "cell=4"]) == 0
    assert (study.figures / "shifts.png").is_file()


@pytest.mark.parametrize("arguments, expected", [
    ([], "give either shift="), (["shift=1", "factor=context"], "give either shift="), (["shift=5"], "shift"),
    (["factor=weather"], "appearance, context"), (["shift=1", "grades=[2]"], "from 0 to 1"),
    (["shift=1", "study=/nowhere"], "give shift=all"), (["shift=all", "study=/nowhere"], "/nowhere"),
])
def test_bad_input_is_one_line(arguments, expected, capsys):
    assert main(["show", *arguments]) == 2
    out, err = capsys.readouterr()
    assert err.count("\n") == 1 and expected in err and not out
