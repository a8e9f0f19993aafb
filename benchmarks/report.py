"""Measure how long a report of MELD's size takes to make and to open, and how large it is.

    python benchmarks/report.py

The run trains MultiEMO for one epoch on simulated conversations of MELD's size. Headless Chromium opens the file, until
the page and its script are ready. An empty page shows how long the browser itself takes.
"""

import shutil
import tempfile
from pathlib import Path

import bench
import product
from playwright.sync_api import sync_playwright

from ercfw.experiment.run_all import RunOptions, run_jobs
from ercfw.report.html import as_html
from ercfw.report.page import make_page
from ercfw.results.finished_run import find_groups
from ercfw.system.terminal import Terminal

AIM, MEGABYTES = "2 s", "6 MB"
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
EMPTY = "<!doctype html><title>empty</title>"


def main() -> None:
    arguments = bench.parse(bench.make_parser(__doc__, rounds=6))
    with tempfile.TemporaryDirectory() as temporary, sync_playwright() as playwright:
        folder = Path(temporary)
        job = product.multiemo("cpu", arguments.quick, "train.epochs=1")
        (run,) = run_jobs([job], RunOptions(folder / "runs"), Terminal(quiet=True, silent=True))
        groups = find_groups([run.folder])
        pages = {"empty page": EMPTY, "report": ""}

        def make() -> None:
            pages["report"] = as_html(make_page(groups, lambda *_: None, True))

        seconds = bench.medians({"make the report": bench.timed(make)}, 2)
        for name, text in pages.items():
            (folder / f"{name}.html").write_text(text, encoding="utf-8")
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=QUIET)

        def open_page(name: str) -> None:
            page = browser.new_page()
            page.goto((folder / f"{name}.html").as_uri(), wait_until="load")
            page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
            page.close()

        clocks = {f"open the {name}": bench.timed(lambda name=name: open_page(name)) for name in pages}
        seconds |= bench.medians(clocks, arguments.rounds)
        browser.close()
    utterances = run.metrics.size("test").utterances
    bench.print_seconds(seconds, *seconds)
    print(f"  open the report: {seconds['open the report']:.2f} s   (aim: {AIM}; {utterances} utterances of test)")
    print(f"  size: {len(pages['report'].encode()) / 1e6:.2f} MB   (aim: {MEGABYTES})")
    bench.print_ratio(seconds, "open the report", "open the empty page")


if __name__ == "__main__":
    main()
