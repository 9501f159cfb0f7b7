"""One process at a time, and honest words where that cannot be known."""

import errno
import os
import subprocess
import sys

import pytest

from gmexp.support.errors import UserError
from gmexp.support.locks import FILE, alone_in

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs flock")
HOLD = ("import sys\nfrom pathlib import Path\nfrom gmexp.support.locks import alone_in\n"
        "with alone_in(Path(sys.argv[1]), 'gmexp run'):\n    print('in', flush=True); sys.stdin.read()\n")


def test_a_second_one_is_refused_until_the_first_is_gone_however_it_ends(tmp_path):
    first = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                             text=True)
    assert first.stdout.readline() == "in\n"
    with pytest.raises(UserError, match="another gmexp run is working in"), alone_in(tmp_path, "gmexp run"):
        pass
    first.kill()
    first.wait()
    with alone_in(tmp_path, "gmexp run"):
        pass


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL, errno.EACCES, errno.EIO])
def test_a_file_system_without_locks_works_with_one_line_of_notice(tmp_path, monkeypatch, capsys, code):
    def refuse(*_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("fcntl.flock", refuse)
    with alone_in(tmp_path, "gmexp run"):
        worked = True
    err = capsys.readouterr().err
    assert worked and err.count("\n") == 1 and "no locks" in err and os.strerror(code) in err


def test_a_folder_that_cannot_be_written_to_is_one_line(tmp_path):
    (tmp_path / "file").write_text("in the way")
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / FILE).symlink_to(tmp_path / "file")
    for folder in (tmp_path / "file", tmp_path / "linked"):
        with pytest.raises(UserError, match="cannot write to"), alone_in(folder, "gmexp run"):
            pass
    assert (tmp_path / "file").read_text() == "in the way"
