"""A real browser, headless, and pages to open in it."""

import csv
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from ercfw.report.html import as_html
from ercfw.report.page import make_page
from ercfw.results.finished_run import find_groups

NAMES = ("chromium", "chromium-browser", "google-chrome")
# Nobody outside is to be asked for anything: no updates, no accounts.
QUIET = (
    "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--disable-quic",
)  # fmt: skip
AXE = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]}
"""Rules of the accessibility check."""


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium; where there is none the test is skipped, but for continuous integration, where it must be."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        assert not os.environ.get("CI"), "continuous integration needs a Chromium: make browser"
        pytest.skip("no Chromium on this machine: make browser")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=found, args=QUIET)
        yield opened
        opened.close()


class Opened:
    """A page in the browser, and all that it said and asked for.

    Attributes:
        page: to be read and used.
        said: on the console, warnings and errors too.
        asked: addresses that were asked for, the file's own too.
    """

    def __init__(self, page: Page) -> None:
        self.page = page
        self.said: list[str] = []
        self.asked: list[str] = []
        page.set_default_timeout(10_000)
        page.on("console", lambda message: self.said.append(message.text))
        page.on("pageerror", lambda error: self.said.append(str(error)))
        page.on("request", lambda request: self.asked.append(request.url))


@pytest.fixture
def opened(browser: Browser) -> Iterator[Callable[..., Opened]]:
    """``opened(path, width=390, scheme="dark")``: a report in a window of that width."""
    contexts = []

    def open_it(path: Path, width: int = 1280, scheme: str = "light") -> Opened:
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
        contexts.append(context)
        found = Opened(context.new_page())
        found.page.goto(path.as_uri())
        return found

    yield open_it
    for context in contexts:
        context.close()


@pytest.fixture(scope="session")
def rows_of_test() -> Callable[[Path], list[dict[str, str]]]:
    """Rows of test in a run's ``predictions.csv``, read without ercfw."""

    def read(folder: Path) -> list[dict[str, str]]:
        with (folder / "predictions.csv").open(newline="", encoding="utf-8") as file:
            return [row for row in csv.DictReader(file) if row["split"] == "test"]

    return read


@pytest.fixture(scope="session")
def pages(runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Reports of a run that attends, and of two variants."""
    folder = tmp_path_factory.mktemp("pages")
    for name, words in {"run": ["attending/seed-0"], "variants": ["base", "w-o-audio"]}.items():
        groups = find_groups([runs / word for word in words])
        (folder / f"{name}.html").write_text(as_html(make_page(groups, lambda *_: None, True)), encoding="utf-8")
    return folder


@pytest.fixture
def mine(runs: Path, tmp_path: Path) -> Path:
    """A copy that may be changed."""
    return shutil.copytree(runs, tmp_path / "mine")


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")
