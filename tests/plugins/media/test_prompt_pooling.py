"""The tokens of an utterance inside its conversation: against the network run prompt by prompt, on a tiny RoBERTa."""

import shutil

import numpy as np
import pytest

from ercfw import DataInfo, InputError, ModalitySpec
from ercfw.contract.conversation import Conversation, ConversationStream
from ercfw.data.collate import collate
from ercfw_media.prompt import Prompt
from ercfw_media.prompt_tokens import write_prompts
from ercfw_media.roberta import Roberta
from ercfw_media.tokens import Tokens

torch = pytest.importorskip("torch")
TEXTS = ("Hi!", "", "longer-text", "why?", "   ", "yes")
PROMPTS = {
    "utterance": Prompt(before=2, after=1),
    "whole": Prompt(speakers="none", before="all", after="all", separators="turns"),
    "mask": Prompt(before=1, question="{speaker}:{mask}"),
}


def say(texts=TEXTS, name="c"):
    speakers = tuple("AB"[place % 2] for place in range(len(texts)))
    return Conversation(name, "train", tuple(map(str, range(len(texts)))), speakers, texts, {})


@pytest.fixture(scope="module")
def model(tiny_roberta, tmp_path_factory):
    """A tiny RoBERTa whose tokenizer has a mask."""
    from transformers import AutoTokenizer

    folder = shutil.copytree(tiny_roberta, tmp_path_factory.mktemp("model") / "masked")
    AutoTokenizer.from_pretrained(tiny_roberta, mask_token="~").save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def network(model):
    from transformers import AutoModel

    return AutoModel.from_pretrained(model).eval()


def expected(model, network, prompt, said=None):
    """The reference: each prompt alone, unpadded; the mean of the states of its own tokens or its mask."""
    from transformers import AutoTokenizer

    part = 2 if prompt.question else 0
    for written in write_prompts(AutoTokenizer.from_pretrained(model), said or say(), prompt, 64):
        if written is None:
            yield None
            continue
        with torch.no_grad():
            states = network(torch.tensor([written.ids])).last_hidden_state[0]
        yield states[[place for place, its in enumerate(written.parts) if its == part]].mean(0).numpy()


def inputs_of(model, prompt, said=None):
    said = said or say()
    arrays = Tokens(model=str(model), most_tokens=64, prompt=prompt).extract(said)
    lengths = np.array([0 if x is None else len(x) for x in arrays])
    values = np.zeros((len(arrays), lengths.max()), np.int64)
    for row, x in zip(values, arrays, strict=True):
        row[: 0 if x is None else len(x)] = x if x is not None else ()
    return collate([said.with_streams({"text": ConversationStream(values, lengths > 0, lengths)})]).inputs


def encoder(model, dim=3 * 98, **options):
    from ercfw_media.language_model import LanguageModel

    return LanguageModel(ModalitySpec("tokens", dim, 40), DataInfo({}, {}, 2), model=str(model), **options)


@pytest.mark.parametrize("name", PROMPTS)
def test_frozen_and_trained_it_is_the_network_on_each_prompt_alone(model, network, name):
    prompt, pooling = PROMPTS[name], "mask" if name == "mask" else "utterance"
    wanted = list(expected(model, network, prompt))
    frozen = Roberta(model=str(model), most_tokens=64, prompt=prompt, pooling=pooling).extract(say())
    inputs = inputs_of(model, prompt)
    trained = encoder(model, pooling=pooling).eval()(inputs.streams["text"], inputs).detach().numpy()
    for vector, one, other in zip(wanted, frozen, trained, strict=True):
        np.testing.assert_allclose(other, np.zeros(16) if vector is None else vector, atol=1e-5)
        assert (vector is None) == (one is None)
        if vector is not None:
            np.testing.assert_allclose(one, vector, atol=1e-5)


def test_a_conversation_that_is_read_whole_is_run_once(model, network, monkeypatch):
    inputs = inputs_of(model, PROMPTS["whole"])
    part = encoder(model, pooling="utterance").eval()
    run = []
    forward = part.network.forward
    monkeypatch.setattr(
        part.network, "forward", lambda **kwargs: (run.append(kwargs["input_ids"]), forward(**kwargs))[1]
    )
    vectors = part(inputs.streams["text"], inputs)
    assert [len(ids) for ids in run] == [1]
    vectors.square().sum().backward()
    grads = [p.grad.clone() for p in part.network.encoder.parameters()]
    part.zero_grad()
    total = 0.0  # the same, one utterance at a time
    values = inputs.streams["text"]
    for row in range(len(TEXTS)):
        only = type(values)(values.values[row : row + 1], values.present[row : row + 1], values.frames[row : row + 1])
        total = total + part(only, inputs).square().sum()
    total.backward()
    for grad, p in zip(grads, part.network.encoder.parameters(), strict=True):
        torch.testing.assert_close(grad, p.grad, atol=1e-5, rtol=1e-4)


def test_short_options_give_the_fingerprint_that_they_gave_before_there_was_a_table(model):
    import hashlib
    import json

    from ercfw_media.pretrained import model_fingerprint, model_folder

    about = {"speakers": True, "before": 2, "after": 0, "most_tokens": 64}
    former = json.dumps([model_fingerprint(model_folder(str(model))), about], sort_keys=True)
    tokens = Tokens(model=str(model), speakers=True, before=2, most_tokens=64)
    assert tokens.fingerprint == hashlib.sha256(former.encode()).hexdigest()
    table = Tokens(model=str(model), most_tokens=64, prompt=Prompt(before=2))
    assert table.fingerprint != tokens.fingerprint
    others = [Prompt(before=3), Prompt(before=2, before_tokens=9), Prompt(before=2, question="?")]
    assert (
        len({Tokens(model=str(model), most_tokens=64, prompt=p).fingerprint for p in others} | {table.fingerprint}) == 4
    )


def test_it_reads_the_future_only_if_turns_after_are_read(model):
    assert Tokens(model=str(model), most_tokens=64, prompt=Prompt(before="all")).causal
    assert not Tokens(model=str(model), most_tokens=64, prompt=Prompt(after="all")).causal
    assert not Roberta(model=str(model), most_tokens=64, prompt=Prompt(after=1)).causal


def test_what_does_not_fit_is_refused(model, tiny_roberta):
    with pytest.raises(InputError, match=r"pooling: is mask, but no question has a \{mask\}"):
        Roberta(model=str(model), most_tokens=64, pooling="mask")
    with pytest.raises(InputError, match="pooling: is utterance, but the stream does not tell which tokens these are"):
        encoder(model, dim=98, pooling="utterance")
    with pytest.raises(InputError, match=r"question: has the field \{mask\}, but the model has no mask token"):
        Tokens(model=str(tiny_roberta), most_tokens=64, prompt=Prompt(question="{mask}"))
    with pytest.raises(InputError, match=r"prompt\.question: takes 70 of the 64 tokens"):
        Tokens(model=str(model), most_tokens=64, prompt=Prompt(question="a" * 70))
    with pytest.raises(InputError, match=r"speakers: is set beside the table prompt"):
        Tokens(model=str(model), speakers=True, most_tokens=64, prompt=Prompt())
