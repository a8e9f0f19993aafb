"""UniMSE's blocks by loops, its light form, and the whole with a tiny random T5."""

import json
import math
from dataclasses import replace

import pytest
import torch

from ercfw import HeadOutput, InputError, Outputs, Rows
from ercfw.contract.batch import Stream
from ercfw.testing import check_part
from ercfw.testing.fixtures import data_info, make_conversations, pack
from ercfw_baselines.pmf import PMF, InfoNCE, Summary
from ercfw_baselines.unimse import LabelLikelihood, UniMSE
from ercfw_baselines.unimse_lite import UniMSELite

TARGET = "emotion"
KINDS = {"text": "tokens", "audio": "vector", "visual": "frames"}


@pytest.fixture(scope="module")
def tiny_t5(tmp_path_factory):
    transformers = pytest.importorskip("transformers", reason="the text extra is not installed")
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    words = {word: n for n, word in enumerate(["<pad>", "</s>", "<unk>", *map(chr, range(33, 127))])}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", 1)]
    )
    folder = tmp_path_factory.mktemp("t5")
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="</s>", pad_token="<pad>", unk_token="<unk>"
    ).save_pretrained(folder)
    torch.manual_seed(0)
    config = transformers.T5Config(
        vocab_size=len(words), d_model=16, d_kv=4, d_ff=24, num_layers=4, num_heads=2, decoder_start_token_id=0,
        pad_token_id=0, eos_token_id=1,
    )  # fmt: skip
    transformers.T5ForConditionalGeneration(config).save_pretrained(folder)
    return folder


@pytest.fixture
def batch(tiny_t5):
    conversations = make_conversations(KINDS, dims={"text": 97, "audio": 5, "visual": 4}, sizes=(3, 2), absent=0)
    return pack(conversations).inputs, data_info(conversations)


def test_the_adapter_number_by_number(drawn):
    adapter = drawn(PMF(6, 4, bottleneck=3))
    hidden, others = torch.randn(2, 5, 6, dtype=torch.float64), torch.randn(2, 4, dtype=torch.float64)

    def mapped(layer, numbers):
        rows = zip(layer.weight.tolist(), layer.bias.tolist(), strict=True)
        return [b + sum(w * v for w, v in zip(row, numbers, strict=True)) for row, b in rows]

    given = adapter(hidden, others)
    for n in range(2):
        for t in range(5):
            z = [*hidden[n, t].tolist(), *others[n].tolist()]
            narrow = [1 / (1 + math.exp(-v)) for v in mapped(adapter.down, z)]
            inner = [v + w for v, w in zip(z, mapped(adapter.up, narrow), strict=True)]
            assert given[n, t].tolist() == pytest.approx(mapped(adapter.out, inner), abs=1e-12)


def test_the_bottleneck_starts_near_zero_and_the_last_map_as_a_linear_layer():
    torch.manual_seed(0)
    adapter = PMF(768, 64, bottleneck=64)
    for layer in (adapter.down, adapter.up):
        assert layer.weight.std().item() == pytest.approx(1e-3, rel=0.05)
        assert (layer.bias == 0).all()
    bound = (768 + 64) ** -0.5
    assert adapter.out.weight.abs().max().item() == pytest.approx(bound, rel=0.01)
    assert adapter.out.weight.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.01)


@pytest.mark.slow
def test_a_summary_is_the_lstm_s_last_state_over_real_frames(batch, drawn):
    inputs, info = batch
    for name in ("audio", "visual"):
        stream, spec = inputs.streams[name], info.modalities[name]
        summary = drawn(Summary(spec, 6, dropout=0.0))
        given = summary(stream.values.double(), stream.frames)
        for n, value in enumerate(stream.values.double()):
            real = value[None] if stream.frames is None else value[stream.frames[n]]
            states, _ = summary.read(real[None])
            torch.testing.assert_close(given[n], summary.linear(states[0, -1]))


