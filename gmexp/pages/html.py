"""The little HTML that pages need: elements that escape what they are given."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Sequence
from typing import Any

VOID = frozenset({"img", "br", "meta", "source"})


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


def table(head: Sequence[Any], rows: Iterable[Sequence[Any]], numeric: Sequence[int] = (),
          caption: str | None = None) -> Html:
    """A table; on a narrow screen each row becomes a block, its cells named by `head`.

    The columns in `numeric` are set flush right. A value that continues in the first column shows only once, except in
    blocks. `caption` says what is in it, for those who go from table to table.
    """
    names = [_plain(cell) for cell in head]
    columns = element("tr", [element("th", cell, scope="col", class_="n" if i in numeric else None)
                             for i, cell in enumerate(head)])
    body, group = [], None
    for row in rows:
        again = row[0] == group
        cells = [element("td", element("span", cell) if again and i == 0 else cell, data_label=name or None,
                         class_="again" if again and i == 0 else "n" if i in numeric else None)
                 for i, (cell, name) in enumerate(zip(row, names, strict=True))]
        body.append(element("tr", cells, class_=None if again else "first"))
        group = row[0]
    title = None if caption is None else element("caption", caption)
    return element("div", element("table", title, element("thead", columns), element("tbody", body)), class_="scroll")


def _plain(cell: Any) -> str:
    """The text of a cell without its markup, to be escaped again."""
    if not isinstance(cell, Html):
        return str(cell)
    inside, shown = False, []
    for letter in cell:
        inside = letter == "<" or (inside and letter != ">")
        if not inside and letter != ">":
            shown.append(letter)
    return html.unescape("".join(shown))


def glossary(pairs: Iterable[tuple[Any, Any]]) -> Html:
    return element("dl", [[element("dt", term), element("dd", meaning)] for term, meaning in pairs])


def data_uri(data: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"
