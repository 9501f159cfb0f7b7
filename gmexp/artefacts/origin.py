"""What makes an artefact traceable: the identity of its configuration, and where, when and by what it was made."""

from __future__ import annotations

import contextlib
import dataclasses
import enum
import functools
import hashlib
import importlib.metadata
import json
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

import gmexp
from gmexp.artefacts.records import Provenance

PACKAGES = ("numpy", "scipy", "numba", "torch", "gymnasium", "hydra-core")
SOURCES = ("gmexp", "envs", "conf", "scripts", "pyproject.toml")  # what makes a checkout dirty


def plain(value: Any) -> Any:
    """`value` in JSON's own types: dataclasses to objects, enums to values, paths to text, numpy to Python."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, enum.Enum):
        return plain(value.value)
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(v) for v in (sorted(value) if isinstance(value, set | frozenset) else value)]
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if value is None or isinstance(value, str | bool | int | float):
        return value
    raise TypeError(f"{type(value).__name__} has no place in JSON: {value!r}")


def config_hash(config: Mapping[str, Any] | Any) -> str:
    """First 12 hex digits of the sha256 of the canonical JSON: the identity of a resolved config."""
    canonical = json.dumps(plain(config), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()[:12]


def provenance(command: str | None, config: Mapping[str, Any] | Any, why: str,
               wall_s: float | None = None) -> Provenance:
    """What is needed to make an artefact again, collected now.

    `command` defaults to this process's own command line; `why` is the artefact's purpose in a sentence.
    """
    sha, dirty = _checkout()
    return Provenance(
        command=command or shlex.join([_program(Path(sys.argv[0])), *sys.argv[1:]]),
        created_utc=datetime.now(UTC).isoformat(timespec="seconds"),
        git_sha=sha,
        dirty=dirty,
        config_hash=config_hash(config),
        why=why,
        versions=_versions(),
        python=platform.python_version(),
        platform=platform.platform(),
        hardware=_hardware(),
        wall_s=wall_s,
    )


@functools.cache
def _checkout() -> tuple[str | None, bool | None]:
    """Commit and dirtiness of the code that is running; None for an installed copy, whatever checkout surrounds it."""
    root = Path(__file__).resolve().parents[2]

    def git(*arguments: str) -> str:
        return subprocess.run(("git", "-C", str(root), *arguments), capture_output=True, text=True, check=True,
                              timeout=20).stdout.strip()

    try:
        if Path(git("rev-parse", "--show-toplevel")).resolve() != root:
            return None, None
        return git("rev-parse", "HEAD"), bool(git("status", "--porcelain", "--", *SOURCES))
    except (OSError, subprocess.SubprocessError):
        return None, None


@functools.cache
def _versions() -> dict[str, str]:
    found = {"gmexp": gmexp.__version__}
    for package in PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[package] = importlib.metadata.version(package)
    return found


def _hardware() -> str:
    parts = [_cpu_model(), *_vectors(), f"{os.cpu_count()} cores"]
    with contextlib.suppress(ValueError, OSError, AttributeError):
        parts.append(f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB RAM")
    torch = sys.modules.get("torch")  # ask only if the caller uses it: importing torch here would cost a second
    if torch is not None and torch.cuda.is_available():
        parts.append(torch.cuda.get_device_name())
    return ", ".join(parts)


@functools.cache
def _cpu_model() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine() or "unknown CPU"


def _vectors() -> list[str]:
    """The widest vector instructions that numpy finds: what sums are added up in, so what their last bits depend on."""
    return np.show_config(mode="dicts").get("SIMD Extensions", {}).get("found", [])[-1:]


def _program(path: Path) -> str:
    """The program as one types it: `python -m gmexp` is gmexp."""
    return path.parent.name if path.name == "__main__.py" else path.name
