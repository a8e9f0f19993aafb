"""Write docs/messages.md: every message of the tests of bad input, side by side.

    python tests/messages.py [PATH ...]

It runs the tests (all fast ones without PATH), takes each message of a command that ended with exit code 2, and
replaces what differs from run to run. The tests of ``CHECKED`` fail if their messages are not on the page.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
PAGE = CHECKOUT / "docs" / "messages.md"
COLLECT = "ERCFW_TEST_MESSAGES"
"""Environment variable: the folder that the tests write their messages to."""
RANDOM = "tests/fuzz/"
CHECKED = ("tests/promises/test_bad_input.py", "tests/promises/test_bad_data.py")
HEAD = """\
# Messages

The messages that commands print when their input is wrong, as the tests produce them. Each names the place and the
fault, and shows in brackets what would be right. The command then ends with exit code 2. `...` stands for a path.

This page is generated: `python tests/messages.py`.
"""
CHANGING = (
    (re.compile(r"(?:/[\w.+=,~ \[\]()-]+)*/pytest-[\w./-]*?/(?=[\w.-]*)"), ".../"),
    (re.compile(r"\b[0-9a-f]{12,64}\b"), "<hash>"),
    (re.compile(r"/cache\d+\b"), "/cache"),
)


def plain(message: str, folder: Path) -> str:
    """Return a message without what differs from run to run."""
    text = message.replace(str(CHECKOUT), "...")
    for place in (folder, *folder.parents[:3]):
        text = text.replace(f"{place}/", ".../").replace(str(place), "...")
    for pattern, instead in CHANGING:
        text = pattern.sub(instead, text)
    return text


def keep(test: Path, messages: Iterable[str]) -> None:
    """Keep the messages of a test for the page if it is being written; else check that the page shows them."""
    name = test.relative_to(CHECKOUT).as_posix()
    if name.startswith(RANDOM):
        return
    if COLLECT in os.environ:
        with (Path(os.environ[COLLECT]) / f"{os.getpid()}.jsonl").open("a", encoding="utf-8") as file:
            file.writelines(json.dumps([name, message]) + "\n" for message in messages)
    elif name in CHECKED:
        shown = set(PAGE.read_text(encoding="utf-8").splitlines())
        missing = [message for message in messages if message not in shown]
        assert not missing, f"docs/messages.md does not show {missing}: run python tests/messages.py"


def page(found: Mapping[str, Iterable[str]]) -> str:
    """Return the page: one list of messages per file of tests."""
    sections = []
    for name, messages in sorted(found.items()):
        heading = name.removeprefix("tests/").removesuffix(".py").replace("/test_", ": ").replace("_", " ")
        lines = "\n".join(dict.fromkeys(sorted(messages)))
        sections.append(f"## {heading}\n\n```text\n{lines}\n```\n")
    return "\n".join([HEAD, *sections])


def main() -> None:
    """Run the tests and write the page."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "-m", "not slow", *(sys.argv[1:] or ["tests"])]
        ended = subprocess.run(command, cwd=CHECKOUT, env={**os.environ, COLLECT: folder}, check=False)
        found: dict[str, list[str]] = {}
        for path in Path(folder).glob("*.jsonl"):
            for line in path.read_text(encoding="utf-8").splitlines():
                test, message = json.loads(line)
                found.setdefault(test, []).append(message)
    if ended.returncode:
        raise SystemExit(f"tests failed, so {PAGE} was not written")
    PAGE.write_text(page(found), encoding="utf-8")


if __name__ == "__main__":
    main()
