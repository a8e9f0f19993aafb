"""MVN utterance by utterance, without packing, chunks or padding; and what it reads."""

import math
import tomllib
from dataclasses import replace

import numpy as np
import pytest
import torch

from ercfw import Conversation, HeadOutput, InputError, Outputs, Rows
from ercfw.recipe.shipped import shipped_recipes
from ercfw.testing import check_part
from ercfw.testing.fixtures import data_info, make_conversations, pack
from ercfw_baselines.mvn import MVN
from ercfw_baselines.words import Words, read_vectors, split_words
from ercfw_basics.cross_entropy import AuxiliaryCrossEntropy

from .rows import talks

TARGET = "emotion"
VECTORS = "good 1 2 2\nbad -1 0 0\n! 0 3 4\n"


@pytest.fixture
def vectors(tmp_path):
    path = tmp_path / "vectors.txt"
    path.write_text(VECTORS)
    return path


def attend(block, q, k):
    """One head over unpadded words: ``[Q, D], [K, D] -> [Q, D]``; with nothing to read, nothing is found."""
    to_query, to_key, to_value = block.maps
    found = torch.zeros_like(q)
    if len(k):
        scores = to_query(q) @ to_key(k).T / math.sqrt(q.shape[1])
        found = scores.softmax(1) @ to_value(k)
    found = normalise(block.norm, q + found)
    return normalise(block.norm, found + block.forwards(found))


def normalise(norm, x):
    """Layer normalisation with the epsilon of the released code."""
    apart = x - x.mean(-1, keepdim=True)
    return apart / (apart.square().mean(-1, keepdim=True) + 1e-6).sqrt() * norm.weight + norm.bias


def gate(block, a, b):
    z = (block.of_one(a) + block.of_other(b)).sigmoid()
    return z * a + (1 - z) * b


def largest(x, width):
    return x.amax(0) if len(x) else torch.zeros(width, dtype=torch.float64)


def mvn_loops(model, inputs, memory, width):
    """Both views ``[N, D]`` each."""
    stream = inputs.streams["text"]
    states = []
    for tokens, real in zip(stream.values, stream.frames & stream.present[:, None], strict=True):
        vectors = model.embed(tokens[real])
        states.append(model.read(vectors[:, None])[0][:, 0] if len(vectors) else vectors.new_zeros(0, width))
    wholes = [largest(state, width) for state in states]
    views = {}
    for rows in talks(inputs):
        for i in rows:
            before = rows[max(0, i - rows[0] - memory) : i - rows[0]]
            q, x = states[i], torch.cat([states[j] for j in before] or [states[i][:0]])
            part = model.words
            word = largest(attend(part.within, q, q), width)
            if len(x):
                own = gate(part.join_words, attend(part.within, q, q), attend(part.across, q, x))
                context = gate(part.join_words, attend(part.within, x, x), attend(part.across, x, q))
                word = gate(part.join, largest(own, width), largest(context, width))
            whole = wholes[i]
            if before:
                past = torch.stack([wholes[j] for j in before])
                both = model.wholes.read(past[None])[0][0]
                past = past + both[:, :width] + both[:, width:]
                found = (past @ wholes[i]).softmax(0) @ past
                whole = gate(model.wholes.join, wholes[i], found)
            views[i] = (word, whole)
    return [torch.stack([views[i][view] for i in range(len(wholes))]) for view in (0, 1)]


@pytest.mark.parametrize("memory", [1, 3, 20])
@pytest.mark.parametrize("absent", [0.0, 0.5])
def test_both_views_utterance_by_utterance(memory, absent, drawn):
    conversations = make_conversations({"text": "tokens"}, dims={"text": 30}, sizes=(7, 1, 24), absent=absent)
    model = drawn(MVN(data_info(conversations), word_width=5, width=6, memory=memory))
    inputs = pack(conversations).inputs
    given = model(inputs).heads[TARGET]
    words, wholes = mvn_loops(model, inputs, memory, 6)
    torch.testing.assert_close(given.embedding, torch.cat([words, wholes], 1), atol=1e-10, rtol=1e-10)
    answers = [part(view) for part, view in zip(model.answers[TARGET], (words, wholes), strict=True)]
    torch.testing.assert_close(given.auxiliary, torch.stack(answers, 1))
    summed = answers[0].log_softmax(1) + answers[1].log_softmax(1)
    torch.testing.assert_close(given.logits.double(), summed, atol=1e-5, rtol=1e-5)


