"""The page's markup: everything people have written is escaped, and only the report's own script may run."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import pytest
from matplotlib.figure import Figure

from ercfw.report.blocks import Bullets, Card, Code, Grid, Paragraph, Picture, PictureFile, Section
from ercfw.report.html import Page, as_html
from ercfw.report.plots.classes import draw_class_distribution
from ercfw.report.plots.style import titled

EVIL = '<script>alert("x")</script><img src=x onerror=alert(1)> & \u2028 </script> "quoted"'


class Outline(HTMLParser):
    """The elements of a page: tags with their attributes, and all text outside of scripts and styles."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.text, self._inside = [], "", None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._inside = tag

    def handle_endtag(self, tag):
        self._inside = None

    def handle_data(self, data):
        if self._inside not in ("script", "style"):
            self.text += data


def page(**more):
    settings = {"title": "T", "subtitle": "s", "stamps": [], "cards": [], "top": [], **more}
    return as_html(Page(**settings))


def test_whatever_people_wrote_stays_text():
    picture = Picture(EVIL, EVIL, draw_class_distribution({"train": [1, 2]}, (EVIL, "joy")))
    blocks = [Grid([EVIL], [[EVIL], ["1"]]), Paragraph(EVIL), Bullets([EVIL]), Code(EVIL), PictureFile(EVIL), picture]
    browser = {"splits": [{"name": EVIL, "conversations": []}], "left_out": 0, "targets": [], "answers": [EVIL]}
    text = page(
        title=EVIL,
        subtitle=EVIL,
        stamps=[EVIL],
        cards=[Card(EVIL, EVIL, [(EVIL, EVIL)])],
        top=[Section(EVIL, blocks)],
        browser=browser,
    )
    outline = Outline(text)
    assert [attrs.get("type") for tag, attrs in outline.tags if tag == "script"] == ["application/json", None]
    assert not [attrs for tag, attrs in outline.tags if tag == "img" or "onerror" in attrs]
    assert EVIL.split("\u2028")[0] in outline.text
    held = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)[1]
    assert json.loads(held) == browser
    assert not set("<>&\u2028") & set(held)


def test_only_the_report_s_own_script_may_run():
    text = page()
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', text)
    script = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)[-1]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'")


def test_nothing_is_asked_of_anybody():
    figure = draw_class_distribution({"train": [1]}, ("joy",))
    text = page(top=[Section("P", [Picture("p", "t", figure)])])
    for tag, attrs in Outline(text).tags:
        for name in ("src", "href", "xlink:href", "action"):
            assert attrs.get(name, "#").startswith(("#", "data:")), (tag, attrs)
    assert "@import" not in text
    assert "url(http" not in text


def test_sections_have_anchors_of_their_own():
    twice = [Section("Data", [Paragraph("a")]), Section("Data", [Paragraph("b")]), Section("😀", [Paragraph("c")])]
    tags = Outline(page(top=twice, browser={"splits": [], "left_out": 0})).tags
    ids = [attrs["id"] for _, attrs in tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    links = [attrs["href"].removeprefix("#") for tag, attrs in tags if tag == "a"]
    assert len(links) == 5
    assert set(links) <= set(ids)


def test_tables_have_headings_and_numbers_stand_to_the_right():
    rows = [["joy", "60.00 ± 1.20", "words"], ["anger", "+1.2 [-0.3, +2.0] .04", "1,204"]]
    text = page(top=[Section("T", [Grid(["class", "F1", ""], rows, frozenset({(0, 1)}))])])
    assert '<th scope="row">joy</th>' in text
    assert '<td class="number bold">60.00 ± 1.20</td>' in text
    assert '<td class="number">+1.2 [-0.3, +2.0] .04</td>' in text
    assert "<td>words</td>" in text
    assert re.findall(r'<th scope="col"(.*?)>(.*?)</th>', text) == [("", "class"), (' class="number"', "F1")], (
        "a column without a name has no heading; headings of numbers stand above them"
    )


def test_pictures_are_described_and_follow_light_and_dark():
    figure = draw_class_distribution({"train": [1]}, ("joy",))
    text = page(top=[Section("P", [Picture("p", "How often joy is", figure)])])
    assert '<div class="picture" role="img" aria-label="How often joy is"><svg' in text
    assert '<figcaption aria-hidden="true">How often joy is</figcaption>' in text
    assert "#000000" not in text
    assert "currentColor" in text


def test_a_page_shows_a_picture_without_its_title():
    figure = titled(draw_class_distribution({"train": [1]}, ("joy",)), "A long title", ["SIMULATED"])
    text = page(top=[Section("P", [Picture("p", "t", figure)])])
    assert "A long title" not in text
    assert text.count(">SIMULATED<") == 1, "the stamp stays"
    assert figure.get_suptitle() == "A long title", "exported pictures have it"
    assert all(each.get_visible() for each in figure.texts)


def panels(blocks):
    """The class and the first words of each panel."""
    text = page(top=[Section("S", blocks)])
    return re.findall(r'<div class="(panel(?: wide)?)">\s*<[^>]*>([^<]*)', text)


def test_narrow_tables_share_a_row_and_a_text_stays_with_its_table():
    narrow, wide = Grid(["a", "b"], [["1", "2"]]), Grid(["a"] * 12, [["60.00 ± 1.20"] * 12])
    lead = Paragraph("about all", is_lead=True)
    assert panels([lead, narrow, Paragraph("about the next"), narrow, wide]) == [
        ("panel wide", "about all"), ("panel", ""), ("panel", "about the next"), ("panel wide", ""),
    ]  # fmt: skip
    assert panels([lead, narrow]) == [("panel wide", "about all"), ("panel wide", "")], "alone it may use the width"


def test_a_card_shows_what_to_compare_its_number_with():
    text = page(cards=[Card("accuracy", "61.00", [("majority class", "48.10")])], cards_note="of test")
    words = " ".join(Outline(text).text.split())
    assert "accuracy 61.00 majority class 48.10" in words
    assert '<p class="small">of test</p>' in text


@pytest.mark.parametrize("stamps", [[], ["SIMULATED"], ["CHOSEN ON TEST"]])
def test_a_simulated_page_cannot_be_mistaken(stamps):
    text = page(stamps=stamps)
    assert ('<body class="simulated">' in text) == ("SIMULATED" in stamps)
    assert ('<div class="stamps"' in text) == bool(stamps)
    assert all(f"<strong>{stamp}</strong>" in text and f"[{stamp}]" in text for stamp in stamps)


def test_a_figure_without_anything_is_a_picture():
    assert "<svg" in page(top=[Section("P", [Picture("p", "t", Figure())])])
