"""Whole files or none, without the dependencies of `gmexp.artefacts`: a calibration must load without pyarrow."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

__all__ = ["write_bytes", "write_json"]


def write_bytes(path: Path, data: bytes) -> Path:
    """Replace `path` in one step, or leave it as it was."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return path


def write_json(path: Path, document: Any) -> Path:
    """`document` as JSON; NaN and infinity are refused."""
    return write_bytes(path, (json.dumps(document, indent=1, allow_nan=False) + "\n").encode())
