"""Control groups of both versions limit cores and memory."""

import math

import pytest

from gmexp.support import limits

GIB = 2**30


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine of 64 cores and 100 GiB whose groups a test writes -> what writes a file of them."""
    monkeypatch.setattr(limits, "GROUPS", tmp_path / "cgroup")
    monkeypatch.setattr(limits, "MEMBERSHIP", tmp_path / "self")
    monkeypatch.setattr(limits, "MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(limits.os, "sched_getaffinity", lambda _: range(64), raising=False)
    (tmp_path / "meminfo").write_text(f"MemTotal: 1 kB\nMemAvailable: {100 * GIB // 1024} kB\n")

    def write(name: str, text: str) -> None:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"{text}\n")
    return write


def found() -> tuple[int, float]:
    return limits.available_cores(), limits.available_memory() / GIB


def test_without_groups_the_machine_counts(machine):
    assert found() == (64, 100)


def test_version_2_and_the_groups_around(machine):
    machine("self", "0::/job/step")
    machine("cgroup/job/step/cpu.max", "max 100000")
    machine("cgroup/job/cpu.max", "250000 100000")
    machine("cgroup/job/step/memory.max", "max")
    machine("cgroup/job/memory.max", str(8 * GIB))
    machine("cgroup/job/memory.current", str(6 * GIB))
    machine("cgroup/job/memory.stat", f"anon {GIB}\ninactive_file {4 * GIB}")
    assert found() == (2, 6)


def test_version_1_seen_from_inside_and_outside(machine):
    machine("self", "4:memory:/docker/a\n3:cpu,cpuacct:/docker/a")
    machine("cgroup/memory/docker/a/memory.limit_in_bytes", str(3 * GIB))
    machine("cgroup/memory/docker/a/memory.usage_in_bytes", str(GIB))
    machine("cgroup/memory/memory.limit_in_bytes", "9223372036854771712")
    machine("cgroup/memory/memory.usage_in_bytes", "1")
    machine("cgroup/cpu,cpuacct/cpu.cfs_quota_us", "50000")  # as a container sees its own group
    machine("cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000")
    assert found() == (1, 2)
    machine("cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1")
    assert found() == (64, 2)


@pytest.mark.parametrize("text", ["", "x", "0 0", "100000", "-1 100000", "nan nan"])
def test_what_cannot_be_read_limits_nothing(machine, text):
    machine("self", "0::/\nnonsense")
    machine("cgroup/cpu.max", text)
    machine("cgroup/memory.max", text)
    machine("cgroup/memory.current", "1")
    assert found()[0] == 64 and math.isfinite(found()[1])
