"""The look of the page in a real browser: narrow and wide, light and dark, for eyes and for screen readers."""

import pytest
from axe_playwright_python.sync_playwright import Axe

from .conftest import AXE

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", ["run", "variants"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_fails_and_everything_can_be_reached(opened, pages, name, scheme, width):
    found = opened(pages / f"{name}.html", width, scheme)
    page = found.page
    page.locator("ol.utterances > li > button").nth(1).click()
    if name == "run":
        page.locator(".attention table").wait_for()
    result = Axe().run(page, options=AXE)
    violations = [
        (v["id"], v["nodes"][0]["html"][:200], v["nodes"][0]["failureSummary"]) for v in result.response["violations"]
    ]
    assert not violations
    assert found.said == []
    assert found.asked == [(pages / f"{name}.html").as_uri()], "no request leaves the page"
    assert page.evaluate("document.documentElement.scrollWidth") <= width, "only tables scroll sideways"


@pytest.mark.parametrize(
    ("harm", "found_by"),
    [
        ("document.querySelector('.small').style.color = '#c0c0c0'", "color-contrast"),
        ("const field = document.querySelector('#by-true'); field.closest('label').replaceWith(field)", "select-name"),
        ("document.querySelector('.picture').removeAttribute('aria-label')", "role-img-alt"),
        ("document.documentElement.removeAttribute('lang')", "html-has-lang"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_would_be_found(opened, pages, harm, found_by):
    page = opened(pages / "run.html").page
    page.evaluate(harm)
    assert found_by in {violation["id"] for violation in Axe().run(page, options=AXE).response["violations"]}


def test_a_simulated_page_says_so_wherever_one_looks(opened, pages):
    page = opened(pages / "run.html").page
    assert page.title().startswith("[SIMULATED]")
    for _ in range(3):
        page.mouse.wheel(0, 2000)
        page.wait_for_timeout(50)
        stamp = page.locator(".stamps").bounding_box()
        assert stamp["y"] >= 0
        assert stamp["height"] > 25
        assert page.evaluate("document.elementFromPoint(640, 15).closest('.stamps') !== null")


@pytest.mark.parametrize("name", ["run", "variants"])
@pytest.mark.parametrize("width", [390, 1440])
def test_tables_that_are_cut_say_so_and_only_these(opened, pages, name, width):
    page = opened(pages / f"{name}.html", width).page
    page.wait_for_function("document.querySelector('.scroll.end, .scroll.cut') !== null")
    for box in page.locator(".scroll").all():
        is_cut = box.evaluate("box => box.scrollWidth > box.clientWidth + 1")
        hint = box.locator("xpath=following-sibling::*[1]")
        assert (hint.get_attribute("class"), hint.is_visible()) == ("hint", is_cut)
    assert width > 390 or page.locator(".scroll.cut").count(), "a telephone is too narrow for some"


def test_a_wide_screen_has_two_columns_and_a_telephone_one(opened, pages):
    def columns(width):
        boxes = [panel.bounding_box() for panel in opened(pages / "run.html", width).page.locator(".panel").all()]
        return {round(box["x"]) for box in boxes}

    assert len(columns(1440)) == 2
    assert len(columns(390)) == 1


@pytest.mark.parametrize("name", ["run", "variants"])
def test_the_letters_of_pictures_can_be_read_on_a_telephone(opened, pages, name):
    page = opened(pages / f"{name}.html", 390).page
    heights = page.evaluate(
        "[...document.querySelectorAll('figure svg text')].map((text) => "
        "parseFloat(getComputedStyle(text).fontSize) * Math.hypot(text.getScreenCTM().c, text.getScreenCTM().d))"
    )
    assert heights
    assert min(heights) >= 8.5, "CSS pixels"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_light_and_dark(opened, pages, scheme):
    page = opened(pages / "run.html", scheme=scheme).page
    papers = {"light": "rgb(255, 255, 255)", "dark": "rgb(21, 21, 26)"}
    paper = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(paper) == papers[scheme]
    ink = page.evaluate("getComputedStyle(document.querySelector('figure svg text')).fill")
    assert (ink == "rgb(27, 27, 31)") == (scheme == "light"), "pictures follow"
    page.get_by_role("button", name="Theme").click()
    assert page.evaluate(paper) == papers["dark" if scheme == "light" else "light"]
