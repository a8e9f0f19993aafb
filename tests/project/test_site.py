"""The documentation site builds without a warning, and its reference shows what the code says."""

import importlib.util
import inspect
import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlsplit

import pytest

import ercfw
from ercfw.registry.catalog import KINDS, load_catalog

CHECKOUT = Path(__file__).resolve().parents[2]
OURS = ("ercfw_",)
FETCHED = {("script", "src"), ("link", "href"), ("img", "src"), ("iframe", "src"), ("source", "src")}
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("mkdocs") is None or importlib.util.find_spec("mkdocstrings") is None,
        reason="needs the extra docs",
    ),
]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Build the site from another folder, in an environment that has another checkout installed."""
    folder, other = tmp_path_factory.mktemp("site"), tmp_path_factory.mktemp("other")
    for package in (CHECKOUT / "ercfw", *(CHECKOUT / "plugins").glob("ercfw_*")):
        shutil.copytree(package, other / package.name, ignore=shutil.ignore_patterns("__pycache__"))
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", folder, "-f", CHECKOUT / "mkdocs.yml"],
        cwd=other, env={**os.environ, "NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": str(other)},
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    assert "WARNING" not in built.stderr
    return folder


class Page(HTMLParser):
    """The ids and the words of a page, and whatever it makes a browser fetch."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.fetched: list[str] = []
        self.links: list[str] = []
        self.words: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        for key, value in attrs:
            if key == "id":
                self.ids.add(value)
                self.words.append(f"\n@{value}\n")
            if (tag, key) in FETCHED and value and dict(attrs).get("rel") not in ("canonical", "prev", "next"):
                self.fetched.append(value)
            if (tag, key) == ("a", "href"):
                self.links.append(value)

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return " ".join("".join(self.words).split())


def sections(page: Page) -> dict[str, str]:
    """What stands under each id, to the next one."""
    parts = re.split(r"\n@(\S+)\n", "".join(page.words))
    return {name: " ".join(text.split()) for name, text in zip(parts[1::2], parts[2::2], strict=True)}


@pytest.mark.parametrize("kind", KINDS)
def test_every_shipped_part_is_described_by_its_signature_and_docstring(site, kind):
    described = sections(Page(site / "reference" / f"{kind}.html"))
    shipped = [c for c in load_catalog().components(kind) if c.factory.__module__.startswith(OURS)]
    assert shipped or kind == "optimizer"  # all of those are torch's
    for component in shipped:
        words = described[component.name]
        first = inspect.getdoc(component.factory).splitlines()[0].replace("`", "")
        assert first.rstrip(".:")[:40] in words, component.name
        if KINDS[kind][1] is None:
            continue  # a function has no options
        for parameter in inspect.signature(component.factory).parameters.values():
            if parameter.kind is inspect.Parameter.KEYWORD_ONLY:
                assert re.search(rf"\b{parameter.name}\b", words), f"{component.name}: {parameter.name}"
                if isinstance(parameter.default, int | float | str) and not isinstance(parameter.default, bool):
                    assert str(parameter.default) in words, f"{component.name}: {parameter.name}"


def test_everything_that_imports_from_ercfw_has_its_place(site):
    page = Page(site / "reference" / "python.html")
    assert {f"ercfw.{name}" for name in ercfw.__all__} | {"ercfw.testing.conformance"} <= page.ids


def test_every_page_of_the_docs_is_in_the_menu(site):
    links = {link.partition("#")[0] for link in Page(site / "index.html").links}
    pages = {f"{page.stem}.html" for page in CHECKOUT.glob("docs/*.md")}
    assert pages | {f"reference/{kind}.html" for kind in [*KINDS, "python"]} <= links


def test_links_lead_somewhere(site):
    pages = {path.relative_to(site).as_posix(): Page(path) for path in site.rglob("*.html")}
    for name, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc or not parts.path or name == "404.html":
                continue
            target = (site / name).parent.joinpath(parts.path).resolve()
            assert target.exists(), f"{name}: {link}"
            if parts.fragment and target.suffix == ".html":
                assert parts.fragment in pages[target.relative_to(site.resolve()).as_posix()].ids, f"{name}: {link}"


def test_a_page_asks_nobody_else_for_anything(site):
    for path in site.rglob("*.html"):
        assert not [url for url in Page(path).fetched if urlsplit(url).netloc], path
