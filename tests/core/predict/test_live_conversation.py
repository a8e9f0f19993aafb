"""Utterances that come one by one are answered as in the whole conversation."""

import numpy as np
import pytest
import torch
from torch import nn

import ercfw
from ercfw import DataInfo, HeadOutput, ModalitySpec, Model, Outputs, Rows, TargetSpec
from ercfw.contract.conversation import Clip, Conversation
from ercfw.contract.feature_table import FeatureTable
from ercfw.errors import InputError, RunError
from ercfw.predict.saved_run import SavedRun
from ercfw.predict.trained_model import TrainedModel
from ercfw.recipe.schema import parse_recipe
from ercfw.registry.catalog import Catalog

from .conftest import write_csv

TEXTS = ["oh a tree", "", "well, no", "so be it", "eel"]
SPEAKERS = ["Ann", "Bob", "Ann", "Cy", "Bob"]


@pytest.fixture
def clips(tmp_path):
    paths = [tmp_path / f"{n}.wav" for n in range(len(TEXTS))]
    for number, path in enumerate(paths):
        path.write_bytes(bytes(range(number, 3 * number + 4)))
    return [Clip(paths[0]), Clip(paths[1], 0.5, 2.0), None, Clip(paths[3]), Clip(paths[4])]


def close(one, other):
    assert one.predicted == other.predicted
    for target, values in one.probabilities.items():
        assert values == pytest.approx(dict(other.probabilities[target]), abs=1e-5)


def test_live_is_as_the_whole(shelf, clips):
    model = ercfw.load(shelf.causal)
    visual = np.random.default_rng(1).normal(size=(len(TEXTS), 3)).astype(np.float32)
    live = model.live()
    answers = [
        live.add(text, speaker, clip, {"visual": values} if number != 1 else None)
        for number, (text, speaker, clip, values) in enumerate(zip(TEXTS, SPEAKERS, clips, visual, strict=True))
    ]
    assert live.warnings == []
    assert [(a.conversation, a.utterance, a.speaker, a.text) for a in answers] == [
        ("live", str(n), speaker, text) for n, (speaker, text) in enumerate(zip(SPEAKERS, TEXTS, strict=True), 1)
    ]
    ids = tuple(("c", str(n)) for n in range(len(TEXTS)))
    table = FeatureTable(ids, visual, np.arange(len(TEXTS)) != 1, fitted_on="nothing")
    table.save(shelf.root / "live.safetensors")
    ids_of_one = tuple(utterance for _, utterance in ids)
    whole = Conversation("c", "test", ids_of_one, tuple(SPEAKERS), tuple(TEXTS), {}, clips=tuple(clips))
    for one, other in zip(
        answers, model.predict([whole], features={"visual": shelf.root / "live.safetensors"}).answers, strict=True
    ):
        close(one, other)


def test_a_model_that_reads_later_utterances_is_refused_by_its_parts(shelf):
    with pytest.raises(InputError) as refused:
        ercfw.load(shelf.both_ways).live()
    tables = [mistake.where for mistake in refused.value.mistakes]
    assert tables == [f"{shelf.both_ways}/model.safetensors: [context.{name}]" for name in ("text", "joint")]
    assert "reads later utterances" in str(refused.value)


def test_so_is_an_extractor_that_does(shelf):
    model = ercfw.load(shelf.causal)
    model._run.catalog.find("extractor", "letters", "").factory.causal = False
    with pytest.raises(InputError, match=r"\[features.text\]: Letters reads later utterances"):
        model.live()


def test_broken_clips_are_reported_and_the_rest_goes_on(shelf, clips, tmp_path):
    (tmp_path / "empty.wav").touch()
    model = ercfw.load(shelf.causal)
    live, without = model.live(), model.live()
    close(live.add("oh", "Ann", tmp_path / "empty.wav"), without.add("oh", "Ann"))
    close(live.add("oh", "Ann", tmp_path / "none.wav"), without.add("oh", "Ann"))
    close(live.add("oh", "Ann", str(clips[0].path)), without.add("oh", "Ann", clips[0]))
    assert live.warnings == ["audio: 1: is empty", "audio: 2: cannot be opened: No such file or directory"]
    assert without.warnings == []


