"""Tokens, the frozen extractor and the trained encoder: against the network run text by text, on a tiny RoBERTa."""

import shutil

import numpy as np
import pytest
from safetensors.torch import save_file

from ercfw import DataInfo, InputError, ModalitySpec
from ercfw.contract.conversation import Conversation, ConversationStream
from ercfw.data.collate import collate
from ercfw_media.roberta import Roberta
from ercfw_media.tokens import Tokens

torch = pytest.importorskip("torch")
TEXTS = ("Hi!", "", "a-much-longer-text,with-more-in-it", "why?", "   ", "yes,of-course")


def say(*texts, name="c"):
    numbers = tuple(map(str, range(len(texts))))
    speakers = tuple("AB"[place % 2] for place in range(len(texts)))
    return Conversation(name, "train", numbers, speakers, texts, {})


@pytest.fixture(scope="module")
def network(tiny_roberta):
    from transformers import AutoModel

    return AutoModel.from_pretrained(tiny_roberta).eval()


def by_itself(network, ids, layer, pooling):
    """The reference: one text alone, unpadded."""
    with torch.no_grad():
        hidden = network(torch.tensor([ids]), output_hidden_states=True).hidden_states[layer][0]
    return (hidden[0] if pooling == "first" else hidden.mean(0)).numpy()


@pytest.mark.parametrize("pooling", ["first", "mean"])
@pytest.mark.parametrize("layers", [(-1,), (0, 2)])
def test_roberta_is_the_network_on_each_text_alone(tiny_roberta, network, pooling, layers):
    extractor = Roberta(model=str(tiny_roberta), before=1, most_tokens=64, pooling=pooling, layers=layers)
    tokens = Tokens(model=str(tiny_roberta), speakers=True, before=1, most_tokens=64).extract(say(*TEXTS))
    found = extractor.extract(say(*TEXTS))
    assert [x is None for x in found] == [not text.strip() for text in TEXTS] == [x is None for x in tokens]
    for vector, ids in zip(found, tokens, strict=True):
        if vector is not None:
            expected = np.concatenate([by_itself(network, ids.tolist(), layer, pooling) for layer in layers])
            np.testing.assert_allclose(vector, expected, atol=1e-5)
            assert vector.dtype == np.float32
            assert len(vector) == extractor.dim


def test_neighbours_after_make_it_blind_to_the_future_no_more(tiny_roberta):
    assert Roberta(model=str(tiny_roberta), before=3, most_tokens=64).causal
    assert not Roberta(model=str(tiny_roberta), after=1, most_tokens=64).causal
    assert not Tokens(model=str(tiny_roberta), after=1, most_tokens=64).causal


@pytest.mark.parametrize(
    "settings",
    [{"speakers": False}, {"before": 1}, {"after": 1}, {"most_tokens": 32}, {"pooling": "mean"}, {"layers": (0,)}],
)
def test_the_fingerprint_depends_on_the_settings(tiny_roberta, settings):
    usual = {"model": str(tiny_roberta), "most_tokens": 64}
    assert Roberta(**{**usual, **settings}).fingerprint != Roberta(**usual).fingerprint


def test_the_fingerprint_depends_on_the_weights(tiny_roberta, tmp_path):
    other = shutil.copytree(tiny_roberta, tmp_path / "other")
    assert (
        Roberta(model=str(other), most_tokens=64).fingerprint
        == Roberta(model=str(tiny_roberta), most_tokens=64).fingerprint
    )
    changed = shutil.copytree(tiny_roberta, tmp_path / "changed")
    data = bytearray((changed / "model.safetensors").read_bytes())
    data[-1] ^= 1
    (changed / "model.safetensors").write_bytes(data)
    assert (
        Roberta(model=str(changed), most_tokens=64).fingerprint
        != Roberta(model=str(tiny_roberta), most_tokens=64).fingerprint
    )


def _of_another_network(folder):
    save_file({"head.weight": torch.zeros(2, 3)}, folder / "model.safetensors", {"format": "pt"})


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "config.json").unlink(), "has no config.json"),
        (lambda folder: (folder / "model.safetensors").unlink(), "has no safetensors weights"),
        (lambda folder: (folder / "config.json").write_text("{}"), "does not state the sizes"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"rubbish"), "cannot be loaded"),
        (lambda folder: (folder / "tokenizer.json").write_text('{"bad'), "cannot be loaded"),
        (lambda folder: (folder / "config.json").write_text("[]"), "does not state the sizes"),
        (_of_another_network, "has the weights of another network: [0-9]+ are missing"),
    ],
)
def test_a_damaged_model_is_reported(tiny_roberta, tmp_path, damage, message):
    folder = shutil.copytree(tiny_roberta, tmp_path / "model")
    damage(folder)
    with pytest.raises(InputError, match=message):
        Roberta(model=str(folder), most_tokens=64).extract(say("Hi"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"model": "nowhere/nothing"},
            "'nowhere/nothing' is neither a folder nor in the local hub cache .*hf download",
        ),
        ({"most_tokens": 65}, "most_tokens: is 65, but this model reads at most 64"),
        ({"layers": (3,)}, "layers: the model has layers 0 to 2"),
    ],
)
def test_what_cannot_be_asked_for(tiny_roberta, options, message):
    with pytest.raises(InputError, match=message):
        Roberta(**{"model": str(tiny_roberta), "most_tokens": 64, **options})


