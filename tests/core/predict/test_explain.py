"""What a finished run attends to, and what it says of each modality alone, by the model itself."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ercfw.contract.interfaces import Model
from ercfw.data.collate import collate
from ercfw.predict.explain import attention_of, reopen
from ercfw.predict.saved_run import read_run
from ercfw.registry.trust import PluginFiles
from ercfw.results.finished_run import open_run


def silent(*_):
    pass


@pytest.fixture(scope="module")
def opened(runs):
    return reopen(runs / "attending" / "seed-0", silent)


def test_attention_is_what_the_fusion_reads_by(opened, runs):
    """The same weights from the stack's own keys and queries, of one conversation alone."""
    conversation = opened.splits["test"][1]
    (maps,) = opened.attention([conversation])
    network = read_run(runs / "attending" / "seed-0", PluginFiles.TRUSTED).network
    inputs = collate([conversation]).inputs
    with torch.no_grad():
        encoded = {name: encoder(inputs.streams[name], inputs) for name, encoder in network.encoders.items()}
    attention = network.fusion.stacks["text"][0].attention["audio"]
    size = len(conversation)
    expected = np.zeros((size, 2, size))
    for head in range(2):
        rows = slice(4 * head, 4 * head + 4)  # 8 numbers, two heads
        queries = (attention.query(encoded["text"])[:, rows]).detach().double().numpy()
        keys = (attention.key(encoded["audio"])[:, rows]).detach().double().numpy()
        for n in range(size):
            scores = [queries[n] @ keys[k] / 2.0 for k in range(size)]
            shares = np.exp(scores - np.max(scores))
            expected[n, head] = shares / shares.sum()
    assert maps["fusion.layer-1.text.audio"] == pytest.approx(expected, abs=1e-5)
    assert set(maps) == {f"fusion.layer-{j}.{pair}" for j in (1, 2) for pair in ("text.audio", "audio.text")}


def test_every_conversation_has_its_own_places(opened):
    conversations = opened.splits["test"]
    for conversation, maps in zip(conversations, opened.attention(conversations), strict=True):
        for weights in maps.values():
            assert weights.shape == (len(conversation), 2, len(conversation))
            assert weights.sum(-1) == pytest.approx(np.ones((len(conversation), 2)), abs=1e-5)


def test_a_modality_alone_is_the_model_without_the_others(opened):
    conversations = opened.splits["test"]
    found = opened.alone(conversations, "text")["emotion"]
    inputs = collate(conversations).inputs
    audio = inputs.streams["audio"]
    bare = replace(audio, values=torch.zeros_like(audio.values), present=torch.zeros_like(audio.present))
    with torch.no_grad():
        outputs = opened.run.network(replace(inputs, streams={**inputs.streams, "audio": bare}))
    assert found == pytest.approx(outputs.heads["emotion"].logits.softmax(-1).numpy(), abs=1e-5)


def test_a_part_without_explain_gives_nothing(runs):
    other = reopen(runs / "base" / "seed-0", silent)
    assert list(other.attention(other.splits["test"][:2])) == [{}, {}]


def test_the_answers_are_those_that_were_left(opened, runs):
    """The reopened data is the run's: the model answers what predictions.csv says."""
    folder = runs / "attending" / "seed-0"
    left = open_run(folder).answers("test", "emotion")
    with torch.no_grad():
        outputs = opened.run.network(collate(opened.splits["test"]).inputs)
    assert left.values == pytest.approx(outputs.heads["emotion"].logits.softmax(-1).numpy(), abs=1e-5)


class WholeNetwork(Model):
    """Returns its attention itself."""

    def explain(self, inputs):
        return {"words": torch.ones(len(inputs.speakers), 1, 1)}


def test_a_whole_network_may_explain_its_attention(opened):
    info = opened.run.info
    inputs = collate(opened.splits["test"][:1]).inputs
    assert list(attention_of(WholeNetwork(info), inputs)) == ["words"]
    assert attention_of(Model(info), inputs) == {}
