"""Results served to this machine's own browser: pages made in memory from what is there, films, curves while a study runs.

Nothing is written. Only the loopback address is listened on, and only requests that name it are answered, so that no page
of the web can read results through the browser.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

from gmexp.artefacts.study import Study
from gmexp.figures.data import StudyData
from gmexp.pages import index_page, live, study_page
from gmexp.pages.clips import KINDS
from gmexp.support.errors import UserError

__all__ = ["Answer", "Site", "serve"]

HOST = "127.0.0.1"
FILMS = {**KINDS, ".jpg": "image/jpeg"}
POLICY = ("default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src 'self' data:; "
          "media-src 'self' data:; connect-src 'self'")
FILM = re.compile(r"(?:([\w.-]+)/)?runs/([\w.+-]+)/episodes/([\w.-]+)")
RANGE = re.compile(r"bytes=(\d+)-(\d*)")


class Answer(NamedTuple):
    """What is sent: its media type and bytes."""

    kind: str
    content: bytes


class Site:
    """The pages of a study's folder, or of a folder of studies. UserError where it is neither."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self.alone = Study(self.root).index.exists() or (self.root / "runs").is_dir()
        if not self.alone and not self.studies():
            raise UserError(f"{root} is no study and holds none: a study is a folder with runs, which `gmexp run` makes")
        self._made: dict[str, tuple[Any, Answer]] = {}
        self._making = threading.Lock()

    def studies(self) -> list[Path]:
        """The folders of its studies, finished or not."""
        return [self.root] if self.alone else sorted(path.parent for path in self.root.glob("*/runs") if path.is_dir())

    def answer(self, path: str) -> Answer | None:
        """What stands at an address without its leading slash; None where nothing does."""
        folder, _, last = path.rpartition("/")
        if last == "live.json":
            return Answer("application/json", live.curves([place] if (place := self._study(folder)) else self.studies()))
        if path == "live":
            return _html(live.page())
        if last in ("", "report.html"):
            return self._page(folder)
        film = FILM.fullmatch(path)
        place = None if film is None else self._study(film[1] or "")
        if place is None or ".." in path:
            return None
        file = Study(place).clips(film[2]) / film[3]
        return Answer(FILMS[file.suffix], file.read_bytes()) if file.suffix in FILMS and file.is_file() else None

    def _study(self, name: str) -> Path | None:
        """The folder of a study of this site by its name; the site's own without one."""
        if not name or self.alone:
            return self.root if self.alone and not name else None
        return next((path for path in self.studies() if path.name == name), None)

    def _page(self, name: str) -> Answer | None:
        """The page of a study, or without a name that of the site; of one that is not evaluated yet, its curves."""
        if not name and not self.alone:
            return self._of_all()
        folder = self._study(name)
        if folder is None:
            return None
        study = Study(folder)
        if not study.rates.exists() or not study.index.exists():
            return _html(live.page())
        return self._kept(name, [study.rates, study.index, study.calibration, study.figures], lambda: study_page.page(
            StudyData(study)))

    def _of_all(self) -> Answer:
        """The page over all studies that are evaluated; before there is one, the curves."""
        studies, pooled = index_page.found_studies(self.root), StudyData(self.root / index_page.POOLED)
        if not studies:
            return _html(live.page())
        sources = [*(study.rates for study in studies), pooled.study.calibration]
        return self._kept("", sources, lambda: index_page.page(self.root, list(map(StudyData, studies)), pooled))

    def _kept(self, name: str, sources: Sequence[Path], make: Callable[[], str]) -> Answer:
        """A page, made anew where one of its sources has changed."""
        with self._making:  # matplotlib's settings are the process's
            state = [path.stat().st_mtime_ns if path.exists() else None for path in sources]
            if self._made.get(name, (None, None))[0] != state:
                self._made[name] = state, _html(make())
            return self._made[name][1]


def _html(text: str) -> Answer:
    return Answer("text/html; charset=utf-8", text.encode())


def _plain(text: str) -> Answer:
    return Answer("text/plain; charset=utf-8", f"{text}\n".encode())


def serve(site: Site, port: int) -> ThreadingHTTPServer:
    """A server of the site, listening on the loopback address; port 0 takes a free one. UserError where it is taken."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if self.headers.get("Host", "").rpartition(":")[0] not in (HOST, "localhost"):
                return self._send(HTTPStatus.FORBIDDEN, _plain("only this machine's own browser is answered"))
            try:
                found = site.answer(self.path.partition("?")[0].lstrip("/"))
            except UserError as error:
                return self._send(HTTPStatus.INTERNAL_SERVER_ERROR, _plain(str(error)))
            if found is None:
                return self._send(HTTPStatus.NOT_FOUND, _plain("there is nothing here"))
            return self._part(found)

        do_HEAD = do_GET

        def _part(self, found: Answer) -> None:
            """All of it, or the part that a player asks for."""
            asked, size = RANGE.fullmatch(self.headers.get("Range", "")), len(found.content)
            if asked is None:
                return self._send(HTTPStatus.OK, found)
            first, last = int(asked[1]), min(int(asked[2] or size - 1), size - 1)
            if first > last:
                return self._send(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, Answer(found.kind, b""), f"bytes */{size}")
            part = Answer(found.kind, found.content[first:last + 1])
            return self._send(HTTPStatus.PARTIAL_CONTENT, part, f"bytes {first}-{last}/{size}")

        def _send(self, status: HTTPStatus, answer: Answer, part: str | None = None) -> None:
            self.send_response(status)
            headers = {"Content-Type": answer.kind, "Content-Length": str(len(answer.content)), "Accept-Ranges": "bytes",
                       "Cache-Control": "no-cache", "Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff"}
            for name, value in (headers | ({} if part is None else {"Content-Range": part})).items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer.content)

        def log_message(self, *_: Any) -> None:
            """Requests are not worth a line."""

    try:
        server = ThreadingHTTPServer((HOST, port), Handler)
    except OSError as error:
        raise UserError(f"port {port} cannot be listened on ({error.strerror}): give another port=..., or port=0 for any "
                        "free one") from error
    server.daemon_threads = True
    return server
