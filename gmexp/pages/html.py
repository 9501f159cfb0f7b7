"""The little HTML the report needs: elements that escape what they are given."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Sequence
from typing import Any

VOID = frozenset({"img", "br", "meta"})


class Html(str):
    """Text that is markup already and must not be escaped again."""


def element(tag: str, /, *children: Any, **attributes: Any) -> Html:
    """`<tag attributes>children</tag>`: strings are escaped, lists spread, None left out; `class_` is class."""
    shown = "".join(f' {key.rstrip("_").replace("_", "-")}="{html.escape(str(value))}"'
                    for key, value in attributes.items() if value is not None)
    return Html(f"<{tag}{shown}>" if tag in VOID else f"<{tag}{shown}>{join(children)}</{tag}>")


def join(children: Iterable[Any]) -> Html:
    return Html("".join(_child(child) for child in children if child is not None))


def _child(child: Any) -> str:
    if isinstance(child, Html):
        return child
    if isinstance(child, list | tuple):
        return join(child)
    return html.escape(str(child))


def table(head: Sequence[Any], rows: Iterable[Sequence[Any]], numeric: Sequence[int] = ()) -> Html:
    """A table that scrolls by itself on a narrow page; the columns in `numeric` are set flush right."""
    def cells(tag: str, row: Sequence[Any]) -> list[Html]:
        return [element(tag, cell, class_="n" if i in numeric else None) for i, cell in enumerate(row)]

    body, group = [], None
    for row in rows:  # a value that continues in the first column is not repeated
        shown = ["" if row[0] == group else row[0], *row[1:]]
        body.append(element("tr", cells("td", shown), class_="first" if row[0] != group else None))
        group = row[0]
    return element("div", element("table", element("thead", element("tr", cells("th", head))),
                                  element("tbody", body)), class_="scroll")


def glossary(pairs: Iterable[tuple[Any, Any]]) -> Html:
    return element("dl", [[element("dt", term), element("dd", meaning)] for term, meaning in pairs])


def data_uri(data: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"
