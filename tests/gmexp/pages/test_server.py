"""`gmexp view`'s server: pages from what is there, films in parts, curves of runs that train; nobody else's business."""

import http.client
import json
import threading

import numpy as np
import pytest

from gmexp.pages.server import Site, serve
from gmexp.support.errors import UserError
from gmexp.training.progress import OWN

from .chromium import _browser, console_of


@pytest.fixture
def served(study):
    server = serve(Site(study.root), 0)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_port
    server.shutdown()
    server.server_close()


def ask(port, path, method="GET", **headers):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request(method, path, headers=headers)
    answer = connection.getresponse()
    return answer.status, answer.read(), answer.headers


@pytest.mark.slow
def test_the_page_is_made_and_nothing_is_written(served, study):
    before = {path: path.stat().st_mtime_ns for path in study.root.rglob("*")}
    study.report.unlink()
    del before[study.report]
    status, page, headers = ask(served, "/")
    assert status == 200 and b"8 independent training runs" in page and headers["Content-Type"].startswith("text/html")
    assert ask(served, "/report.html")[1] == page and ask(served, "/", "HEAD")[:2] == (200, b"")
    assert {path: path.stat().st_mtime_ns for path in study.root.rglob("*")} == before


def test_films_come_in_parts(served, study):
    film = next(study.clips("d0-s0").glob("*.gif"))
    path, content = f"/runs/d0-s0/episodes/{film.name}", film.read_bytes()
    assert ask(served, path)[:2] == (200, content)
    status, part, headers = ask(served, path, Range="bytes=10-19")
    assert (status, part, headers["Content-Range"]) == (206, content[10:20], f"bytes 10-19/{len(content)}")
    assert ask(served, path, Range=f"bytes={len(content)}-")[0] == 416


@pytest.mark.parametrize("path", ["/study.json", "/../study.json", "/runs/../runs/d0-s0/episodes/x.gif",
                                  "/runs/d0-s0/run.json",
                                  "/elsewhere/report.html", "/runs/d0-s0/episodes/..%2f..%2fstudy.json"])
def test_nothing_else_is_there(served, path):
    assert ask(served, path)[0] == 404


def test_only_who_names_this_machine_is_answered(served):
    assert ask(served, "/", Host="evil.example:80")[0] == 403
    assert ask(served, "/live", Host=f"localhost:{served}")[0] == 200


def test_a_run_that_trains_is_live(served, study, tmp_path):
    folder = study.root / "runs" / "d0-s9"
    folder.mkdir()
    points = [{"steps": 1000 * i, "success": None if i < 2 else 0.5} for i in range(1, 30)]
    np.savez(folder / "resume.npz", **{f"{OWN}curve": np.array(json.dumps(points))})
    runs = {run["run_id"]: run for run in json.loads(ask(served, "/live.json")[1])["runs"]}
    assert runs["d0-s9"]["state"] == "training" and runs["d0-s9"]["curve"][-1] == [29000, 0.5]
    assert len(runs) == 9
    assert console_of(f"http://127.0.0.1:{served}/live", _browser(tmp_path)) == []


def test_before_anything_is_evaluated_the_curves_are_the_page(study):
    study.rates.unlink()
    assert b"Training now" in Site(study.root).answer("").content


@pytest.mark.slow
def test_a_folder_of_studies(study, tmp_path):
    site = Site(study.root.parent)
    assert b'id="environments"' in site.answer("").content
    assert b"8 independent training runs" in site.answer("study/report.html").content
    assert site.answer("study/live.json").kind == "application/json" and site.answer("nobody/report.html") is None


def test_what_is_no_study_and_a_taken_port_are_one_line(tmp_path, served, study):
    with pytest.raises(UserError, match="is no study and holds none"):
        Site(tmp_path / "nothing")
    with pytest.raises(UserError, match=f"port {served} cannot be listened on"):
        serve(Site(study.root), served)
