"""CLAIMS.md from claims.yaml: every sentence of README, results/ and docs/ that has a measured number, where that comes
from, how much stands behind it, and whether it was recomputed. `python scripts/claims.py` writes it, `--check` says what is
wrong.

A claim in claims.yaml is a piece of a page in which each number is a value of `claim_values`. Filled in, it must stand on
the page as it is, so page and artefacts cannot part. `stated` lists numbers that no committed artefact gives, with a reason.
"""

from __future__ import annotations

import argparse
import re
import string
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

sys.path.insert(0, str(Path(__file__).parent))
from claim_values import ROOT, files, read, rendered  # noqa: E402

PAGES = ("README.md", "results/README.md", "results/*/README.md", "docs/*.md", "docs/how-to/*.md")
STRICT = ("README.md", "docs/tutorial.md")  # no sentence of theirs may be left without a claim
NUMBER = re.compile(r"[+\-−]?\d+\.\d+|\d+(?:\.\d+)?%|\d{1,3}(?:,\d{3})+")
SETTING = re.compile(r"(?:δ|delta|rho|quality|grades?|Python|version|EnvPool|PyMC|nutpie|procgen) ?=? ?[\d.]+"
                     r"(?: to [\d.]+)?|95%|`[^`]*`|\]\([^)]*\)|<[^>]*>")
LEADS = {"**Design.**": "design", "How it was made": "timing of this machine", "**Made by**": "timing of this machine",
         "**What the first edition said.**": "first edition, of a commit that is named"}


@dataclass(frozen=True)
class Claim:
    """A piece of a page; its numbers come from `sources`."""

    page: str
    text: str
    sources: tuple[str, ...]


@dataclass(frozen=True)
class Sentence:
    """A sentence, list item or table row of a page, its white space made single."""

    page: str
    text: str
    lead: str  # what its paragraph begins with
    start: int  # in the page's text
    numbers: tuple[tuple[int, int], ...]  # places of the measured ones in the page's text


def data() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "claims.yaml").read_text(encoding="utf-8"))


def flat(text: str) -> str:
    return " ".join(text.split())


def page_text(page: str) -> str:
    """A page without its blocks of code; paragraphs, rows and items separated by a line break, white space single."""
    text = re.sub(r"^```.*?^```", "", (ROOT / page).read_text(encoding="utf-8"), flags=re.M | re.S)
    text = re.sub(r"!\[[^\]]*\]\([^)]*\)", "", text)
    pieces: list[str] = []
    for line in text.splitlines():
        begins = not line.strip() or line.lstrip().startswith(("|", "#", "* ", "- "))
        if begins or not pieces:
            pieces.append(line)
        else:
            pieces[-1] += f" {line}"
    return "\n".join(piece for piece in map(flat, pieces) if piece)


def sentences(page: str) -> Iterator[Sentence]:
    """The sentences of a page that hold a measured number."""
    text, start = page_text(page), 0
    for piece in text.split("\n"):
        for part in re.split(r"(?<=[.!?])\s+(?=[A-ZÀ-Ý*(\"\[])", piece) if not piece.startswith("|") else [piece]:
            at = text.index(part, start)
            hidden = [match.span() for match in SETTING.finditer(part)]
            found = tuple((at + m.start(), at + m.end()) for m in NUMBER.finditer(part)
                          if not any(low <= m.start() < high for low, high in hidden))
            if found:
                yield Sentence(page, part, piece[:40], at, found)
            start = at + len(part)


def pages() -> list[str]:
    return sorted({str(path.relative_to(ROOT)) for pattern in PAGES for path in ROOT.glob(pattern)})


def claims(content: dict[str, Any]) -> Iterator[Claim]:
    """Every claim of the data file, its loops unrolled, its values filled in."""
    for page, entries in content["claims"].items():
        for entry in entries:
            loop = entry.get("for", {})
            for turn in zip(*loop.values(), strict=True) if loop else [()]:
                says = string.Template(flat(entry["says"])).safe_substitute(dict(zip(loop, map(str, turn), strict=True)))
                try:
                    yield Claim(page, rendered(says), tuple(files(says)))
                except (KeyError, TypeError, ValueError, OSError) as error:
                    yield Claim(page, f"{says} (no such value: {error})", ())


