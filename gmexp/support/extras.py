"""Packages that only some verbs need, and how they are installed."""

from __future__ import annotations

import importlib.util

from gmexp.support.errors import UserError

__all__ = ["installed", "missing_package", "require"]

BASE = ""
PACKAGES = {  # what is imported: what pip installs, and the extra of this package that brings it
    "hydra": ("hydra-core", BASE), "omegaconf": ("hydra-core", BASE), "backports": ("backports.zstd", BASE),
    "matplotlib": ("matplotlib", BASE), "PIL": ("pillow", BASE), "scipy": ("scipy", BASE),
    "numba": ("numba", "envs"), "gymnasium": ("gymnasium", "envs"),
    "torch": ("torch", "train"), "jaxtyping": ("jaxtyping", "train"), "sklearn": ("scikit-learn", "train"),
    "procgen": ("procgen-mirror", "procgen"), "gym3": ("procgen-mirror", "procgen"),
    "procgen_gym": ("procgen-gym", "procgen"),
    "tensorboard": ("tensorboard", "tensorboard"), "trackio": ("trackio", "trackio"),
    "wandb": ("wandb", "wandb"), "ray": ("'ray>=2.40'", "sweep"), "submitit": ("submitit", "sweep"),
    "stable_baselines3": ("stable-baselines3", "sb3"), "av": ("av", "video"),
    "pymc": ("pymc", BASE), "envpool": ("envpool", BASE), "jax": ("jax", BASE),
}


def missing_package(module: str | None) -> str | None:
    """What to say where a module of one of these packages cannot be imported; None for any other module."""
    package = (module or "").partition(".")[0]
    return f"this needs {_named(package)}" if package in PACKAGES else None


def installed(module: str) -> bool:
    """Whether a package is there to be imported."""
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # from a finder that says so
        return False


def require(module: str, what: str) -> None:
    """UserError unless a package is installed; `what` needs it."""
    if not installed(module):
        raise UserError(f"{what} needs {_named(module)}")


def _named(module: str) -> str:
    package, extra = PACKAGES.get(module, (module, BASE))
    return f"the package {module}: pip install {package}" + (f" (of the extra {extra})" if extra else "")
