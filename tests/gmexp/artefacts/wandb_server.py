"""A W&B server for tests: as much of its GraphQL and file stream as `wandb sync` and online runs need, and its bad days.

`with Server() as server` takes what is sent; `Server("refuses")` answers 403, `Server("slow")` never answers in time,
`Server("dies")` closes every connection, `Server("dies after 3")` does so after three requests.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

PATIENCE = 30.0  # seconds that a slow server keeps its clients waiting


class Server:
    """A server on a free port of this machine."""

    def __init__(self, mood: str = "well") -> None:
        self.mood, self.requests = mood, []
        self.operations: list[str] = []  # names of GraphQL's, in order
        self.runs: dict[str, dict[str, Any]] = {}  # by id: what was said of it
        self.streamed: dict[str, list[str]] = {}  # lines of files, by name
        self.summaries: dict[str, dict[str, Any]] = {}  # by run
        self.uploaded: list[str] = []
        self._over = threading.Event()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._http.daemon_threads = True
        self._http.handle_error = lambda *_: None  # type: ignore[method-assign]  # clients that hang up are expected
        self._thread = threading.Thread(target=self._http.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}"

    @property
    def summary(self) -> dict[str, Any]:
        """The last summary that was streamed."""
        lines = self.streamed.get("wandb-summary.json", [])
        return json.loads(lines[-1]) if lines else {}

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._http.shutdown()
        self._http.server_close()

    # --- what it answers ----------------------------------------------------------------------------------------------

    def unwell(self) -> str | None:
        """What is wrong with the server now."""
        if self.mood.startswith("dies after") and len(self.requests) <= int(self.mood.split()[-1]):
            return None
        if self.mood == "slow":
            self._over.wait(PATIENCE)
        return None if self.mood == "well" else self.mood.split()[0]

    def graphql(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        match = re.search(r"(?:query|mutation)\s+(\w+)", query)
        name = match[1] if match else ""
        self.operations.append(name)
        if name == "UpsertBucket":
            return {"upsertBucket": {"bucket": self._bucket(variables), "inserted": True}}
        if name == "Viewer":
            return {"viewer": {"id": "me", "entity": "us", "username": "us", "email": "us@example.org", "admin": False,
                               "flags": "{}", "teams": {"edges": []}, "apiKeys": {"edges": []}}}
        if name == "CreateRunFiles":
            files = variables.get("files", [])
            return {"createRunFiles": {"runID": "r", "uploadHeaders": [], "files": [
                {"name": file, "uploadUrl": f"{self.url}/upload/{file}"} for file in files]}}
        if name.endswith("ArtifactType"):
            return {"project": {"artifactType": None, "artifact": None}}
        if name == "CreateArtifact":
            return {"createArtifact": {"artifact": {"id": "a", "state": "COMMITTED", "artifactSequence": {
                "id": "s", "latestArtifact": None}}}}
        return {}

    def _bucket(self, variables: dict[str, Any]) -> dict[str, Any]:
        name = variables.get("name") or "run"
        self.runs.setdefault(name, {}).update({key: value for key, value in variables.items() if value is not None})
        project = {"id": "p", "name": variables.get("project") or "gmexp", "entity": {"id": "e", "name": "us"}}
        return {"id": "r", "name": name, "displayName": variables.get("displayName") or name, "description": None,
                "config": variables.get("config") or "{}", "sweepName": None, "project": project, "historyLineCount": 0,
                "eventsLineCount": 0, "logLineCount": 0, "history": "[]", "events": "[]", "summaryMetrics": "{}",
                "tags": variables.get("tags") or [], "wandbConfig": "{}", "createdAt": "2026-01-01T00:00:00"}

    def stream(self, run: str, content: dict[str, Any]) -> None:
        for name, part in (content.get("files") or {}).items():
            if name == "wandb-summary.json" and part.get("content"):
                self.summaries[run] = json.loads(part["content"][-1])
            self.streamed.setdefault(name, []).extend(part.get("content", []))


def _handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None: ...

        def _answer(self, status: int, content: Any) -> None:
            data = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def _serve(self) -> None:
            data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.headers.get("Content-Encoding") == "gzip":
                data = gzip.decompress(data)
            server.requests.append((self.command, self.path, time.monotonic()))
            wrong = server.unwell()
            if wrong == "dies":
                self.close_connection = True
                with contextlib.suppress(OSError):
                    self.connection.close()
                return
            if wrong:
                self._answer(403, {"errors": [{"message": "permission denied"}]})
            elif self.path.startswith("/graphql"):
                asked = json.loads(data)
                self._answer(200, {"data": server.graphql(asked["query"], asked.get("variables") or {})})
            elif self.path.endswith("/file_stream"):
                server.stream(self.path.split("/")[-2], json.loads(data))
                self._answer(200, {"exitcode": None, "limits": {}})
            else:
                server.uploaded.append(self.path.partition("/upload/")[2])
                self._answer(200, {})

        do_GET = do_POST = do_PUT = _serve

    return Handler
