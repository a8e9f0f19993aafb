"""The pytest plugin: ``pytest --ercfw-check fusion/gated-sum`` runs each conformance check of a part as a test."""

import warnings
from collections.abc import Iterable, Sequence
from typing import Any

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--ercfw-check``."""
    help = "run the conformance checks of an installed part of ercfw, KIND/NAME, each as a test; repeatable"
    parser.getgroup("ercfw").addoption("--ercfw-check", action="append", default=[], metavar="KIND/NAME", help=help)


def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    """Add the checks of the parts that ``--ercfw-check`` names.

    Raises:
        UsageError: there is no such part.
    """
    for part in config.getoption("--ercfw-check"):
        items.extend(_checks_of(session, part))


def _checks_of(session: pytest.Session, part: str) -> Iterable[pytest.Item]:
    from ercfw.contract.former_names import current_kind
    from ercfw.errors import InputError
    from ercfw.registry.catalog import load_catalog
    from ercfw.testing.conformance_kit import CHECKS

    kind, _, name = part.rpartition("/")
    kind = current_kind(kind, warnings.warn)
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
    """One check of one part, as a test."""

    def __init__(self, *, part: Any, check: Any, **more: Any) -> None:
        super().__init__(**more)
        self._part, self._check = part, check

    def runtest(self) -> None:
        """Run the check; fail or skip as it does."""
        from ercfw.testing.conformance_kit import known_failures, run_check, subjects_of
        from ercfw.testing.made_up_options import OptionsNeededError

        kind, factory = self._part.kind, self._part.factory
        try:
            subjects, _ = subjects_of(kind, factory)
        except OptionsNeededError as error:
            pytest.skip(f"test it with conformance(): {error}")
        outcome = run_check(self._check, subjects, known_failures(kind, factory)[0])
        if outcome.status == "failed":
            pytest.fail(outcome.reason, pytrace=False)
        if outcome.status == "xfailed":
            pytest.xfail(outcome.reason)
        if outcome.status == "skipped":
            pytest.skip(outcome.reason)

    def reportinfo(self) -> tuple[Any, int | None, str]:
        """Return what pytest shows as the place of the test."""
        return self.path, None, self.name
