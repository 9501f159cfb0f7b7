"""The little Markdown that READMEs of results are written in, as HTML: paragraphs, headings, lists, tables, code, bold,
links. Pictures are left out (pages show the figures themselves), and so are links to files, whose text remains.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from gmexp.pages.html import Html, element, join, table

SPAN = re.compile(r"`([^`]+)`|\*\*(.+?)\*\*|\[([^\]]+)\]\(([^)\s]+)\)")

LINK = re.compile(r"https?://[^/\s]", re.IGNORECASE)  # what may be followed; no scheme that runs anything


def inline(text: str) -> Html:
    """Code, bold and links within a line."""
    parts: list[str] = []
    end = 0
    for found in SPAN.finditer(text):
        parts.append(text[end:found.start()])
        code, bold, label, target = found.groups()
        if code is not None:
            parts.append(element("code", code))
        elif bold is not None:
            parts.append(element("strong", inline(bold)))
        else:
            parts.append(element("a", inline(label), href=target) if LINK.match(target) else inline(label))
        end = found.end()
    return join([*parts, text[end:]])


def blocks(text: str) -> Iterator[list[str]]:
    """Lines between blank ones; code between fences is one block with its fences."""
    block: list[str] = []
    fenced = False
    for line in text.splitlines():
        if line.startswith("```"):
            fenced = not fenced
        if line.strip() or fenced:
            block.append(line)
        elif block:
            yield block
            block = []
    if block:
        yield block


def html(text: str, headings: int = 3) -> Html:
    """A README's text without its title; its headings become those of level `headings`."""
    return join([_block(block, headings) for block in blocks(text) if not block[0].startswith("# ")])


def title(text: str) -> str:
    """The first heading, without marks."""
    return next((line[2:].strip() for line in text.splitlines() if line.startswith("# ")), "")


def _block(lines: Sequence[str], headings: int) -> Html | None:
    first = lines[0]
    if first.startswith("```"):
        return element("pre", "\n".join(lines[1:-1]))
    if first.startswith("#"):
        return element(f"h{headings}", inline(first.lstrip("#").strip()))
    if first.startswith("|"):
        rows = [[inline(cell.strip()) for cell in line.strip().strip("|").split("|")] for line in lines]
        return table(rows[0], [row for line, row in zip(lines[1:], rows[1:], strict=True) if set(line) - set("|-: ")])
    if first.startswith(("* ", "- ")):
        items = re.split(r"^[*-] ", "\n".join(lines), flags=re.MULTILINE)[1:]
        return element("ul", [element("li", inline(" ".join(item.split()))) for item in items])
    if first.startswith("!["):
        return None
    return element("p", inline(" ".join(line.strip() for line in lines)))