@pytest.mark.parametrize(
    ("features", "says"),
    [
        ({"smell": np.zeros(3)}, "does not read this modality"),
        ({"visual": np.zeros(4)}, r"are float64 of shape \[4\] .*kind vector and width 3"),
        ({"visual": np.zeros((1, 3))}, r"of shape \[1, 3\]"),
        ({"visual": np.array(["a", "b", "c"])}, "are <U1"),
        ({"visual": [np.nan, 0, 0]}, "NaN"),
    ],
)
def test_features_that_do_not_fit_leave_the_conversation_as_it_was(shelf, features, says):
    model = ercfw.load(shelf.causal)
    live, other = model.live(), model.live()
    live.add("oh")
    other.add("oh")
    with pytest.raises(InputError, match=says):
        live.add("no", features=features)
    close(live.add("eel"), other.add("eel"))


def test_an_extractor_that_fails_is_one_message(shelf, monkeypatch):
    live = ercfw.load(shelf.causal).live()
    monkeypatch.setattr(type(live._extractors["text"]), "extract", lambda self, conversation: 1 / 0)
    with pytest.raises(RunError, match="extractor of 'text': failed: ZeroDivisionError"):
        live.add("oh")


class Sums(Model):
    """Sums everything it reads, up to each utterance: frames, and tokens."""

    causal = True

    def __init__(self, info):
        super().__init__(info)
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, inputs):
        here = [stream.values.float().flatten(1).sum(1) for stream in inputs.streams.values()]
        frames = [stream.frames.sum(1) * stream.present for stream in inputs.streams.values()]
        x = inputs.layout.pad(torch.stack([*here, *frames], 1)).cumsum(1)  # [B, U, 4]
        logits = inputs.layout.pack(x)[:, :3] / 50 * self.weight
        return Outputs({"mood": HeadOutput(logits, logits)}, Rows.of(inputs))


@pytest.fixture
def sums():
    """A whole network, on CPU, that reads frames and tokens."""
    tables = {
        "schema": 1, "title": "Sums", "data": {"use": "x", "modalities": ["words", "frames"]}, "model": {"use": "x"},
        "loss": {"cross-entropy": {}},
    }  # fmt: skip
    recipe, mistakes = parse_recipe(tables, "here")
    assert not mistakes
    modalities = {"words": ModalitySpec("tokens", 9, 4), "frames": ModalitySpec("frames", 2, 3, (0, 0), (1, 1))}
    info = DataInfo({"mood": TargetSpec(("a", "b", "c"), (1, 1, 1))}, modalities, 2)
    return TrainedModel(SavedRun(Sums(info).eval(), recipe, Catalog([]), info, (), {}, frozenset(), "here"))


def test_frames_and_tokens_live_and_whole(sums, tmp_path):
    words = [np.array([1, 8, 3]), None, np.array([2])]
    frames = [None, np.ones((4, 2), np.float32), np.full((1, 2), 0.5)]
    live = sums.live()
    answers = [
        live.add(features={k: v for k, v in (("words", w), ("frames", f)) if v is not None})
        for w, f in zip(words, frames, strict=True)
    ]
    files = {}
    for name, arrays in (("words", words), ("frames", frames)):
        there = [a for a in arrays if a is not None]
        files[name] = tmp_path / f"{name}.safetensors"
        lengths = np.array([0 if a is None else len(a) for a in arrays])
        present = np.array([a is not None for a in arrays])
        ids = tuple(("c", str(n)) for n in range(3))
        FeatureTable(ids, np.concatenate(there), present, lengths, fitted_on="nothing").save(files[name])
    whole = sums.predict(features=files)
    for one, other in zip(answers, whole.answers, strict=True):
        close(one, other)
    sums_so_far = np.array([[12, 0, 3], [12, 8, 3], [14, 9, 4]])  # tokens, frames, how many tokens: by hand
    logits = sums_so_far / 50
    expected = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    assert np.allclose([list(a.probabilities["mood"].values()) for a in answers], expected, atol=1e-5)


@pytest.mark.parametrize("lacking", ["words", "frames"])
def test_absent_frames_and_tokens(sums, tmp_path, lacking):
    given = "frames" if lacking == "words" else "words"
    values = np.ones((3, 2), np.float32) if given == "frames" else np.array([1, 1, 1])
    table = FeatureTable((("c", "0"), ("c", "1")), values, np.ones(2, bool), np.array([1, 2]), fitted_on="nothing")
    table.save(tmp_path / "f.safetensors")
    path = write_csv(tmp_path / "c.csv", [{"utterance": str(n), "text": "oh", "speaker": "a"} for n in range(3)])
    predicted = sums.predict(path, features={given: tmp_path / "f.safetensors"})
    assert len(predicted.answers) == 3
    assert (
        predicted.warnings[-1]
        == "utterances without any modality that the model reads: 1; they are predicted from the others"
    )
    live = sums.live()
    for row, answer in enumerate(predicted.answers):
        arrays = {0: values[:1], 1: values[1:]}
        close(answer, live.add("oh", "a", features={given: arrays[row]} if row in arrays else None))


