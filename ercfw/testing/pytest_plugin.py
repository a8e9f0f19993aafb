"""For pytest: every conformance check of a part as a test of its own, ``pytest --ercfw-check fusion/gated-sum``."""

from collections.abc import Iterable, Sequence
from typing import Any

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option."""
    help = "run the conformance checks of an installed part of ercfw, KIND/NAME, each as a test; repeatable"
    parser.getgroup("ercfw").addoption("--ercfw-check", action="append", default=[], metavar="KIND/NAME", help=help)


def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    """Add the checks of the parts that were asked for."""
    for part in config.getoption("--ercfw-check"):
        items.extend(_checks_of(session, part))


def _checks_of(session: pytest.Session, part: str) -> Iterable[pytest.Item]:
    from ercfw.errors import InputError
    from ercfw.registry.catalog import load_catalog
    from ercfw.testing.kit import CHECKS

    kind, _, name = part.rpartition("/")
    try:
        component = load_catalog().find(kind, name, f"--ercfw-check {part}")
    except InputError as error:
        raise pytest.UsageError(str(error)) from error
    parts: Sequence[Any] = CHECKS.get(kind, ())
    return [
        ConformanceItem.from_parent(session, name=f"{part}::{check.__name__}", part=component, check=check)
        for check in parts
    ]


class ConformanceItem(pytest.Item):
    """One check of one part."""

    def __init__(self, *, part: Any, check: Any, **more: Any) -> None:
        super().__init__(**more)
        self._part, self._check = part, check

    def runtest(self) -> None:
        """Run the check."""
        from ercfw.testing.kit import run_check, subject_of

        outcome = run_check(self._check, subject_of(self._part.kind, self._part.made_by))
        if outcome.status == "failed":
            pytest.fail(outcome.reason, pytrace=False)
        if outcome.status == "skipped":
            pytest.skip(outcome.reason)

    def reportinfo(self) -> tuple[Any, int | None, str]:
        """Where it stands."""
        return self.path, None, self.name
