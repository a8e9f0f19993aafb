"""Clips whose sound is digital silence are counted, by every command that reads them."""

import json
import wave
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("av", reason="the sound extra is not installed")
pytest.importorskip("opensmile", reason="the opensmile extra is not installed")

from ercfw.contract.conversation import Clip
from ercfw_media.clips import is_silent

RECIPE = """
schema = 1
title = "t"
[data]
use = "table"
root = "c"
modalities = ["audio"]
[features.audio]
use = "opensmile"
[encoder.default]
use = "linear"
[head.emotion]
use = "linear"
[loss.cross-entropy]
[train]
epochs = 1
"""
SAID = "stream 'audio': clips whose sound is digital silence: "


def sound(path: Path, height: int, seconds: float = 0.5) -> Path:
    tone = np.round(height * np.sin(np.arange(int(16_000 * seconds)) / 12)).astype("<i2")
    path.parent.mkdir(exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(tone.tobytes())
    return path


@pytest.fixture
def recipe():
    lines = ["conversation,utterance,speaker,text,label,split,clip"]
    for number, (split, height) in enumerate(
        [("train", 900), ("train", 800), ("dev", 700), ("test", 0), ("test", 0), ("test", 1)]
    ):
        sound(Path(f"c/{number}.wav"), height, 0.5 + number / 100)
        lines.append(f"v{number},0,A,hi,{'joy' if number % 2 else 'sad'},{split},{number}.wav")
    Path("c/utterances.csv").write_text("\n".join([*lines, ""]))
    Path("r.toml").write_text(RECIPE)
    return "r.toml"


def test_only_sound_whose_every_sample_is_zero_is_silent(tmp_path):
    assert is_silent(Clip(sound(tmp_path / "a.wav", 0)), 16_000) is True
    assert is_silent(Clip(sound(tmp_path / "b.wav", 1)), 16_000) is False
    half = sound(tmp_path / "c.wav", 0, 1.0)
    content = half.read_bytes()
    half.write_bytes(content[:-2000] + bytes([100]) * 2000)
    assert is_silent(Clip(half), 16_000) is False
    assert is_silent(Clip(half, 0.1, 0.5), 16_000) is True


def test_extract_run_predict_and_data_check_count_silent_clips(cli, recipe):
    for words in (["extract", recipe], ["extract", recipe, "--check-clips"], ["run", recipe]):
        ended = cli(*words)
        assert ended.code == 0
        assert ended.err.count(f"warning: {SAID}2 of 6 (v3 0, v4 0)") == 1
    given = cli("predict", "runs/r/base/seed-0", "c/utterances.csv")
    assert given.code == 0
    assert given.err.count(f"warning: {SAID}2 of 6 (v3 0, v4 0)") == 1
    (found,) = json.loads(cli("extract", recipe, "--json").out)
    assert (found["present"], found["silent"]) == (6, f"{SAID}2 of 6 (v3 0, v4 0)")
    metrics = json.loads(Path("runs/r/base/seed-0/metrics.json").read_text())
    assert f"{SAID}2 of 6 (v3 0, v4 0)" in metrics["warnings"]
    for words in ([recipe], ["table", "data.root=c"]):
        findings = json.loads(cli("data", "check", *words, "--json").out)["findings"]
        silent = [(each["level"], each["about"], each["what"]) for each in findings if "silen" in each["what"]]
        assert silent == [("doubtful", "test", f"{SAID}2 of 3 (v3 0, v4 0)")]


def test_nothing_to_extract_is_a_warning(cli, recipe):
    for path in Path("c").glob("*.wav"):
        path.unlink()
    ended = cli("extract", recipe)
    assert ended.code == 0
    assert "warning: table c/utterances.csv: clips that are missing: 6" in ended.err
    assert "warning: stream 'audio': no utterance has what opensmile reads" in ended.err


def test_clips_with_sound_are_not_mentioned(cli, recipe):
    for number in (3, 4):
        sound(Path(f"c/{number}.wav"), 500 + number)
    assert "silence" not in cli("extract", recipe).err
