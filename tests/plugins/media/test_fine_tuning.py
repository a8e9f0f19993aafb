"""Cheaper ways to fine-tune a language model, each against the plain network: on a tiny RoBERTa."""

import numpy as np
import pytest

from ercfw import DataInfo, InputError, ModalitySpec
from ercfw.contract.conversation import Conversation, ConversationStream
from ercfw.data.collate import collate
from ercfw_media.lora import Lora
from ercfw_media.tokens import Tokens

torch = pytest.importorskip("torch")
TEXTS = ("Hi!", "", "a-much-longer-text,with-more-in-it", "why?", "yes,of-course")


@pytest.fixture(scope="module")
def inputs(tiny_roberta):
    said = Conversation("c", "train", tuple("01234"), tuple("ABABA"), TEXTS, {})
    arrays = Tokens(model=str(tiny_roberta), most_tokens=64).extract(said)
    lengths = np.array([0 if x is None else len(x) for x in arrays])
    values = np.zeros((len(arrays), lengths.max()), np.int64)
    for row, x in zip(values, arrays, strict=True):
        row[: 0 if x is None else len(x)] = x if x is not None else ()
    return collate([said.with_streams({"text": ConversationStream(values, lengths > 0, lengths)})]).inputs


@pytest.fixture
def encoder(tiny_roberta):
    from ercfw_media.language_model import LanguageModel

    def make(**options):
        return LanguageModel(ModalitySpec("tokens", 98, 40), DataInfo({}, {}, 2), model=str(tiny_roberta), **options)

    return make


def gradients(part, inputs):
    part.zero_grad()
    vectors = part(inputs.streams["text"], inputs)
    vectors.square().sum().backward()
    return vectors.detach(), {n: p.grad.clone() for n, p in part.named_parameters() if p.grad is not None}


def same(found, expected):
    torch.testing.assert_close(found[0], expected[0], atol=1e-6, rtol=1e-5)
    assert found[1].keys() == expected[1].keys()
    for name, grad in found[1].items():
        torch.testing.assert_close(grad, expected[1][name], atol=1e-5, rtol=1e-4)


def without_dropout_below(part):
    """In training mode, but the embeddings and the first layer without dropout: what a cache computes."""
    part.train()
    part.network.embeddings.eval()
    part.network.encoder.layer[0].eval()
    return part


def test_what_frozen_layers_give_is_kept_and_is_what_they_give(encoder, inputs):
    kept, plain = encoder(frozen_layers=1, cache_gib=0.1).train(), without_dropout_below(encoder(frozen_layers=1))
    for _ in range(3):
        torch.manual_seed(3)
        expected = gradients(plain, inputs)
        torch.manual_seed(3)
        same(gradients(kept, inputs), expected)
    same(gradients(kept.eval(), inputs), gradients(plain.eval(), inputs))


def test_each_text_passes_the_frozen_layers_once(encoder, inputs):
    part = encoder(frozen_layers=1, cache_gib=0.1)
    passed = []
    part.network.encoder.layer[0].register_forward_hook(lambda *_: passed.append(1))
    for _ in range(3):
        part(inputs.streams["text"], inputs)
    assert len(passed) == 4
    assert len(part.network.encoder.layer) == 2


def test_what_does_not_fit_is_computed_again_with_the_same_bits(encoder, inputs):
    small = encoder(frozen_layers=1, cache_gib=36 * 16 * 4 / 2**30).eval()  # 36 tokens; the longest text has 36
    large = encoder(frozen_layers=1, cache_gib=1).eval()
    passed = []
    small.network.encoder.layer[0].register_forward_hook(lambda *_: passed.append(1))
    for _ in range(3):
        assert torch.equal(small(inputs.streams["text"], inputs), large(inputs.streams["text"], inputs))
    assert len(passed) == 4 + 2


def test_what_is_kept_is_no_part_of_the_weights(encoder, inputs):
    part = encoder(frozen_layers=1, cache_gib=0.1)
    names = set(part.state_dict())
    part(inputs.streams["text"], inputs)
    assert set(part.state_dict()) == names == set(encoder().state_dict())


def test_checkpointing_gives_the_same_gradients(encoder, inputs):
    checked, plain = encoder(checkpointing=True), encoder()
    for mode in (True, False):
        torch.manual_seed(5)
        expected = gradients(plain.train(mode), inputs)
        torch.manual_seed(5)
        same(gradients(checked.train(mode), inputs), expected)


def test_checkpointing_keeps_fewer_states(encoder, inputs):
    def saved(part):
        sizes = []
        with torch.autograd.graph.saved_tensors_hooks(lambda x: (sizes.append(x.numel()), x)[1], lambda x: x):
            part(inputs.streams["text"], inputs)
        return sum(sizes)

    assert saved(encoder(checkpointing=True)) < 0.5 * saved(encoder())