def stream_of(ids):
    lengths = np.array([0 if x is None else len(x) for x in ids])
    values = np.zeros((len(ids), lengths.max()), np.int64)
    for row, x in zip(values, ids, strict=True):
        row[: 0 if x is None else len(x)] = x if x is not None else ()
    return ConversationStream(values, lengths > 0, lengths)


@pytest.fixture
def encoder(tiny_roberta):
    from ercfw_media.language_model import LanguageModel

    def make(**options):
        spec = ModalitySpec("tokens", Tokens(model=str(tiny_roberta), most_tokens=64).dim, 40)
        info = DataInfo({}, {"text": spec}, 2)
        return LanguageModel(spec, info, model=str(tiny_roberta), **options)

    return make


@pytest.mark.parametrize("pooling", ["first", "mean"])
def test_the_encoder_is_the_network_on_each_text_alone(encoder, network, tiny_roberta, pooling):
    ids = Tokens(model=str(tiny_roberta), most_tokens=64).extract(say(*TEXTS))
    inputs = collate([say(*TEXTS).with_streams({"text": stream_of(ids)})]).inputs
    vectors = encoder(pooling=pooling).eval()(inputs.streams["text"], inputs)
    for vector, x in zip(vectors.detach().numpy(), ids, strict=True):
        expected = np.zeros(16) if x is None else by_itself(network, x.tolist(), -1, pooling)
        np.testing.assert_allclose(vector, expected, atol=1e-5)


def test_only_what_is_asked_for_is_trained(encoder, tiny_roberta):
    ids = Tokens(model=str(tiny_roberta), most_tokens=64).extract(say(*TEXTS))
    inputs = collate([say(*TEXTS).with_streams({"text": stream_of(ids)})]).inputs

    def trained(**options):
        model = encoder(**options)
        model(inputs.streams["text"], inputs).square().sum().backward()
        return {name for name, p in model.network.named_parameters() if p.grad is not None and p.grad.any()}

    usual, all_of_it, upper = trained(), trained(train_embeddings=True), trained(frozen_layers=1)
    assert not any(name.startswith("embeddings") for name in usual)
    assert any(name.startswith("embeddings.word") for name in all_of_it)
    assert {name.split(".")[2] for name in usual} == {"0", "1"}
    assert {name.split(".")[2] for name in upper} == {"1"}
    model = encoder()
    group = {id(p) for p in model.parameter_groups()["language-model"]}
    assert group == {id(p) for p in model.parameters()}


def test_its_layers_are_those_of_the_network_from_the_embeddings_upwards(encoder):
    model = encoder(train_embeddings=True)
    names = {id(p): name for name, p in model.network.named_parameters()}
    found = [{names[id(p)] for p in layer} for layer in model.parameter_layers()["language-model"]]
    assert all(name.startswith("embeddings.") for name in found[0])
    assert [{".".join(name.split(".")[:3]) for name in layer} for layer in found[1:]] == [
        {f"encoder.layer.{number}"} for number in range(len(model.network.encoder.layer))
    ]
    assert set().union(*found) == {name for name in names.values() if not name.startswith("pooler")}


def test_what_the_encoder_refuses(encoder, tiny_roberta):
    from ercfw_media.language_model import LanguageModel

    info = DataInfo({}, {}, 2)
    with pytest.raises(InputError, match="leaves none of the model's 2 layers to train"):
        encoder(frozen_layers=2)
    with pytest.raises(InputError, match="reads token ids, but the modality is of kind vector"):
        LanguageModel(ModalitySpec("vector", 4), info, model=str(tiny_roberta))
    with pytest.raises(InputError, match="knows 98 tokens, but the stream has 50"):
        LanguageModel(ModalitySpec("tokens", 50), info, model=str(tiny_roberta))


@pytest.mark.parametrize("most_tokens", [200, 4096])
@pytest.mark.parametrize("texts", [1, 10, 500])
def test_groups_hold_every_text_once_with_little_padding_and_have_a_bound(texts, most_tokens):
    from ercfw_media.run_tokens import _groups

    lengths = np.random.default_rng(0).integers(0, 200, texts).tolist()
    groups = _groups(lengths, range(texts), most_tokens)
    assert sorted(row for group in groups for row in group) == [n for n, length in enumerate(lengths) if length]
    for group in groups:
        sizes = [lengths[row] for row in group]
        padding = len(group) * max(sizes) - sum(sizes)
        assert len(group) * max(sizes) <= most_tokens
        assert padding <= max(0.15 * sum(sizes), 128)
