"""Inputs that are nearly right: files, documents, tables and words, changed at random by a generator that is given."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Sequence
from typing import Any

NUMBERS = ("0", "-0", "1", "-1", "0.5", "1e6", "1e308", "1e309", "-1e400", "1e-320", "5e-324", "nan", "NaN", "inf", "-Infinity",
           "9223372036854775807", "9223372036854775808", "-9223372036854775809", "1" + "0" * 400, "0x10", "1_000", "٣", "1,5",
           "true", "null", "", " ", "1e", "--1", "½", "1e21", "4294967296", "2147483648")
TEXTS = ("", " ", "a", "ü", "日本", "a b", "a,b", "[a,b]", "{a:1}", "'", '"', "a'b", "${x}", "${oc.env:HOME}", "???", "#", "=",
         "a=b", "(", ")", "((", "[", "]", "[[", "~", "~/x", "~nobody/x", "..", "../../x", "/etc/passwd", "/dev/null", "/dev/zero",
         "/dev/full", "a\0b", "\n", "\r\n", "\t", "\ud800", "a" * 300, "$\\frac$x", "<script>", "%s", "{}", "{0}", "\\", "*", "?",
         "-", "--", "-m", "--help", "null", "true", "range(3)", "range(0,10,0)", "choice(1,2)", "glob(*)", "interval(0,1)",
         "shuffle(a)", "extend_list(1)", "😀", "\u202e", "\x1b[31m", ".", "a/b", "con:", "C:\\x", "os:system", "os.path:join")
ODD: tuple[Any, ...] = (None, True, False, 0, -1, 1, 2**31, 2**63, -2**63, 10**30, 0.5, -0.5, 1e308, 5e-324, "", "x", "../x", "/x",
                        "nan", [], {}, [[]], [None], {"": None}, [1, "a"], {"a": {"b": []}}, [0.1] * 3, "a" * 5000)


def mutated_bytes(rng: random.Random, data: bytes) -> bytes:
    """Some bytes changed, cut, repeated or put in."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 4, 16))):
        kind, size = rng.randrange(7), len(out)
        at = rng.randrange(size + 1)
        if kind == 0 and size:
            out[min(at, size - 1)] ^= 1 << rng.randrange(8)
        elif kind == 1 and size:
            out[min(at, size - 1)] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
        elif kind == 2:
            del out[at:]
        elif kind == 3:
            del out[at:at + rng.randrange(1, 64)]
        elif kind == 4:
            out[at:at] = bytes(rng.randrange(256) for _ in range(rng.randrange(1, 16)))
        elif kind == 5 and size:
            start = rng.randrange(size)
            out[at:at] = out[start:start + rng.randrange(1, 256)]
        elif kind == 6 and size > 8:
            at = rng.randrange(size - 8)
            out[at:at + 8] = rng.choice((b"\0" * 8, b"\xff" * 8, b"\xff\xff\xff\x7f\0\0\0\0", b"\0\0\0\0\0\0\0\x80"))
    return bytes(out)


def mutated_document(rng: random.Random, document: Any) -> Any:
    """A few parts of a JSON document put out of place."""
    document = copy.deepcopy(document)
    for _ in range(rng.choice((1, 1, 2, 5))):
        parents = [(holder, key) for holder, key in _places(document)]
        if not parents:
            return odd(rng)
        holder, key = parents[rng.randrange(len(parents))]
        kind = rng.randrange(6)
        if kind == 0:
            del holder[key]
        elif kind == 1:
            holder[key] = odd(rng)
        elif kind == 2:
            holder[key] = nested(rng.choice((3, 60, 70, 150)), rng.random() < 0.5)
        elif kind == 3 and isinstance(holder, dict):
            holder[rng.choice(TEXTS)] = holder.pop(key)
        elif kind == 4 and isinstance(holder[key], list) and holder[key]:
            holder[key] = holder[key] * rng.choice((0, 2, 50))
        else:
            other, place = parents[rng.randrange(len(parents))]
            try:
                holder[key] = copy.deepcopy(other[place])
            except (KeyError, IndexError):
                holder[key] = odd(rng)
    return document


def odd(rng: random.Random) -> Any:
    """A value that is out of place nearly everywhere."""
    return copy.deepcopy(rng.choice(ODD)) if rng.random() < 0.8 else rng.choice(TEXTS)


def nested(depth: int, lists: bool) -> Any:
    """Lists, or objects, within each other."""
    found: Any = 0
    for _ in range(depth):
        found = [found] if lists else {"a": found}
    return found


def _places(document: Any) -> list[tuple[Any, Any]]:
    """(holder, key) of every part of a document; of long lists the first few."""
    found, level = [], [document]
    while level:
        holder = level.pop()
        items = holder.items() if isinstance(holder, dict) else enumerate(holder[:8])
        for key, value in items:
            found.append((holder, key))
            if isinstance(value, dict | list):
                level.append(value)
    return found


def as_json(rng: random.Random, document: Any) -> bytes:
    """A document as JSON text, now and then with what is no JSON."""
    data = json.dumps(document, ensure_ascii=rng.random() < 0.5).encode("utf-8", "surrogatepass")
    if rng.random() < 0.1:
        data = data.replace(b"1", rng.choice((b"NaN", b"Infinity", b"1e999", b"-1e999", b"9" * 5000, b"01")), 1)
    if rng.random() < 0.1:
        data = data.replace(b'": ', rng.choice((b'": {"a": ', b'": "\\ud800', b'" ', b'": //')), 1)
    if rng.random() < 0.02:
        deep = rng.choice((900, 5000, 100_000))
        data = rng.choice((b"[" * deep + b"]" * deep, b'{"a":' * deep + b"1" + b"}" * deep, b"[" * deep))
    if rng.random() < 0.05:
        data = rng.choice((b"\xef\xbb\xbf", b"\xff\xfe", b"\x1f\x8b", b"\0")) + data
    return mutated_bytes(rng, data) if rng.random() < 0.3 else data


def mutated_rows(rng: random.Random, rows: Sequence[Sequence[str]]) -> list[list[str]]:
    """The cells of a table, its header first, a few of them put out of place."""
    out = [list(row) for row in rows]
    for _ in range(rng.choice((1, 1, 2, 4))):
        row = rng.choice(out)
        kind, at = rng.randrange(7), rng.randrange(len(row)) if row else 0
        if kind == 0 and row:
            row[at] = rng.choice(NUMBERS)
        elif kind == 1 and row:
            row[at] = rng.choice(TEXTS)
        elif kind == 2 and row:
            del row[at]
        elif kind == 3:
            row.insert(at, rng.choice(NUMBERS))
        elif kind == 4:
            out.insert(rng.randrange(len(out) + 1), list(rng.choice(out)))
        elif kind == 5 and row:
            for each in out:
                if at < len(each):
                    del each[at]
        elif len(out) > 1:
            del out[rng.randrange(len(out))]
    return out


def as_csv(rng: random.Random, rows: Sequence[Sequence[str]]) -> bytes:
    """Rows as CSV text, now and then by other separators, in other encodings, or badly quoted."""
    separator = "," if rng.random() < 0.9 else rng.choice(";\t|")
    newline = rng.choice(("\n", "\n", "\r\n", "\r"))
    quote = rng.random() < 0.1
    text = newline.join(separator.join(f'"{cell}"' if quote else cell for cell in row) for row in rows)
    encoding = "utf-8" if rng.random() < 0.9 else rng.choice(("latin-1", "utf-16", "utf-8-sig"))
    data = text.encode(encoding, "replace")
    return mutated_bytes(rng, data) if rng.random() < 0.2 else data