def test_the_views_of_the_first_utterance_are_dropped_from_too(drawn):
    conversations = make_conversations({"text": "tokens"}, dims={"text": 30}, sizes=(1, 1, 1), absent=0)
    model = drawn(MVN(data_info(conversations), word_width=5, width=40, dropout=0.5)).train()
    views = model(pack(conversations).inputs).heads[TARGET].embedding
    for view in views.split(40, 1):
        assert 0.3 < (view == 0).double().mean() < 0.7


def loss_of_recipe(corpus, auxiliary, labels, classes):
    """The loss of a shipped recipe, with its weight."""
    recipe = tomllib.loads(shipped_recipes()[f"baselines/mvn_{corpus}"].read_text())
    options = dict(recipe["loss"]["auxiliary-cross-entropy"])
    weight = options.pop("weight")
    info = data_info(make_conversations({"text": "tokens"}))
    info = replace(info, targets={TARGET: replace(info.targets[TARGET], classes=classes, counts=(1,) * len(classes))})
    none = torch.zeros(len(labels), dtype=torch.int64)
    head = HeadOutput(auxiliary.sum(1), auxiliary[:, 0], auxiliary)
    loss = AuxiliaryCrossEntropy(TARGET, info, **options)
    return weight * loss(Outputs({TARGET: head}, Rows(none, none, none, none)), {TARGET: labels}).item()


def test_the_loss_on_iemocap_is_that_of_the_released_code():
    """Of one conversation: each class weighs 1/6, and the sum is divided by the number of utterances."""
    torch.manual_seed(0)
    auxiliary, labels = torch.randn(9, 2, 6), torch.tensor([0, 1, 2, 3, 4, 5, 2, 2, 5])
    log_p = auxiliary.double().log_softmax(-1)
    total = sum(-log_p[i, view, c].item() / 6 for i, c in enumerate(labels.tolist()) for view in (0, 1))
    given = loss_of_recipe("iemocap", auxiliary, labels, tuple("abcdef"))
    assert given == pytest.approx(total / 9, rel=1e-6)


def test_the_loss_on_meld_has_the_scale_of_the_released_code_on_the_training_split():
    """With one row per 100 training utterances of each class, the weighted sum divided by the number of rows."""
    counts = [47, 12, 3, 7, 17, 3, 11]
    least = [(268 / n) ** 0.5 for n in (4710, 1205, 268, 683, 1743, 271, 1109)]
    weights = [w / sum(least) for w in least]
    torch.manual_seed(0)
    labels = torch.tensor([c for c, n in enumerate(counts) for _ in range(n)])
    auxiliary = torch.randn(len(labels), 2, 7)
    log_p = auxiliary.double().log_softmax(-1)
    total = sum(-weights[c] * log_p[i, view, c].item() for i, c in enumerate(labels.tolist()) for view in (0, 1))
    given = loss_of_recipe("meld", auxiliary, labels, tuple("abcdefg"))
    assert given == pytest.approx(total / len(labels), rel=0.02)


@pytest.mark.slow
def test_it_keeps_the_promises_of_a_model():
    options = {"width": 8, "word_width": 6, "memory": 2}
    report = check_part("model", MVN, options, reads="tokens", dims={"text": 50})
    assert not report.of("failed"), report
    assert "causal" in [outcome.check for outcome in report.of("passed")]


