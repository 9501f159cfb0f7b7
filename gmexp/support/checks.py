"""Checks that several stages' configurations share; each raises a ValueError that names the key."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from gmexp.support.errors import first_line
from gmexp_envs import BACKENDS

SEED_LIMIT = 2**63  # seeds are stored as 64-bit integers

_elsewhere = False


@contextlib.contextmanager
def elsewhere() -> Iterator[None]:
    """Within, a device need not be here: what is planned may run on another machine."""
    global _elsewhere
    before, _elsewhere = _elsewhere, True
    try:
        yield
    finally:
        _elsewhere = before


def check_seed(key: str, seed: int) -> None:
    if not 0 <= seed < SEED_LIMIT:
        raise ValueError(f"{key} = {seed} is not within 0..{SEED_LIMIT - 1}")


def check_session(checkpoint_seconds: float, device: str) -> None:
    if not checkpoint_seconds >= 0:  # also refuses NaN
        raise ValueError(f"checkpoint_seconds = {checkpoint_seconds} must not be negative")
    check_device(device)


def check_threads(threads: int) -> None:
    if threads < 1:
        raise ValueError(f"threads = {threads} must be at least 1")


def check_backend(backend: str) -> None:
    if backend not in BACKENDS:
        raise ValueError(f"backend = {backend!r}: choose one of {', '.join(BACKENDS)}")


def check_device(device: str) -> None:
    """Refuse a device that torch does not know or this machine does not have (`elsewhere`: need not have); there is always
    a CPU."""
    if device == "cpu":
        return
    import torch

    try:
        torch.device(device)
        if not _elsewhere:
            torch.zeros(1, device=device).item()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ValueError(f"device = {device!r} cannot be used here: {first_line(error)}") from error