def test_contrast_by_loops():
    torch.manual_seed(0)
    views = {name: torch.randn(6, 3, dtype=torch.float64) for name in ("text", "audio", "visual")}
    here = {name: torch.tensor([True] * 6) for name in views} | {"audio": torch.tensor([True, False] * 3)}
    none = torch.zeros(6, dtype=torch.int64)
    outputs = Outputs({TARGET: HeadOutput(views["text"], views["text"])}, Rows(none, none, none, none), views, here)
    total = 0.0
    for name in ("audio", "visual"):
        rows = [i for i in range(6) if here["text"][i] and here[name][i]]
        for i in rows:
            scores = [torch.cosine_similarity(views["text"][i], views[name][j], dim=0) / 0.1 for j in rows]
            total -= (scores[rows.index(i)] - torch.stack(scores).logsumexp(0)).item() / len(rows)
    info = data_info(make_conversations({"text": "vector"}))
    assert InfoNCE(TARGET, info)(outputs, {TARGET: none}).item() == pytest.approx(total)


@pytest.mark.slow
def test_the_light_form_keeps_the_promises_of_a_model_and_reads_all_it_is_given(batch, drawn):
    report = check_part("model", UniMSELite, {"width": 8}, reads="tokens", dims={"text": 50})
    assert not report.of("failed"), report
    inputs, info = batch
    model = drawn(UniMSELite(info, width=8)).float()
    given = model(inputs).heads[TARGET].logits
    for name, stream in inputs.streams.items():
        other = stream.values.roll(1, 0) if name == "text" else stream.values + 1
        moved = replace(inputs, streams={**inputs.streams, name: replace(stream, values=other)})
        assert not torch.allclose(model(moved).heads[TARGET].logits, given, atol=1e-4), name


def test_logits_are_t5_s_own_log_probabilities_of_the_classes_words(batch, tiny_t5):
    """With adapters that return their input, against the loss that transformers computes for the same strings."""
    transformers = pytest.importorskip("transformers")
    inputs, info = batch
    model = UniMSE(info, model=tiny_t5).eval()
    for layer in model.adapted:
        for part in (layer.adapter.up, layer.adapter.out):
            torch.nn.init.zeros_(part.weight)
            torch.nn.init.zeros_(part.bias)
        torch.nn.init.eye_(layer.adapter.out.weight)
    plain = transformers.T5ForConditionalGeneration.from_pretrained(tiny_t5).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(tiny_t5)
    stream = inputs.streams["text"]
    given = model(inputs).heads[TARGET].logits
    said = ["neutral,neutral", "positive,joy", "negative,anger", "negative,fear"]
    assert info.targets[TARGET].classes == ("neutral", "joy", "anger", "fear")
    for n in range(len(given)):
        text = stream.values[n][stream.frames[n]][None]
        for c, words in enumerate(said):
            labels = tokenizer(words, return_tensors="pt")["input_ids"]
            with torch.no_grad():
                loss = plain(input_ids=text, labels=labels).loss.item()
            assert given[n, c].item() == pytest.approx(-loss * labels.shape[1], rel=1e-4)


@pytest.mark.slow
def test_the_likeliest_words_are_what_constrained_beams_say(batch, tiny_t5):
    """Every class's words are a branch of a tree of tokens; the best leaf, found by walking it token by token."""
    inputs, info = batch
    model = UniMSE(info, model=tiny_t5).eval()
    logits = model(inputs).heads[TARGET].logits
    stream = inputs.streams["text"]
    real = stream.frames
    hidden = model.t5.encoder(input_ids=stream.values, attention_mask=real.long()).last_hidden_state
    for n in range(len(logits)):
        beams = {(): 0.0}
        for _ in range(max(map(len, model.words[TARGET]))):
            grown = {}
            for start, score in beams.items():
                follow = {ids[len(start)] for ids in model.words[TARGET]
                          if tuple(ids[: len(start)]) == start and len(ids) > len(start)}  # fmt: skip
                if not follow:
                    grown[start] = score
                    continue
                given = model.t5(
                    encoder_outputs=(hidden[n : n + 1],), attention_mask=real[n : n + 1].long(),
                    decoder_input_ids=torch.tensor([[0, *start]]),
                ).logits[0, -1].log_softmax(-1)  # fmt: skip
                grown |= {(*start, token): score + given[token].item() for token in follow}
            beams = grown
        best = max(beams, key=beams.__getitem__)
        assert list(best) == model.words[TARGET][int(logits[n].argmax())]
        assert beams[best] == pytest.approx(logits[n].max().item(), abs=1e-3)