@pytest.mark.parametrize("from_file", [False, True])
def test_words_keep_the_promises_of_an_extractor(from_file, vectors):
    report = check_part("extractor", Words, {"vectors": vectors} if from_file else {})
    assert [outcome.status for outcome in report.outcomes] == ["passed"] * 4, report


def test_vectors_of_a_file_are_of_length_one_and_stay(vectors):
    conversations = make_conversations({"text": "tokens"}, dims={"text": 4})
    model = MVN(data_info(conversations), vectors=vectors, width=4)
    wanted = torch.tensor([[0, 0, 0], [1 / 3, 2 / 3, 2 / 3], [-1, 0, 0], [0, 0.6, 0.8]])
    torch.testing.assert_close(model.embed.weight, wanted)
    assert not model.embed.weight.requires_grad


@pytest.mark.parametrize(
    ("kinds", "size", "says"),
    [
        ({"text": "vector"}, 4, r"needs exactly one modality, of tokens, but has text \(vector\)"),
        ({"text": "tokens", "audio": "vector"}, 4, r"but has text \(tokens\), audio \(vector\)"),
        ({"text": "tokens"}, 9, "holds 3 words, but the tokens were made with 8"),
    ],
)
def test_what_it_cannot_read(kinds, size, says, vectors):
    conversations = make_conversations(kinds, dims=dict.fromkeys(kinds, size))
    with pytest.raises(InputError, match=says):
        MVN(data_info(conversations), vectors=vectors)


def test_words_of_a_text():
    assert split_words("No-o, Élodie's 2nd café?!") == ["no", "o", "elodie", "s", "nd", "cafe", "?", "!"]


def talk(*texts):
    size = len(texts)
    return Conversation("c", "train", tuple(map(str, range(size))), ("A",) * size, texts, {})


def test_numbers_are_places_in_the_file_and_0_is_unknown(vectors):
    made = Words(vectors=vectors, most_words=3)
    given = made.extract(talk("Good, good, BAD! good", "What?", "...", ""))
    assert [None if ids is None else ids.tolist() for ids in given] == [[1, 1, 2], [0, 0], None, None]
    assert made.dim == 4


def test_neighbours_stand_around_an_utterance(vectors):
    made = Words(vectors=vectors, before=1, after=2)
    given = made.extract(talk("good", "bad", "", "!", "good good"))
    found = [None if ids is None else ids.tolist() for ids in given]
    assert found == [[1, 0, 2], [1, 0, 2, 0, 3], None, [3, 0, 1, 1], [3, 0, 1, 1]]
    assert not made.causal
    assert Words(vectors=vectors, before=3).causal
    assert made.fingerprint != Words(vectors=vectors).fingerprint


def test_without_a_file_words_fall_into_buckets(vectors):
    made = Words(buckets=50)
    one, two = made.extract(talk("good bad", "bad good"))
    assert one.tolist() == two.tolist()[::-1]
    assert made.dim == 51
    assert all(1 <= number <= 50 for number in one)
    others = (Words(buckets=51), Words(buckets=50, most_words=3), Words(vectors=vectors))
    assert len({part.fingerprint for part in (made, Words(buckets=50), *others)}) == 4


def test_the_first_line_of_word2vec_is_no_word(vectors):
    vectors.write_text("3 3\n" + VECTORS)
    words, values = read_vectors(vectors)
    assert words == ("good", "bad", "!")
    np.testing.assert_array_equal(values, [[1, 2, 2], [-1, 0, 0], [0, 3, 4]])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "holds no words"),
        ("good 1 2\nbad 1\n", "line 2 holds 1 numbers, the first vector 2"),
        ("good one two\n", "could not convert string to float"),
        ("good 1 nan\n", "line 1 holds a number that is not finite"),
        (None, "there is no such file"),
    ],
)
def test_files_that_hold_no_vectors(text, says, vectors):
    vectors.unlink() if text is None else vectors.write_text(text)
    with pytest.raises(InputError, match=says):
        Words(vectors=vectors)
