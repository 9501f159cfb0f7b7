"""`gmexp view`: the command; what it serves is `pages.server`'s."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gmexp.cli.options import Command, Option, place, whole

__all__ = ["main"]

COMMAND = Command(
    "view", "results in your browser, with live curves while a study runs",
    (Option("path", place("path"), None, "a study's folder, or a folder of studies; `path=` may be left out", required=True),
     Option("port", whole(0, 65535), 8642, "of 127.0.0.1; 0 takes a free one")),
    "gmexp view results/",
    "Nothing is written, and nobody but this machine can look. Ctrl-C ends it. /live shows the curves of runs that train.")


def main(args: Sequence[str]) -> int:
    """`gmexp view FOLDER [port=...]`: serve until interrupted."""
    values = COMMAND.parse([arg if "=" in arg or arg.startswith("-") else f"path={arg}" for arg in args])
    if values is None:
        return 0
    from gmexp.pages.server import Site, serve

    server = serve(Site(Path(values["path"])), values["port"])
    address = f"http://{server.server_address[0]}:{server.server_port}/"
    print(f"{address}\n{address}live   curves while runs train\nCtrl-C ends this", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass
    finally:
        server.server_close()
    return 0
