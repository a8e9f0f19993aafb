"""Files of corpora in their real form, made for the tests: nothing of a real corpus is in them."""

import warnings
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

MELD_HEADER = "Utterance,Speaker,Emotion,Dialogue_ID,Utterance_ID,StartTime,EndTime"


@pytest.fixture
def sound() -> Callable[..., Path]:
    """``sound(path, seconds)``: silence; what opens it goes by its content, so it may be named like a video."""

    def write(path: Path, seconds: float = 1.0) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        with wave.open(str(path), "wb") as file:
            file.setparams((1, 2, 8000, 0, "NONE", ""))
            file.writeframes(bytes(2 * round(8000 * seconds)))
        return path

    return write


@pytest.fixture
def meld_files() -> Callable[..., Path]:
    """``meld_files(root, train=[...])``: MELD's annotations; a split without lines has one utterance, (0, 0)."""

    def write(root: Path, **lines: list[str]) -> Path:
        root.mkdir(exist_ok=True)
        for split in ("train", "dev", "test"):
            rows = lines.get(split, ['Hi,Ann,joy,0,0,"0:00:01,0","0:00:02,0"'])
            (root / f"{split}_sent_emo.csv").write_text("\n".join([MELD_HEADER, *rows, ""]), encoding="utf-8")
        return root

    return write


@pytest.fixture
def reported() -> Callable[..., tuple[Any, list[str]]]:
    """``reported(Meld, root=...)``: what was made, and the warnings on the way."""

    def call(make: Callable[..., Any], *args: Any, **options: Any) -> tuple[Any, list[str]]:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            made = make(*args, **options)
        return made, [str(warning.message) for warning in caught]

    return call


@pytest.fixture
def silent(reported: Callable[..., tuple[Any, list[str]]]) -> Callable[..., Any]:
    """``silent(Meld, root=...)``: what was made, without a warning."""

    def call(make: Callable[..., Any], *args: Any, **options: Any) -> Any:
        made, said = reported(make, *args, **options)
        assert said == []
        return made

    return call
