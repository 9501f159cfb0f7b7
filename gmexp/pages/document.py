"""The skeleton of a page: its heading, the first screen, contents, sections; no network, no other file."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources

from gmexp.pages.html import Html, data_uri, element

__all__ = ["document", "head_of", "packaged"]

Sections = Mapping[str, tuple[str, Html]]  # (title, body) by anchor


def document(eyebrow: str, heading: str, start: Html, sections: Sections) -> str:
    """A page: its heading, what a reader sees first, links to the sections, the pipeline, the sections."""
    contents = element("nav", [element("a", title.partition(":")[0], href=f"#{key}")
                               for key, (title, _) in sections.items()], aria_label="Contents")
    pipeline = element("img", src=data_uri(packaged("pages/data/pipeline.svg").encode(), "image/svg+xml"),
                       alt="The pipeline: train, evaluate, rates, calibrate, estimate")
    body = element(
        "main", element("p", eyebrow, class_="eyebrow"), element("h1", heading), start, contents,
        [element("section", element("h2", title), content, id=key) for key, (title, content) in sections.items()],
        element("footer", element("div", pipeline, class_="pipeline scroll")))
    return "<!doctype html>\n" + element("html", head_of(f"{heading}: {eyebrow[0].lower()}{eyebrow[1:]}"),
                                         element("body", body), lang="en") + "\n"


def head_of(title: str) -> Html:
    """The head of a page with the styles of data/report.css."""
    return element("head", element("meta", charset="utf-8"),
                   element("meta", name="viewport", content="width=device-width, initial-scale=1"),
                   element("title", title), element("style", Html(packaged("pages/data/report.css"))))


def packaged(name: str) -> str:
    """The text of a file that comes with the package."""
    return resources.files("gmexp").joinpath(name).read_text(encoding="utf-8")
