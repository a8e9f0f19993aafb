import os
from collections.abc import Callable
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("ERCFW_TEST_DATA", CHECKOUT.parent / "shared" / "data"))


@pytest.fixture(scope="session")
def real_data() -> Callable[[str], Path]:
    """The folder of a real corpus; skips where it is absent."""

    def folder(name: str) -> Path:
        if not (DATA / name).is_dir():
            pytest.skip(f"real data are not at {DATA / name}")
        return DATA / name

    return folder


@pytest.fixture
def bare(tmp_path, monkeypatch) -> Path:
    """A working directory without any data, and no say from the environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ERCFW_REQUIRE_REAL", raising=False)
    return tmp_path
