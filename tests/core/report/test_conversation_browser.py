"""The data of the conversation browser is what the runs left, in whole thousandths and 255ths."""

import base64
import json
import zlib
from dataclasses import replace

import numpy as np
import pytest

from ercfw.errors import InputError
from ercfw.predict.explain import reopen
from ercfw.report import conversation_browser as browser
from ercfw.report.conversation_browser import browser_data
from ercfw.results.finished_run import find_groups


@pytest.fixture(scope="module")
def groups(runs):
    return find_groups([runs / "attending"])


@pytest.fixture(scope="module")
def opened(runs):
    return reopen(runs / "attending" / "seed-0", lambda *_: None)


def test_conversations_hold_what_the_run_left(groups, rows_of_test):
    data = browser_data(groups, None)
    assert [split["name"] for split in data["splits"]] == ["test", "dev"]
    assert data["answers"] == ["attending"]
    assert data["attention"] is None
    (target,) = data["targets"]
    rows = rows_of_test(groups[0].first.folder)
    shown = [(c["id"], *u[:3]) for c in data["splits"][0]["conversations"] for u in c["utterances"]]
    assert shown == [(r["conversation"], r["utterance"], r["speaker"], r["text"]) for r in rows]
    for row, utterance in zip(
        rows, (u for c in data["splits"][0]["conversations"] for u in c["utterances"]), strict=True
    ):
        assert target["classes"][utterance[3][0]] == row["emotion"]
        expected = [1000 * float(row[f"emotion.p.{name}"]) for name in target["classes"]]
        assert utterance[4][0][0] == pytest.approx(expected, abs=0.51)


def test_the_predicted_class_is_the_table_s_where_rounded_probabilities_tie(left_run):
    """The run predicted the second of two classes whose written probabilities are equal."""
    tie = {"emotion.p.joy": "0.400000", "emotion.p.anger": "0.400000", "emotion.p.fear": "0.200000"}
    row = {"conversation": "c", "emotion": "anger", "emotion.predicted": "anger"}
    rows = [{**row, "utterance": "0", **tie}, {**row, "utterance": "1"}]
    data = browser_data(find_groups([left_run(rows, ("joy", "anger", "fear"))]), None)
    first, second = data["splits"][0]["conversations"][0]["utterances"]
    assert first[4] == [[[400, 400, 200]]]
    assert (first[5], second[5]) == ([[1]], [[1]])


def test_predicted_classes_are_those_of_the_run_s_table(groups, rows_of_test):
    data = browser_data(groups, None)
    classes = data["targets"][0]["classes"]
    shown = [classes[u[5][0][0]] for c in data["splits"][0]["conversations"] for u in c["utterances"]]
    assert shown == [row["emotion.predicted"] for row in rows_of_test(groups[0].first.folder)]


def test_answers_of_several_seeds_are_their_mean(runs):
    data = browser_data(find_groups([runs / "base", runs / "w-o-audio"]), None)
    assert data["answers"] == ["base", "w/o audio"]
    group = find_groups([runs / "base"])[0]
    mean = np.mean([run.answers("test", "emotion").values for run in group.runs], 0)
    shown = [u[4][0][0] for c in data["splits"][0]["conversations"] for u in c["utterances"]]
    assert np.array(shown) == pytest.approx(1000 * mean, abs=0.51)
    predicted = [u[5][0][0] for c in data["splits"][0]["conversations"] for u in c["utterances"]]
    assert predicted == mean.argmax(1).tolist()


def test_each_modality_alone_stands_beside_the_whole(groups, opened):
    data = browser_data(groups, opened)
    assert data["answers"] == ["attending", "text alone", "audio alone"]
    alone = opened.alone(opened.splits["test"], "audio")["emotion"]
    shown = [u[4][0][2] for c in data["splits"][0]["conversations"] for u in c["utterances"]]
    assert np.array(shown) == pytest.approx(1000 * alone, abs=0.51)


def unpacked(text, heads, length):
    numbers = np.frombuffer(zlib.decompress(base64.b64decode(text)), np.uint8)
    return numbers.reshape(length, sum(heads), length)


