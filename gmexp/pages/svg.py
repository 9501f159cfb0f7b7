"""matplotlib's SVGs made small enough for a page that holds all of them (what nobody sees is left out), or part of it."""

from __future__ import annotations

import html
import re
from urllib.parse import unquote

__all__ = ["data_uri", "inline", "small"]

HEAD = re.compile(r"<\?xml[^>]*>|<!DOCTYPE[^>]*>|<metadata>.*?</metadata>|<!--.*?-->", re.DOTALL)
PLACED = re.compile(r'(?<=[ <])(d|x|y)="([^"]*)"')
NUMBER = re.compile(r"-?\d+\.\d{3,}")
BETWEEN = re.compile(r">\s+<")
SPACES = re.compile(r"\s+")
GROUP_NAME = re.compile(r'<g id="[^"]*"')
NOTHING = re.compile(r"<g */>|<g></g>")
STYLE = re.compile(r'style="([^"]*)"')
ALIKE = re.compile(r'<g((?: clip-path="[^"]*")?)>((?:<use xlink:href="[^"]*" x="[^"]*" y="[^"]*" style="([^"]*)"/>)'
                   r'(?:<use xlink:href="[^"]*" x="[^"]*" y="[^"]*" style="\3"/>)+)</g>')
ID = re.compile(r' id="([^"]+)"')
REFERENCE = re.compile(r'(?<=xlink:href="#)[^"]+|(?<=url\(#)[^)]+|(?<= id=")[^"]+')
ROOT = re.compile(r"<svg[^>]*?( viewBox=\"[^\"]*\")[^>]*>")
DEFAULTS = re.compile(r"<defs><style[^>]*>\*\{([^}]*)\}</style></defs>")  # matplotlib's, for everything in the document
LINK = re.compile(r'<a href="([^"]*)"[^>]*>')
ENCODED = {"%": "%25", "#": "%23", '"': "'", "'": "&apos;", "<": "%3C", ">": "%3E"}


def small(text: str) -> str:
    """An SVG without metadata, comments, names of groups and line breaks, its coordinates in hundredths of a point."""
    text = BETWEEN.sub("><", HEAD.sub("", text)).strip()
    text = PLACED.sub(lambda place: f'{place[1]}="{NUMBER.sub(_hundredths, SPACES.sub(" ", place[2]).strip())}"', text)
    text = NOTHING.sub("", GROUP_NAME.sub("<g", text))
    text = STYLE.sub(lambda style: f'style="{style[1].replace(": ", ":").replace("; ", ";")}"', text)
    text = ALIKE.sub(_hoisted, text)
    names = {name: f"{order:x}" for order, name in enumerate(dict.fromkeys(ID.findall(text)), start=0xa0)}
    return REFERENCE.sub(lambda name: names.get(name[0], name[0]), text).replace(" xlink:href=", " href=")


def _hoisted(group: re.Match[str]) -> str:
    """Marks that look the same, with their style said once."""
    clip, marks, style = group.groups()
    said = f' style="{style}"'
    return f"<g{clip}{said}>{marks.replace(said, '')}</g>"


def _hundredths(number: re.Match[str]) -> str:
    return f"{float(number[0]):.2f}".rstrip("0").rstrip(".")


def inline(text: str, words: str, prefix: str, page: str = "") -> str:
    """An SVG as a part of a page: its `words` for who cannot see it, names that begin with `prefix` and so are no others',
    links that lead to `page` and are named by where they lead.

    The links are for the pointer alone: a hundred marks would be a hundred steps of the keyboard, and the page lists the
    same runs.
    """
    text = small(text)
    text = REFERENCE.sub(lambda name: f"{prefix}{name[0]}", text)
    text = re.sub(r' href="#(?!run-|condition-)([^"]+)"', lambda link: f' href="#{prefix}{link[1]}"', text)
    text = LINK.sub(lambda link: f'<a href="{page}{link[1]}" tabindex="-1"><title>{_named(link[1])}</title>', text)
    defaults = DEFAULTS.search(text)
    style = "" if defaults is None else f' style="{defaults[1]}"'
    title = html.escape(words)
    return ROOT.sub(lambda root: f'<svg{root[1]} role="img" aria-label="{title}"{style}>', DEFAULTS.sub("", text), count=1)


def _named(address: str) -> str:
    """What a link leads to, for readers: a run by its id, a condition by its label."""
    if address.startswith("#condition-"):
        return html.escape(unquote(address.removeprefix("#condition-")).replace("_", " "))
    return address.removeprefix("#run-")


def data_uri(text: str) -> str:
    """An SVG as the address of an image: as text, which is shorter than base64."""
    return "data:image/svg+xml," + "".join(ENCODED.get(letter, letter) for letter in text)
