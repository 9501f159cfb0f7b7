"""A run's log: sessions append, whole lines, what stderr hears as well, and nothing stops for want of one."""

import sys

from gmexp.training import runlog


def test_sessions_append_lines_with_their_time_and_process(tmp_path):
    path = tmp_path / "runs" / "a.log"
    runlog.note(path, "trains")
    runlog.note(path, "failed: because\nTraceback")
    stamped = [line.split(maxsplit=3) for line in path.read_text().splitlines()]
    assert [words[3] for words in stamped] == ["trains", "failed: because", "Traceback"]
    assert all(words[0].endswith("Z") and int(words[2]) > 0 for words in stamped)


def test_what_stderr_hears_is_in_the_log_too(tmp_path, capsys):
    path = tmp_path / "a.log"
    before = sys.stderr
    with runlog.heard(path):
        print("half", end=" ", file=sys.stderr)
        print("a line", file=sys.stderr)
    assert sys.stderr is before and "half a line" in capsys.readouterr().err
    assert path.read_text().endswith(" half a line\n") and path.read_text().count("\n") == 1


def test_a_log_that_cannot_be_written_stops_nothing(tmp_path):
    (tmp_path / "runs").write_text("in the way")
    runlog.note(tmp_path / "runs" / "a.log", "trains")
    assert (tmp_path / "runs").read_text() == "in the way"