def test_attention_goes_in_and_comes_out(groups, opened):
    data = browser_data(groups, opened)["attention"]
    assert data["maps"] == [f"layer {n}, {pair}" for pair in ("text → audio", "audio → text") for n in (1, 2)]
    assert data["heads"] == [2, 2, 2, 2]
    assert data["note"] == ""
    assert set(data["conversations"]) == {c.id for split in ("test", "dev") for c in opened.splits[split]}
    for conversation in opened.splits["test"]:
        (maps,) = opened.attention([conversation])
        found = unpacked(data["conversations"][conversation.id], data["heads"], len(conversation))
        assert found == pytest.approx(255 * np.concatenate(list(maps.values()), 1), abs=0.51)


def test_too_much_attention_is_thinned_and_said(groups, opened, monkeypatch):
    whole = sum(map(len, browser_data(groups, opened)["attention"]["conversations"].values()))
    monkeypatch.setattr(browser, "MOST_ATTENTION", whole - 1)
    mean = browser_data(groups, opened)["attention"]
    assert (mean["heads"], mean["note"]) == ([1, 1, 1, 1], "mean over heads")
    monkeypatch.setattr(browser, "MOST_ATTENTION", sum(map(len, mean["conversations"].values())) - 1)
    last = browser_data(groups, opened)["attention"]
    assert last["maps"] == ["layer 2, text → audio", "layer 2, audio → text"]
    conversation = opened.splits["test"][0]
    (maps,) = opened.attention([conversation])
    expected = 255 * maps["fusion.layer-2.text.audio"].mean(1)
    assert unpacked(last["conversations"][conversation.id], [1, 1], len(conversation))[:, 0] == pytest.approx(
        expected, abs=0.51
    )
    monkeypatch.setattr(browser, "MOST_ATTENTION", 10)
    assert browser_data(groups, opened)["attention"] is None


def test_the_attention_of_very_long_conversations_is_left_out(groups, opened, monkeypatch):
    longest = max(len(c) for split in ("test", "dev") for c in opened.splits[split])
    monkeypatch.setattr(browser, "LONGEST", longest - 1)
    kept = browser_data(groups, opened)["attention"]["conversations"]
    assert set(kept) == {c.id for s in ("test", "dev") for c in opened.splits[s] if len(c) < longest}


def test_a_page_holds_so_much_text_and_says_what_is_left_out(groups, monkeypatch):
    whole = browser_data(groups, None)
    sizes = [len(c["utterances"]) for c in whole["splits"][0]["conversations"]]
    held = [len(json.dumps(c, separators=(",", ":"))) for c in whole["splits"][0]["conversations"]]
    monkeypatch.setattr(browser, "MOST_TEXT", sum(held[:3]) - 1)
    data = browser_data(groups, None)
    assert [len(c["utterances"]) for c in data["splits"][0]["conversations"]] == sizes[:2], "whole conversations only"
    dev = sum(len(c["utterances"]) for c in whole["splits"][1]["conversations"])
    shown = sum(len(c["utterances"]) for split in data["splits"] for c in split["conversations"])
    assert data["left_out"] == sum(sizes) + dev - shown


def test_what_groups_do_not_share_is_left_out(left_run):
    """Two runs with the same test, of which one has other utterances in dev, and one a second target."""
    both = [{"conversation": "t", "utterance": str(n), "emotion": "joy", "emotion.predicted": "joy"} for n in range(2)]
    dev = {"split": "dev", "conversation": "d", "emotion": "joy", "emotion.predicted": "joy"}
    mood = {"mood": "calm", "mood.predicted": "calm", "mood.p.calm": "1.0"}
    one = left_run([*both, {**dev, "utterance": "0"}], ("joy", "anger"), name="one")
    other = left_run([{**row, **mood} for row in [*both, {**dev, "utterance": "1"}]], ("joy", "anger"), name="other")
    for folders in ([one, other], [other, one]):
        data = browser_data(find_groups(folders), None)
        assert [split["name"] for split in data["splits"]] == ["test"]
        assert [target["name"] for target in data["targets"]] == ["emotion"]


def test_data_with_other_utterances_is_not_shown_as_if_it_were_the_run_s(groups, opened):
    fewer = replace(opened, splits={**opened.splits, "test": opened.splits["test"][1:]})
    with pytest.raises(InputError, match="its data now has other utterances of test"):
        browser_data(groups, fewer)
