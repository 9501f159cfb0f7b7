"""Packages that only some verbs need, and how they are installed."""

from __future__ import annotations

import importlib.util

from gmexp.support.errors import UserError

__all__ = ["missing_package", "require"]

PACKAGES = {  # what is imported: what pip installs
    "wandb": "wandb", "ray": "'ray>=2.40'", "submitit": "submitit", "stable_baselines3": "stable-baselines3",
    "procgen": "procgen-mirror", "gym3": "procgen-mirror", "procgen_gym": "procgen-gym",
    "imageio_ffmpeg": "imageio-ffmpeg", "torch": "torch", "numba": "numba", "gymnasium": "gymnasium",
    "hydra": "hydra-core", "omegaconf": "hydra-core", "pyarrow": "pyarrow", "matplotlib": "matplotlib", "PIL": "pillow",
    "sklearn": "scikit-learn", "scipy": "scipy", "pymc": "pymc", "envpool": "envpool", "jax": "jax",
}


def missing_package(module: str | None) -> str | None:
    """What to say where a module of one of these packages cannot be imported; None for any other module."""
    package = (module or "").partition(".")[0]
    return f"this needs the package {package}: pip install {PACKAGES[package]}" if package in PACKAGES else None


def require(module: str, what: str) -> None:
    """UserError unless a package is installed; `what` needs it."""
    if importlib.util.find_spec(module) is None:
        raise UserError(f"{what} needs the package {module}: pip install {PACKAGES.get(module, module)}")