def test_most_of_t5_stays_as_it_is(batch, tiny_t5):
    inputs, info = batch
    model = UniMSE(info, model=tiny_t5, trained_blocks=1, adapted=2)
    model(inputs).heads[TARGET].logits.sum().backward()
    trained = {name for name, p in model.t5.named_parameters() if p.grad is not None}
    adapters = {name for name in trained if ".adapter." in name}
    assert {name.split(".")[2] for name in adapters} == {"2", "3"}
    assert {name.split(".")[2] for name in trained - adapters} == {"3"}
    own = {id(p) for p in model.parameter_groups()["t5"]}
    assert own == {id(p) for name, p in model.t5.named_parameters() if name in trained - adapters}


@pytest.mark.slow
def test_it_keeps_the_promises_of_a_model(tiny_t5):
    report = check_part("model", UniMSE, {"model": tiny_t5}, reads="tokens", dims={"text": 97})
    assert not report.of("failed"), report


def test_the_whole_in_place_of_the_light_form(tiny_t5, tmp_path, cli):
    """The command of docs/baselines.md, on a few real words of ours."""
    lines = ["conversation,utterance,speaker,text,label,split"]
    for split in ("train", "dev", "test"):
        lines += [f"{split},{n},A,So {n} it goes!,{('anger', 'joy')[n % 2]},{split}" for n in range(4)]
    (tmp_path / "utterances.csv").write_text("\n".join(lines) + "\n")
    whole = [
        "model.use=unimse", f"model.model={tiny_t5}", "features.text.use=tokens", f"features.text.model={tiny_t5}",
        "features.text.before=2", "features.text.after=2", "loss.cross-entropy.use=label-likelihood",
    ]  # fmt: skip
    here = ["data.use=table", f"data.root={tmp_path}", 'data.modalities=["text"]', "train.epochs=1", "train.device=cpu"]
    ended = cli("run", "baselines/unimse_lite_meld", *whole, *here, "--drop", "loss.info-nce", "--json")
    assert ended.code == 0, ended.err
    (metrics,) = json.loads(ended.out)
    assert "accuracy" in metrics["scores"]["test"]["emotion"]


def test_the_likelihood_of_the_right_words():
    info = data_info(make_conversations({"text": "vector"}))
    logits = torch.tensor([[-1.0, -2, -3, -4], [-5, -6, -7, -8], [-9, -10, -11, -12]])
    none = torch.zeros(3, dtype=torch.int64)
    outputs = Outputs({TARGET: HeadOutput(logits, logits)}, Rows(none, none, none, none))
    assert LabelLikelihood(TARGET, info)(outputs, {TARGET: torch.tensor([1, -100, 3])}).item() == (2 + 12) / 2


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda folder: None, "model: is not set"),
        (lambda folder: folder / "nowhere", "nowhere holds no T5"),
        (lambda folder: folder, "knows 97 tokens, but the stream has 50"),
    ],
)
def test_models_that_do_not_fit(change, says, tiny_t5):
    info = data_info(make_conversations({"text": "tokens"}, dims={"text": 50}))
    with pytest.raises(InputError, match=says):
        UniMSE(info, model=change(tiny_t5))


def test_there_is_one_modality_of_tokens():
    for kinds in ({"text": "vector"}, {"text": "tokens", "audio": "tokens"}):
        with pytest.raises(InputError, match="needs exactly one modality of tokens"):
            UniMSELite(data_info(make_conversations(kinds)))


def test_absent_modalities_add_nothing(batch):
    inputs, info = batch
    model = UniMSELite(info, width=8).eval()
    absent = {
        name: Stream(torch.zeros_like(s.values), torch.zeros_like(s.present), s.frames) if name != "text" else s
        for name, s in inputs.streams.items()
    }
    found = model.others(replace(inputs, streams=absent))
    assert all((x == 0).all() for x in found.values())
    assert math.isfinite(model(replace(inputs, streams=absent)).heads[TARGET].logits.sum().item())
