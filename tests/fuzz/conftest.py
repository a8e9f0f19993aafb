"""What all fuzzing shares: how many cases, what each of them must keep to, and how files and tables are damaged.

The suite tries the same cases each time. A long hunt tries 50 times as many, and others each time:
``ERCFW_FUZZ=50 python -m pytest tests/fuzz``.
"""

import copy
import os
import pickle
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from ercfw.errors import ErcfwError, InputError
from ercfw.system.peak_memory import RESET

TIMES = int(os.environ.get("ERCFW_FUZZ", "1"))
DEADLINES = {signal.ITIMER_PROF: (signal.SIGPROF, 20), signal.ITIMER_REAL: (signal.SIGALRM, 300)}
"""Seconds that no case may take: of the processor a hundred times what the slowest needs; of the clock far more,
since a machine that does much else may stand still for long."""
MOST_SAID = 10_000
NEVER = {"pickle.find_class", "os.system", "os.exec", "os.posix_spawn", "subprocess.Popen", "socket.connect"}
CHANGES = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chmod"}
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "cases(n): how many cases hypothesis tries")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for marker in item.iter_markers("cases"):
            settings(
                max_examples=marker.args[0] * TIMES,
                derandomize=TIMES == 1,
                deadline=None,  # ``watched`` has one that ends a case
                suppress_health_check=list(HealthCheck),
            )(item.obj)


class TookTooLong(BaseException):
    """No handler of ordinary errors may swallow it."""


class Watch:
    """What Python does while a case is tried, as its audit hooks tell; one cannot be taken away, so there is one."""

    active = False
    folder = Path()
    seen: list[str]

    def __call__(self, event: str, arguments: tuple[object, ...]) -> None:
        if not self.active:
            return
        writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITES
        if event in NEVER or ((writes or event in CHANGES) and self._elsewhere(arguments)):
            self.seen.append(f"{event} {arguments}")

    def _elsewhere(self, arguments: tuple[object, ...]) -> bool:
        path = next((Path(os.fsdecode(a)).absolute() for a in arguments if isinstance(a, str | bytes | Path)), None)
        if path is None or "__pycache__" in path.parts or path in (Path(os.devnull), RESET):
            return False
        return not path.is_relative_to(self.folder)


WATCH = Watch()
sys.addaudithook(WATCH)


@contextmanager
def watched(folder: Path) -> Iterator[None]:
    """Ends the block when it takes too long; fails if it runs code, opens a pickle, or writes outside the folder."""

    def stop(number: int, frame: object) -> None:
        raise TookTooLong

    before = {number: signal.signal(number, stop) for number, _ in DEADLINES.values()}
    for timer, (_, seconds) in DEADLINES.items():
        signal.setitimer(timer, seconds)
    WATCH.active, WATCH.folder, WATCH.seen = True, folder, []
    try:
        yield
    except TookTooLong as error:
        raise AssertionError("took too long") from error
    finally:
        WATCH.active = False
        for timer in DEADLINES:
            signal.setitimer(timer, 0)
        for number, handler in before.items():
            signal.signal(number, handler)
    assert not WATCH.seen


class Bearable:
    """Tries cases: each ends well, or in one of our errors that says what is wrong in few words."""

    def __init__(self) -> None:
        self.tried = 0

    def __call__(
        self, case: Callable[[], object], names: str | Path = "", kind: type[ErcfwError] = InputError
    ) -> ErcfwError | None:
        """The error of this kind that it ended in; its message holds ``names``."""
        self.tried += 1
        with watched(Path.cwd()):
            try:
                case()
            except ErcfwError as error:
                reported = error
            else:
                return None
        said = str(reported)
        assert len(said) <= MOST_SAID
        assert all(line.isprintable() for line in said.splitlines()), said
        assert str(names) in said
        assert isinstance(reported, kind)
        return reported


@pytest.fixture
def bearable(request: pytest.FixtureRequest) -> Iterator[Bearable]:
    """``bearable(case)`` tries one; at the end as many were tried as the test's mark promises."""
    trier, failed = Bearable(), request.session.testsfailed
    yield trier
    for marker in request.node.iter_markers("cases"):
        assert trier.tried >= marker.args[0] or request.session.testsfailed > failed


class Planted:
    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("ran"),)


@pytest.fixture
def planted() -> Iterator[bytes]:
    """A pickle that no case may open: it would make a file."""
    yield pickle.dumps(Planted())
    assert not Path("ran").exists()


@st.composite
def _damaged(draw: st.DrawFn, content: bytes, words: Sequence[bytes] = (b"",)) -> bytes:
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(content)))
        end = start + draw(st.sampled_from([0, 1, 1, 2, 5, 60]))
        copied = draw(st.integers(0, len(content)))
        filling = draw(
            st.integers(0, 300).map(lambda size: content[copied : copied + size])  # noqa: B023
            | st.sampled_from(words)
            | st.text(st.characters(codec="ascii"), max_size=8).map(str.encode)
            | st.binary(max_size=8)
        )
        content = content[:start] + filling + content[end:]
    return content


@pytest.fixture
def damaged() -> Callable[..., st.SearchStrategy[bytes]]:
    """``damaged(content, words)``: the bytes with some places cut out, overwritten, doubled or filled with words."""
    return _damaged


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every path in nested tables and lists."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [deeper for key, item in items for deeper in [(*path, key), *places(item, (*path, key))]]


@st.composite
def _changed(draw: st.DrawFn, value: Any, values: st.SearchStrategy[Any], keys: st.SearchStrategy[str]) -> Any:
    value = copy.deepcopy(value)
    for _ in range(draw(st.integers(1, 4))):
        known = places(value)
        if not known:
            break
        *parents, key = draw(st.sampled_from(known))
        table = reduce(getitem, parents, value)
        match draw(st.sampled_from(["set", "set", "add", "delete", "copy"])):
            case "set":
                table[key] = draw(values)
            case "add" if isinstance(table, dict):
                table[draw(keys)] = draw(values)
            case "delete":
                del table[key]
            case "copy":
                table[key] = copy.deepcopy(reduce(getitem, draw(st.sampled_from(known)), value))
    return value


@pytest.fixture
def changed() -> Callable[..., st.SearchStrategy[Any]]:
    """``changed(value, values, keys)``: nested tables and lists, something in them set, added, taken away or copied."""
    return _changed


@pytest.fixture
def anything() -> st.SearchStrategy[Any]:
    """Whatever JSON can hold."""
    leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3)
    inside = st.text(max_size=3)
    return st.recursive(
        leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(inside, inner, max_size=3), max_leaves=8
    )
