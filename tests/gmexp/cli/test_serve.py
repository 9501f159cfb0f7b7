"""`gmexp view`: a folder by itself or as `path=`."""

import pytest

from gmexp.cli.main import main


@pytest.mark.parametrize("arguments", [["nowhere"], ["path=nowhere"]])
def test_a_folder_that_is_no_study_is_one_line(arguments, capsys):
    assert main(["view", *arguments]) == 2
    assert "nowhere is no study and holds none" in capsys.readouterr().err


def test_without_a_folder_and_with_a_wrong_port_it_says_so(capsys):
    assert main(["view"]) == 2 and "path is missing" in capsys.readouterr().err
    assert main(["view", ".", "port=99999"]) == 2 and "port='99999'" in capsys.readouterr().err


@pytest.mark.slow
def test_it_ends_when_it_is_interrupted(study, monkeypatch, capsys):
    def interrupted(self):
        raise KeyboardInterrupt

    monkeypatch.setattr("http.server.ThreadingHTTPServer.serve_forever", interrupted)
    assert main(["view", str(study.root), "port=0"]) == 0
    assert "http://127.0.0.1:" in capsys.readouterr().out