@pytest.mark.parametrize("options", [{}, {"frozen_layers": 1, "cache_gib": 0.1}], ids=["plain", "lower layer kept"])
def test_several_layers_are_concatenated(encoder, inputs, options):
    """Against the hidden states of the network itself, text by text."""
    part, network = encoder(layers=(1, -1), **options).eval(), encoder().network.eval()
    assert part.out_dim == 2 * 16
    vectors = part(inputs.streams["text"], inputs)
    for vector, tokens, real in zip(vectors, inputs.streams["text"].values, inputs.streams["text"].frames, strict=True):
        if not real.any():
            assert not vector.any()
            continue
        states = network(tokens[real][None], output_hidden_states=True).hidden_states
        expected = torch.cat([states[1].mean(1)[0], states[2].mean(1)[0]])
        torch.testing.assert_close(vector, expected, atol=1e-6, rtol=1e-5)


def test_layers_above_those_that_are_read_are_not_run(encoder, inputs):
    part = encoder(layers=(0, 1))
    assert len(part.network.encoder.layer) == 1
    _, grads = gradients(part, inputs)
    assert any(name.startswith("network.encoder.layer.0") for name in grads)
    with pytest.raises(InputError, match="leaves none of the model's 1 layers to train"):
        encoder(layers=(1,), frozen_layers=1)


def test_layers_that_are_not_there_are_refused(encoder):
    with pytest.raises(InputError, match=r"the model has layers 0 to 2, but no -4 \(-1 is the last one\)"):
        encoder(layers=(-4,))
    with pytest.raises(InputError, match="names layer 0, but of the frozen layers only the output of the last, 1"):
        encoder(layers=(0, 2), frozen_layers=1, cache_gib=0.1)
    assert encoder(layers=(0, 2), frozen_layers=1).out_dim == 32


def test_few_tokens_at_once_give_the_same_gradients_in_more_and_smaller_passes(encoder, inputs):
    small, plain = encoder(batch_tokens=24).eval(), encoder().eval()
    sizes = []
    small.network.embeddings.register_forward_hook(lambda *args: sizes.append(args[2].shape[:2]))
    same(gradients(small, inputs), gradients(plain, inputs))
    tokens = [texts * length for texts, length in sizes]
    assert sum(texts for texts, _ in sizes) == 4
    assert sorted(size for size in tokens if size > 24) == [36]  # the longest text alone


def test_adapters_change_nothing_before_they_are_trained_and_alone_are_trained(encoder, inputs):
    pytest.importorskip("peft", reason="the lora extra is not installed")
    part, plain = encoder(lora=Lora(rank=3)).eval(), encoder().eval()
    vectors, grads = gradients(part, inputs)
    torch.testing.assert_close(vectors, plain(inputs.streams["text"], inputs).detach())
    assert all("lora" in name for name in grads)
    assert {name.split("lora_")[1][0] for name, grad in grads.items() if grad.any()} == {"B"}  # A's is zero at first
    assert sum(p.numel() for p in part.parameters() if p.requires_grad) == 2 * (4 * 2 * 3 * 16 + 2 * 3 * (16 + 32))


def test_trained_adapters_are_the_network_with_the_product_added_to_its_weights(encoder, inputs):
    pytest.importorskip("peft", reason="the lora extra is not installed")
    part = encoder(lora=Lora(rank=3, alpha=6, targets=("query", "value"))).eval()
    torch.manual_seed(1)
    for name, p in part.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(p, std=0.3)
    merged = encoder().eval()
    weights = dict(part.network.named_modules())
    for name, module in merged.network.named_modules():
        if name.endswith(("query", "value")):
            adapted = weights[name]
            product = adapted.lora_B["default"].weight @ adapted.lora_A["default"].weight
            module.weight.data += 6 / 3 * product.detach()
    found, expected = part(inputs.streams["text"], inputs), merged(inputs.streams["text"], inputs)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)
    assert not torch.allclose(found, encoder().eval()(inputs.streams["text"], inputs), atol=1e-2)


def test_adapters_of_the_upper_layers_over_kept_lower_ones(encoder, inputs):
    pytest.importorskip("peft", reason="the lora extra is not installed")
    plain, kept = encoder(lora=Lora(), frozen_layers=1), encoder(lora=Lora(), frozen_layers=1, cache_gib=0.1)
    kept.load_state_dict(plain.state_dict())
    for part in (plain, kept):
        assert {n.split(".")[3] for n, p in part.named_parameters() if p.requires_grad} == {"1"}
    torch.manual_seed(3)
    expected = gradients(without_dropout_below(plain), inputs)
    torch.manual_seed(3)
    same(gradients(kept.train(), inputs), expected)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cache_gib": 1.0}, "cache_gib: is set, but the lowest layers or the embeddings are trained"),
        ({"cache_gib": 1.0, "frozen_layers": 1, "train_embeddings": True}, "cache_gib: is set, but"),
        ({"lora": Lora(targets=("q_proj",))}, r"lora\.targets: names no linear layer.*known: dense, key, query, value"),
    ],
)
def test_what_does_not_fit_is_refused(encoder, options, message):
    with pytest.raises(InputError, match=message):
        encoder(**options)
