"""Letters of other scripts in pictures: installed fonts draw them, or one hint names them."""

import warnings

import numpy as np
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from PIL import Image

from ercfw.report import plots
from ercfw.report.plots import glyphs
from ercfw.report.plots.confusion import draw_confusion
from ercfw.report.plots.glyphs import MissingGlyphs
from ercfw.report.plots.style import as_svg, titled

CORPUS = """\
conversation,utterance,speaker,text,label,split
a,0,张三,hello,高兴,train
a,1,张三,bye,悲伤,train
b,0,张三,hello,高兴,dev
c,0,张三,bye,悲伤,test
"""


@pytest.fixture
def installed(monkeypatch, tmp_path):
    """Function that installs a made-up font in which each of these letters is a black square."""
    (tmp_path / "damaged.ttf").write_bytes(b"junk")
    fonts = [str(tmp_path / "damaged.ttf"), str(tmp_path / "removed.ttf")]
    monkeypatch.setattr(glyphs.fontManager, "ttflist", list(glyphs.fontManager.ttflist))
    monkeypatch.setattr(glyphs, "findSystemFonts", lambda: list(fonts))
    glyphs._fallback.cache_clear()

    def install(letters, family):
        names = {ord(letter): f"u{ord(letter):X}" for letter in letters}
        builder = FontBuilder(1000, isTTF=True)
        builder.setupGlyphOrder([".notdef", *names.values()])
        builder.setupCharacterMap(names)
        builder.setupGlyf(dict.fromkeys([".notdef", *names.values()], square()))
        builder.setupHorizontalMetrics(dict.fromkeys([".notdef", *names.values()], (1000, 0)))
        builder.setupHorizontalHeader(ascent=1000, descent=0)
        builder.setupNameTable({"familyName": family, "styleName": "Regular", "psName": family.replace(" ", "")})
        builder.setupOS2()
        builder.setupPost()
        fonts.append(str(tmp_path / f"{family}.ttf"))
        builder.save(fonts[-1])

    yield install
    glyphs._fallback.cache_clear()


def square():
    pen = TTGlyphPen(None)
    pen.moveTo((0, 0))
    for corner in ((0, 1000), (1000, 1000), (1000, 0)):
        pen.lineTo(corner)
    pen.closePath()
    return pen.glyph()


def draw(path, classes=("高兴", "悲伤"), title="标题"):
    """Write a picture, and return Python's warnings about it."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        plots.save(titled(draw_confusion(np.eye(len(classes), dtype=int), classes), title, []), path)
    return caught


def test_installed_fonts_draw_what_the_default_font_lacks(installed, tmp_path):
    installed("高兴标题", "Sans Squares")
    installed("悲伤", "Other Squares")
    assert not draw(tmp_path / "a.png")
    assert not draw(tmp_path / "a.pdf")
    assert b"SansSquares" in (tmp_path / "a.pdf").read_bytes()
    across = np.asarray(Image.open(tmp_path / "a.png").convert("L"))[:40]  # the title
    assert (across < 50).sum() > 2 * 10 * 10, "two black squares"


@pytest.mark.parametrize("ending", ["png", "pdf"])
def test_letters_that_no_font_has_are_one_warning(installed, tmp_path, ending):
    installed("标题", "Title Squares")
    (warning,) = draw(tmp_path / f"a.{ending}")
    assert warning.category is MissingGlyphs
    assert "boxes for 伤 兴 悲 高, because no installed font" in str(warning.message)
    assert warning.filename == __file__


def test_an_svg_leaves_its_letters_to_whatever_shows_it(installed, tmp_path):
    assert not draw(tmp_path / "a.svg")
    assert "高兴" in (tmp_path / "a.svg").read_text()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        as_svg(draw_confusion(np.eye(1, dtype=int), ("高兴",)), "a")


def test_a_long_list_of_letters_is_cut():
    assert "boxes for 丰 丱 串 丳 临 丵 丶 丷 and 2 more," in str(MissingGlyphs(chr(0x4E30 + n) for n in range(10)))


@pytest.mark.pictures
def test_a_command_shows_one_hint_and_no_line_of_python(installed, cli, tiny_recipe, tmp_path):
    (tmp_path / "utterances.csv").write_text(CORPUS)
    np.save(tmp_path / "text.npy", np.eye(4, dtype=np.float32))
    assert cli("data", "stats", "table", "data.root=.", "--picture", "a.png").err.count("no installed font") == 1
    words = (
        "data.use=table",
        "data.root=.",
        "data.modalities=['text']",
    )
    ended = cli("run", tiny_recipe(), *words, "--seeds", "2", "--quiet")
    assert ended.code == 0, ended.err
    assert ended.err.count("no installed font") == 1
    assert "Glyph" not in ended.err
    assert ".py" not in ended.err
