"""One writer: nothing of others is touched, links are followed, pairs are replaced together, whatever happens."""

import errno
import hashlib
import os
import signal
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gmexp import artefacts
from gmexp.artefacts import writer
from gmexp.support.errors import UserError

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs links, locks and signals")
OURS = ".a.txt.0123456789abcdef.gmexp.tmp"
OF_OTHERS = (".a.txt.0123456789ab.tmp", ".x.tmp", ".a.txt.swp", "a.txt.0123456789abcdef.gmexp.tmp",
             ".a.txt.0123456789abcdeg.gmexp.tmp", ".b.txt.0123456789abcdef.gmexp.tmp.gz", ".~lock.a.txt#")
HOLD = ("import sys, time\nfrom gmexp import artefacts\nwith artefacts.atomic(sys.argv[1]) as file:\n"
        "    file.write(b'half'); file.flush(); print('writing', flush=True); sys.stdin.read()\n")


def holder(path: Path) -> subprocess.Popen:
    """A process in the middle of writing a file, until its input ends."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               text=True)
    assert process.stdout.readline() == "writing\n"
    return process


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_nothing_of_others_is_removed(tmp_path):
    for name in OF_OTHERS:
        (tmp_path / name).write_text("another program's")
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / OURS).write_text("left")
    (tmp_path / "elsewhere").symlink_to(tmp_path.parent)
    beyond = tmp_path.parent / OURS
    beyond.write_text("beyond a link")
    artefacts.remove_temporaries(tmp_path)
    assert names(tmp_path) == {*OF_OTHERS, "deeper", "elsewhere"} and not names(tmp_path / "deeper")
    assert beyond.read_text() == "beyond a link"
    beyond.unlink()


@pytest.mark.slow
def test_a_living_writers_file_stays_and_a_killed_ones_goes(tmp_path):
    living, killed = holder(tmp_path / "a.txt"), holder(tmp_path / "b.txt")
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    artefacts.remove_temporaries(tmp_path)
    assert len(names(tmp_path)) == 1
    artefacts.write_text(tmp_path / "a.txt", "meanwhile")  # by another process: neither stops the other
    living.communicate("")
    assert living.returncode == 0 and (tmp_path / "a.txt").read_text() == "half" and names(tmp_path) == {"a.txt"}


def test_the_next_writer_of_a_file_removes_what_a_killed_one_left(tmp_path):
    for name in (OURS, OURS.replace("a.txt", "b.txt")):
        (tmp_path / name).write_text("left")
    artefacts.write_text(tmp_path / "a.txt", "new")
    assert names(tmp_path) == {"a.txt", OURS.replace("a.txt", "b.txt")}


def test_without_locks_only_old_left_overs_go(tmp_path, monkeypatch):
    monkeypatch.setattr(writer.fcntl, "flock", lambda *_: (_ for _ in ()).throw(OSError(errno.ENOSYS, "no locks here")))
    (tmp_path / OURS).write_text("somebody may be at it")
    (tmp_path / OURS.replace("a.txt", "b.txt")).write_text("left")
    os.utime(tmp_path / OURS.replace("a.txt", "b.txt"), (0, 0))
    artefacts.remove_temporaries(tmp_path)
    artefacts.write_text(tmp_path / "c.txt", "new")
    assert names(tmp_path) == {OURS, "c.txt"}


def test_links_are_followed(tmp_path):
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "a.txt").write_text("old")
    (tmp_path / "a.txt").symlink_to(Path("far") / "a.txt")
    (tmp_path / "b.txt").symlink_to(tmp_path / "far" / "b.txt")  # leads nowhere yet
    for name in ("a.txt", "b.txt"):
        artefacts.write_text(tmp_path / name, "new")
        assert (tmp_path / name).is_symlink() and (tmp_path / "far" / name).read_text() == "new"
    assert names(tmp_path / "far") == {"a.txt", "b.txt"}


def test_what_is_no_file_is_refused(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for path, word in ((tmp_path / "fifo", "FIFO"), (tmp_path / "folder", "folder"), (Path("/dev/null"), "device"),
                       (tmp_path / "loop", "symbolic links"), (tmp_path / "a\0b", "null")):
        with pytest.raises(UserError, match=word) as error:
            artefacts.write_text(path, "new")
        assert "\n" not in str(error.value) and "cannot write" in str(error.value)
    assert stat.S_ISFIFO(os.stat(tmp_path / "fifo").st_mode) and stat.S_ISCHR(os.stat("/dev/null").st_mode)
    assert names(tmp_path) == {"fifo", "folder", "loop"}


def test_names_as_long_as_there_are(tmp_path):
    name = "ü" * 120 + ".json"
    artefacts.write_text(tmp_path / name, "new")
    assert names(tmp_path) == {name}


def test_a_file_that_would_say_the_same_is_left_alone(tmp_path):
    path = artefacts.write_text(tmp_path / "a.txt", "same")
    os.utime(path, (1, 1))
    artefacts.write_text(path, "same")
    assert path.stat().st_mtime == 1
    artefacts.write_text(path, "diff")
    assert path.stat().st_mtime != 1


# --- pairs ------------------------------------------------------------------------------------------------------------

def write(folder: Path, content: bytes) -> None:
    artefacts.write_pair(folder / "a.json", hashlib.sha256(content).hexdigest().encode(), folder / "a.npz", content)


def read(folder: Path) -> bytes:
    sha256 = (folder / "a.json").read_text()
    content = artefacts.settled_companion(folder / "a.npz", sha256).read_bytes()
    assert hashlib.sha256(content).hexdigest() == sha256
    return content


@pytest.mark.parametrize("fatal", range(3))
@pytest.mark.parametrize("kind", ["replace", "fsync"])
def test_a_pair_is_the_old_one_or_the_new_one_wherever_its_writer_dies(tmp_path, monkeypatch, fatal, kind):
    """The writer is gone at its n-th rename or flush, without any cleaning up."""
    write(tmp_path, b"old")
    program = (f"import os, sys\nsys.path[:0] = {sys.path!r}\nfrom pathlib import Path\n"
               f"from tests.gmexp.artefacts.test_writer import write\ngenuine, left = os.{kind}, [{fatal}]\n"
               "def mortal(*a):\n    left[0] -= 1\n    os._exit(9) if left[0] < 0 else None\n    return genuine(*a)\n"
               f"os.{kind} = mortal\nwrite(Path(sys.argv[1]), b'new')\n")
    killed = subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False)
    assert killed.returncode == 9
    content = read(tmp_path)
    assert content == (b"old" if (fatal, kind) < (2, "replace") and not (kind == "fsync" and fatal > 2) else b"new")
    assert read(tmp_path) == content
    write(tmp_path, b"newer")
    artefacts.remove_temporaries(tmp_path)
    assert read(tmp_path) == b"newer" and names(tmp_path) == {"a.json", "a.npz"}


@pytest.mark.parametrize("fatal", [1, 3])
def test_a_full_disk_leaves_the_old_pair(tmp_path, monkeypatch, fatal):
    write(tmp_path, b"old")
    genuine, calls = os.fsync, []

    def full(descriptor):
        calls.append(descriptor)
        if len(calls) == fatal:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return genuine(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(UserError, match="a.*No space left on device"):
            write(tmp_path, b"new")
    assert read(tmp_path) == b"old" and names(tmp_path) == {"a.json", "a.npz"}


def test_two_writers_of_a_pair_leave_one_of_their_pairs(tmp_path):
    write(tmp_path, b"old")
    contents = [bytes([k]) * 1000 for k in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda content: write(tmp_path, content), contents))
    assert read(tmp_path) in contents
    assert names(tmp_path) == {"a.json", "a.npz"}