def stated(content: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """(page, reason, what it says) of numbers that no committed artefact gives."""
    for page, reasons in content["stated"].items():
        for why, pieces in reasons.items():
            yield from ((page, why, flat(piece)) for piece in pieces)


def covered(text: str, fragment: str) -> list[tuple[int, int]]:
    return [match.span() for match in re.finditer(re.escape(fragment), text)]


Judged = tuple[Sentence, str, tuple[str, ...]]  # with its status and its artefacts


def judged(content: dict[str, Any]) -> tuple[list[Judged], list[str]]:
    """Every sentence with a measured number; and what is wrong, a line each."""
    texts = {page: page_text(page) for page in pages()}
    every = list(claims(content))
    wrong = [f"{claim.page} should say: {claim.text}" for claim in every if claim.text not in texts.get(claim.page, "")]
    wrong += [f"{page} no longer says what is stated ({why}): {each}" for page, why, each in stated(content)
              if each not in texts.get(page, "")]
    rows = []
    for page in texts:
        claimed = [(span, claim.sources) for claim in every if claim.page == page
                   for span in covered(texts[page], claim.text)]
        known = [(span, why) for at, why, each in stated(content) if at == page for span in covered(texts[page], each)]
        for sentence in sentences(page):
            found = [_inside(number, claimed) for number in sentence.numbers]
            reasons = [_inside(number, known) for number in sentence.numbers]
            left = any(sources is None and why is None for sources, why in zip(found, reasons, strict=True))
            if page in STRICT and left:
                wrong.append(f"{page}: no claim covers: {sentence.text}")
            otherwise = content["pages"].get(page, {}).get("otherwise", "not recomputed")
            lead = next((why for words, why in LEADS.items() if sentence.lead.startswith(words)), otherwise)
            status = "recomputed" if all(found) else lead if left else "; ".join(dict.fromkeys(filter(None, reasons)))
            status += "; the rest recomputed" * (any(found) and not all(found))
            rows.append((sentence, status, tuple(dict.fromkeys(file for sources in found for file in sources or ()))))
    return rows, wrong


def _inside(number: tuple[int, int], spans: list[tuple[tuple[int, int], Any]]) -> Any:
    """What the first span that holds a number says of it; None where none does."""
    return next((about for (low, high), about in spans if low <= number[0] and number[1] <= high), None)


def behind(page: str, content: dict[str, Any]) -> tuple[str, str]:
    """Runs and environments behind a page, of its studies."""
    runs, environments = set(), set()
    for study in content["pages"].get(page, {}).get("studies", ()):
        index = read(f"{study}/study.json")["runs"]
        runs |= {run["run_id"] for run in index}
        environments |= {run["env"].partition("/")[0] for run in index}
    return (str(len(runs)), str(len(environments))) if runs else ("–", "–")


def markdown(content: dict[str, Any]) -> str:
    """The text of CLAIMS.md."""
    rows, _ = judged(content)
    done = sum(status.startswith("recomputed") for _, status, _ in rows)
    lines = ["# Claims", "", "Made by `python scripts/claims.py` from [claims.yaml](claims.yaml). A test recomputes every",
             "number that is marked so from the committed artefact beside it, and fails where a page says otherwise.", "",
             f"{len(rows)} sentences with a measured number, {done} recomputed whole."]
    for page in dict.fromkeys(sentence.page for sentence, _, _ in rows):
        about = content["pages"].get(page, {})
        runs, environments = behind(page, content)
        command = f" `{about['command']}`." if "command" in about else ""
        weakest = f" Weakest link: {about['weakest']}." if "weakest" in about else ""
        lines += ["", f"## [{page}]({page})", "", f"Runs: {runs}. Environments: {environments}.{weakest}{command}", "",
                  "| sentence | status | file |", "|---|---|---|"]
        for sentence, status, sources in rows:
            if sentence.page == page:
                words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", sentence.text).strip("| ").replace("|", "·")
                named = ", ".join(f"`{source}`" for source in sources)
                lines.append(f"| {words} | {status} | {named} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description="write CLAIMS.md, or say what is wrong with the claims")
    parser.add_argument("--check", action="store_true", help="write nothing")
    asked = parser.parse_args()
    content = data()
    _, wrong = judged(content)
    print("\n".join(wrong), file=sys.stderr, end="\n" * bool(wrong))
    if not asked.check:
        (ROOT / "CLAIMS.md").write_text(markdown(content), encoding="utf-8")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