def test_tokens_beyond_the_vocabulary_are_one_message(sums, tmp_path):
    table = FeatureTable((("c", "0"),), np.array([9]), np.ones(1, bool), np.array([1]), fitted_on="nothing")
    table.save(tmp_path / "f.safetensors")
    with pytest.raises(InputError, match=r"is of kind tokens and width 10 .* 'words' of kind tokens and width 9"):
        sums.predict(features={"words": tmp_path / "f.safetensors"})
    with pytest.raises(InputError, match="beyond its vocabulary of 9"):
        sums.live().add(features={"words": np.array([9])})


def test_each_clip_is_read_once(shelf, clips, monkeypatch):
    live, read = ercfw.load(shelf.causal).live(), []
    kind = type(live._extractors["audio"])
    extract_clip = kind.extract_clip
    monkeypatch.setattr(kind, "extract_clip", lambda self, clip: read.append(clip) or extract_clip(self, clip))
    for clip in clips:
        live.add("oh", clip=clip)
    assert read == [clip for clip in clips if clip is not None]


def test_a_network_that_reads_later_utterances_is_refused(sums):
    sums._run.network.causal = False
    with pytest.raises(InputError, match=r"\[model\]: Sums reads later utterances"):
        sums.live()


def test_a_network_that_fails_is_one_message(sums, monkeypatch):
    monkeypatch.setattr(Sums, "forward", lambda self, inputs: {}["no"])
    with pytest.raises(RunError, match="the model failed: KeyError: 'no'"):
        sums.live().add(features={"words": np.array([1])})


def test_little_memory_runs_smaller_batches_to_the_same_result(sums, tmp_path, monkeypatch):
    rows = [{"conversation": str(n), "utterance": "1", "text": "oh"} for n in range(7)]
    ids = tuple((row["conversation"], "1") for row in rows)
    table = FeatureTable(ids, np.arange(7), np.ones(7, bool), np.ones(7, np.int64), fitted_on="nothing")
    table.save(tmp_path / "f.safetensors")
    path = write_csv(tmp_path / "c.csv", rows)
    whole = sums.predict(path, features={"words": tmp_path / "f.safetensors"})
    right = Sums.forward

    def greedy(self, inputs):
        if len(inputs.speakers) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.")
        return right(self, inputs)

    monkeypatch.setattr(Sums, "forward", greedy)
    parts = sums.predict(path, features={"words": tmp_path / "f.safetensors"})
    assert parts.answers == whole.answers
    assert "out of memory" in parts.warnings[-1]


def test_control_characters_are_repaired_as_in_files(shelf):
    model = ercfw.load(shelf.causal)
    live = model.live()
    answer = live.add("Oh, it\x92s a tree", "Ann")
    assert answer.text == "Oh, it\u2019s a tree"
    assert live.warnings == [
        "utterance 1: control characters replaced by the letters or punctuation that they stand for in cp1252 or "
        "UTF-8: 1"
    ]
    given = Conversation("c", "test", ("1",), ("Ann",), ("Oh, it\x92s a tree",), {})
    predicted = model.predict([given])
    close(predicted.answers[0], answer)
    assert predicted.answers[0].text == answer.text
    assert any(w.startswith("the conversations: control characters replaced") for w in predicted.warnings)


@pytest.mark.parametrize("field", ["text", "speaker"])
def test_the_half_of_a_character_is_one_message(shelf, field):
    model = ercfw.load(shelf.causal)
    live = model.live()
    with pytest.raises(InputError, match=rf"^{field}: contains U\+D83D, which is half of a character and no text"):
        live.add(**{"text": "oh", "speaker": "Ann", field: "Oh \ud83d"})
    given = {"text": "oh", "speaker": "Ann", field: "Oh \ud83d"}
    conversation = Conversation("c", "test", ("1",), (given["speaker"],), (given["text"],), {})
    with pytest.raises(InputError, match=rf"^conversation c, {field} of utterance 1: contains U\+D83D"):
        model.predict([conversation])
