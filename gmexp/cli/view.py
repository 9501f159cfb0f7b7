"""What --cfg, --info and --hydra-help show of a verb's configuration. Nothing is done, and nothing written."""

from __future__ import annotations

import argparse
import contextlib
import logging
import sys
from collections.abc import Iterator

from gmexp.cli.flags import Flags
from gmexp.cli.schema import schema
from gmexp.support import composition
from gmexp.support.conf import config_folder
from gmexp.support.errors import UserError

__all__ = ["hydra_help", "view"]


def view(verb: str, asked: Flags) -> int:
    """Answer --cfg, --info or --hydra-help."""
    if asked.hydra_help:
        return hydra_help()
    if asked.cfg is not None and asked.several:
        return _each_job(verb, asked)
    if asked.cfg is not None:
        print(composition.shown(verb, schema(verb), asked.overrides, asked.directories, asked.name, asked.cfg, asked.package,
                                asked.resolve), end="")
        return 0
    from hydra.types import RunMode

    with composition.plain_overrides(verb, schema(verb), asked.overrides, asked.directories) as overrides:
        with _of_hydra(verb) as hydra, _logging_restored():
            hydra.show_info(asked.info, asked.name or verb, overrides, RunMode.MULTIRUN if asked.several else RunMode.RUN)
    return 0


def _each_job(verb: str, asked: Flags) -> int:
    """What -m would do, a document of YAML for each job."""
    import dataclasses

    from omegaconf import OmegaConf

    from gmexp.cli import multirun

    if asked.cfg != "job" or asked.package:
        raise UserError("of a sweep, --cfg job shows the jobs; leave out -m to see more")
    print("---\n".join(OmegaConf.to_yaml(dataclasses.asdict(job.config)) for job in multirun.load(verb, asked)), end="")
    return 0


def hydra_help() -> int:
    """Hydra's own help."""
    from hydra._internal.utils import get_args_parser

    with _of_hydra("run") as hydra, _logging_restored():
        hydra.hydra_help(None, get_args_parser(), argparse.Namespace(overrides=[]))
    return 0


@contextlib.contextmanager
def _of_hydra(verb: str) -> Iterator:
    """Hydra's object for the folder of our configuration files."""
    from hydra import initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra

    with initialize_config_dir(str(config_folder()), version_base="1.3", job_name=f"gmexp-{verb}"):
        yield GlobalHydra.instance().hydra


@contextlib.contextmanager
def _logging_restored() -> Iterator[None]:
    """Hydra tells what it is asked through the root logger, at the level of debugging: put that back afterwards."""
    root = logging.getLogger()
    handlers, level, of_hydra = root.handlers[:], root.level, logging.getLogger("hydra").level
    logging.getLogger("hydra").setLevel(logging.NOTSET)
    try:
        yield
    finally:
        sys.stdout.flush()
        root.handlers[:] = handlers
        root.setLevel(level)
        logging.getLogger("hydra").setLevel(of_hydra)
