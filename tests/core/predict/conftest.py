"""A corpus that a plugin file makes, with texts, clips and a feature file, and two runs that learnt it."""

import csv
import shutil
import sys
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from ercfw.contract.feature_table import FeatureTable
from ercfw.results.model_file import load_model, save_model

PLUGIN = '''\
import csv
from pathlib import Path

import numpy as np

from ercfw import Conversation, Dataset, Extractor, InputError, Provenance, hookimpl
from ercfw.contract.conversation import Clip
from ercfw.errors import BrokenClipError
from ercfw.contract.interfaces import ClipExtractor

CLASSES = ("calm", "joy", "rage")


class Shelf(Dataset):
    def __init__(self, *, root: Path):
        self.targets, self.modalities = {"emotion": CLASSES}, ()
        self.provenance = Provenance("a shelf")
        with (root / "all.csv").open(newline="") as file:
            self._rows = list(csv.DictReader(file))
        self._root = root

    def split(self, name):
        names = dict.fromkeys(row["conversation"] for row in self._rows if row["split"] == name)
        return [self._one(n, name, [row for row in self._rows if row["conversation"] == n]) for n in names]

    def _one(self, name, split, rows):
        labels = {"emotion": np.array([CLASSES.index(row["label"]) for row in rows])}
        said = [tuple(row[key] for row in rows) for key in ("utterance", "speaker", "text")]
        clips = tuple(Clip(self._root / row["clip"]) for row in rows)
        return Conversation(name, split, *said, labels, clips=clips)


class Letters(Extractor):
    """Counts of letters, and the length of what was said before: it reads the conversation so far."""
    reads, dim = "text", 4
    fingerprint = "letters"

    def extract(self, conversation):
        before = [0, *map(len, conversation.texts)]
        return [
            np.array([*(t.count(c) for c in "aeo"), before[i] / 10], np.float32) if t.strip() else None
            for i, t in enumerate(conversation.texts)
        ]


class Bytes(ClipExtractor):
    """Mean and size of a clip's bytes, and where it is cut."""
    reads, dim = "audio", 4
    fingerprint = "bytes"

    def extract_clip(self, clip):
        data = np.frombuffer(clip.path.read_bytes(), np.uint8)
        if not len(data):
            raise BrokenClipError("is empty")
        return np.array([data.mean() / 100, len(data) / 10, clip.start, clip.end or 0], np.float32)


@hookimpl
def provide_datasets():
    return {"shelf": Shelf}


@hookimpl
def provide_extractors():
    return {"letters": Letters, "bytes": Bytes}
'''

RECIPE = """\
schema = 1
title = "Shelf"
plugins = ["./shelf.py"]

[data]
use = "shelf"
root = "{root}"
modalities = ["text", "audio", "visual"]
batch_size = 3

[features.text]
use = "letters"

[features.audio]
use = "bytes"

[features.visual]
file = "{root}/visual.safetensors"
fitted_on = "nothing"

[encoder.default]
use = "linear"
width = 6

[context.text]
use = "gru"
width = 6
bidirectional = false

[fusion]
use = "concat"

[context.joint]
use = "transformer"
width = 8
heads = 2
causal = true
speakers = true

[head.emotion]
use = "linear"

[loss.cross-entropy]

[train]
epochs = 2
lr = 1e-2
device = "cpu"

[[variant]]
name = "both ways"
set = {{ context = {{ text = {{ bidirectional = true }}, joint = {{ causal = false }} }} }}
"""
COLUMNS = ("split", "conversation", "utterance", "speaker", "text", "label", "clip")


def make_corpus(root: Path) -> list[dict[str, str]]:
    draw = np.random.default_rng(0)
    rows = []
    for number in range(9):
        split = ("train", "train", "train", "dev", "test")[min(number // 2, 4)]
        for place in range(int(draw.integers(2, 6))):
            clip = f"c{number}_{place}.wav"
            (root / clip).write_bytes(draw.bytes(int(draw.integers(5, 30))))
            text = " ".join(draw.choice(["oh", "a tree", "well, no", "eel", "so be it"], 3))
            speaker, label = draw.choice(["Ann", "Bob", "Cy"]), draw.choice(["calm", "joy", "rage"])
            rows.append(
                dict(zip(COLUMNS, (split, f"c{number}", str(2 * place), speaker, text, label, clip), strict=True))
            )
    write_csv(root / "all.csv", rows)
    ids = tuple((row["conversation"], row["utterance"]) for row in rows)
    values = draw.normal(size=(len(ids), 3)).astype(np.float32)
    FeatureTable(ids, values, np.ones(len(ids), bool), fitted_on="nothing").save(root / "visual.safetensors")
    return rows


def write_csv(path: Path, rows: list[dict[str, str]], *without: str) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [key for key in rows[0] if key not in without], extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    return path


def table_of(shelf, *without, splits=("dev", "test")):
    rows = [row for row in shelf.rows if row["split"] in splits]
    return write_csv(shelf.root / f"{'-'.join(splits)}-without-{'-'.join(without)}.csv", rows, *without)


def save_as(path, weights, info, about):
    """Write a model file again, with what stands beside its weights."""
    save_model(path, weights, info, {key: value for key, value in about.items() if key not in ("format", "info")})


def changed(shelf, tmp_path, change):
    """A copy of a run of which ``change`` has altered what stands beside its weights."""
    run = tmp_path / "changed"
    shutil.copytree(shelf.causal, run)
    weights, info, about = load_model(run / "model.safetensors")
    change(about)
    save_as(run / "model.safetensors", weights, info, about)
    return run


@pytest.fixture(scope="session")
def shelf(tmp_path_factory):
    """``root`` of the corpus, its ``rows``, and the folders of two runs: ``causal`` and ``both_ways``."""
    from ercfw.cli import main

    root = tmp_path_factory.mktemp("shelf")
    rows = make_corpus(root)
    (root / "shelf.py").write_text(PLUGIN, encoding="utf-8")
    (root / "shelf.toml").write_text(RECIPE.format(root=root), encoding="utf-8")
    out = root / "runs"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ERCFW_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("ERCFW_STATE", str(tmp_path_factory.getbasetemp() / "state"))
        words = ["ercfw", "run", str(root / "shelf.toml"), "--variant", "all", "--out", str(out), "--quiet", "--trust"]
        patch.setattr(sys, "argv", words)
        patch.setattr("ercfw.experiment.run_all.default_processes", lambda: 1)  # others take seconds to start
        with suppress(SystemExit):
            main()
    folders = {name: out / "shelf" / name / "seed-0" for name in ("base", "both-ways")}
    assert all((folder / "metrics.json").is_file() for folder in folders.values())
    return SimpleNamespace(root=root, rows=rows, causal=folders["base"], both_ways=folders["both-ways"])
