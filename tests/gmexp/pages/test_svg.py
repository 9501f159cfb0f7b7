"""SVGs on pages look as matplotlib drew them and are shorter."""

import io
import re
from urllib.parse import unquote
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
from PIL import Image

from gmexp.pages import svg

from .chromium import picture_of_page


@pytest.fixture(scope="module")
def original(finished):
    return (finished.figures / "rates.svg").read_text(encoding="utf-8")


def test_it_is_well_formed_and_shorter(original):
    small = svg.small(original)
    assert len(small) < 0.8 * len(original)
    root = ElementTree.fromstring(small)
    assert root.tag.endswith("svg") and root.get("viewBox") == ElementTree.fromstring(original).get("viewBox")
    assert "metadata" not in small and "\n" not in small


def test_every_reference_has_its_target(original):
    small = svg.small(original)
    ids = re.findall(r' id="([^"]+)"', small)
    assert len(set(ids)) == len(ids)
    assert set(re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', small)) and all(
        (a or b) in ids for a, b in re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', small))
    marks = [len(re.findall("<use ", text)) for text in (small, original)]
    assert marks[0] == marks[1] > 50


def test_coordinates_are_in_hundredths_and_scales_as_they_were():
    text = '<svg><path d="M 1.23456 -0.004999 L 10.000001 2.5" transform="scale(0.015625)"/></svg>'
    assert svg.small(text) == '<svg><path d="M 1.23 -0 L 10 2.5" transform="scale(0.015625)"/></svg>'


def test_the_address_is_the_picture(original):
    small = svg.small(original)
    kind, content = svg.data_uri(small).split(",", 1)
    assert kind == "data:image/svg+xml" and not set(content) & set('"<>#')
    assert unquote(content).replace("'", '"') == small
    assert unquote(svg.data_uri("<a b='c'>it's</a>").split(",", 1)[1]) == "<a b=&apos;c&apos;>it&apos;s</a>"


@pytest.mark.slow
def test_a_browser_draws_the_same(original, tmp_path):
    def drawn(text, name):
        page = f'<body style="margin:0"><img style="width:1008px" src="{svg.data_uri(text)}"></body>'
        with Image.open(io.BytesIO(picture_of_page(page, tmp_path / name, 1008, 440))) as image:
            return np.asarray(image.convert("RGB")).astype(int)

    whole, small = drawn(original, "whole"), drawn(svg.small(original), "small")
    assert (whole < 128).any()
    assert (np.abs(whole - small).max(axis=2) > 96).mean() < 0.001, matplotlib.__version__


def test_within_a_page_it_shares_no_name_and_styles_nothing_else(original):
    one, two = (svg.inline(original, "so & so", f"{prefix}-") for prefix in "ab")
    ids = [set(re.findall(r' id="([^"]+)"', text)) for text in (one, two)]
    assert ids[0] and not ids[0] & ids[1] and "<style" not in one and 'aria-label="so &amp; so"' in one
    for text, own in zip((one, two), ids, strict=True):
        used = {a or b for a, b in re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', text)}
        assert used and used <= own
    mark = '<svg viewBox="0 0 1 1"><a xlink:href="#run-x1" target="_blank"><use xlink:href="#m"/></a></svg>'
    link = svg.inline(mark, "", "p-", "s/r.html")
    assert '<a href="s/r.html#run-x1" tabindex="-1"><title>x1</title><use href="#p-m"/></a>' in link
    link = svg.inline(mark.replace("#run-x1", "#condition-delta=0,_%3Cb%3E"), "", "p-")
    assert '<a href="#condition-delta=0,_%3Cb%3E" tabindex="-1"><title>delta=0, &lt;b&gt;</title>' in link
