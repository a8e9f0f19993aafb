"""A trained run on new data: the run's own predictions again, what is absent, and what it warns about."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest

import ercfw
from ercfw.contract.conversation import Clip, Conversation
from ercfw.contract.feature_table import FeatureTable
from ercfw.errors import InputError

from .conftest import changed, table_of, write_csv


def own_predictions(folder):
    with (folder / "predictions.csv").open(newline="", encoding="utf-8") as file:
        return {(row["conversation"], row["utterance"]): row for row in csv.DictReader(file)}


def same(answers, expected):
    """Emotions, and probabilities as the six digits of a run's predictions bear."""
    for answer in answers:
        row = expected[answer.conversation, answer.utterance]
        assert answer.predicted["emotion"] == row["emotion.predicted"]
        for name, p in answer.probabilities["emotion"].items():
            assert p == pytest.approx(float(row[f"emotion.p.{name}"]), abs=1e-5)


@pytest.mark.parametrize("which", ["causal", "both_ways"])
def test_the_runs_own_utterances_are_predicted_as_the_run_did(shelf, which):
    folder = getattr(shelf, which)
    model, expected = ercfw.load(folder), own_predictions(folder)
    predicted = model.predict(table_of(shelf, "label", "split"), features={"visual": shelf.root / "visual.safetensors"})
    assert [(a.conversation, a.utterance) for a in predicted.answers] == list(expected)
    same(predicted.answers, expected)
    assert predicted.warnings == ()
    assert model.modalities == ("text", "audio", "visual"), "in the order of training"
    assert model.classes == {"emotion": ("calm", "joy", "rage")}
    assert all(sum(a.probabilities["emotion"].values()) == pytest.approx(1, abs=1e-5) for a in predicted.answers)


def test_the_file_alone_and_conversations_of_a_program_do_too(shelf, tmp_path):
    rows = [row for row in shelf.rows if row["split"] == "test"]
    conversations = [
        Conversation(
            name, "test", *(tuple(row[key] for row in of) for key in ("utterance", "speaker", "text")),
            {"emotion": np.zeros(len(of), np.int64)}, clips=tuple(Clip(shelf.root / row["clip"]) for row in of),
        )
        for name in dict.fromkeys(row["conversation"] for row in rows)
        if (of := [row for row in rows if row["conversation"] == name])
    ]  # fmt: skip
    model = ercfw.load(str(shelf.causal / "model.safetensors"))
    predicted = model.predict(conversations, features={"visual": shelf.root / "visual.safetensors"})
    assert len(predicted.answers) == len(rows)
    same(predicted.answers, own_predictions(shelf.causal))


def test_what_the_data_lacks_is_absent_as_in_a_table_that_says_so(shelf, tmp_path):
    model = ercfw.load(shelf.causal)
    lacking = model.predict(table_of(shelf, "clip"))
    assert [w.split(":")[0] for w in lacking.warnings] == ["'audio' is absent", "'visual' is absent"]
    assert "--features visual=FILE" in lacking.warnings[1]
    ids = tuple((a.conversation, a.utterance) for a in lacking.answers)
    files = {}
    for name, width in (("audio", 4), ("visual", 3)):
        files[name] = tmp_path / f"{name}.safetensors"
        nobody = np.zeros(len(ids), bool)
        FeatureTable(ids, np.full((len(ids), width), 7, np.float32), nobody, fitted_on="nothing").save(files[name])
    said = model.predict(table_of(shelf, "clip"), features=files)
    assert said.answers == lacking.answers
    whole = model.predict(table_of(shelf), features={"visual": shelf.root / "visual.safetensors"})
    assert whole.answers != lacking.answers


def test_an_utterance_that_a_feature_file_does_not_know_is_absent_there(shelf, tmp_path):
    model, path = ercfw.load(shelf.causal), tmp_path / "some.safetensors"
    whole = FeatureTable.load(shelf.root / "visual.safetensors")
    gone = [id for id in whole.ids if id[0] in {"c6", "c7", "c8"}][1]
    keep = [row for row, id in enumerate(whole.ids) if id != gone]
    replace(whole, ids=tuple(whole.ids[r] for r in keep), values=whole.values[keep], present=whole.present[keep]).save(
        path
    )
    predicted = model.predict(table_of(shelf), features={"visual": path})
    total = len(predicted.answers)
    assert predicted.warnings == (f"'visual' is absent in 1 of {total} utterances",)
    marked = replace(whole, present=np.array([id != gone for id in whole.ids]))
    marked.save(path)
    assert model.predict(table_of(shelf), features={"visual": path}).answers == predicted.answers


def test_features_alone_name_the_utterances(shelf):
    predicted = ercfw.load(shelf.causal).predict(features={"visual": shelf.root / "visual.safetensors"})
    assert len(predicted.answers) == len(shelf.rows)
    assert predicted.answers[0].text == ""
    assert "feature files name no speakers" in predicted.warnings[0]


def test_a_conversation_that_was_learnt_is_reported(shelf):
    model = ercfw.load(shelf.causal)
    reported = model.predict(table_of(shelf, splits=("train", "test"))).warnings
    learnt = len({row["conversation"] for row in shelf.rows if row["split"] == "train"})
    assert any(f"was trained on {learnt} of these" in warning for warning in reported)


def test_so_is_one_whose_name_lacks_its_split(shelf, tmp_path):
    run = changed(shelf, tmp_path, lambda about: about.update(trained_on=[_named_train("x")]))
    path = write_csv(tmp_path / "x.csv", [{"conversation": "x", "utterance": "1", "text": "oh"}])
    assert any("was trained on 1 of these 1" in w for w in ercfw.load(run).predict(path).warnings)


def _named_train(name):
    from ercfw.contract.conversation import fingerprint

    return fingerprint(Conversation(f"train/{name}", "train", ("1",), ("a",), ("oh",), {}))


def test_stamps_stand_on_everything(shelf, tmp_path, cli):
    run = changed(shelf, tmp_path, lambda about: about.update(stamps=["SIMULATED", "CHOSEN ON TEST"]))
    words = ["predict", run, table_of(shelf), "--processes", "1"]
    assert "[SIMULATED] [CHOSEN ON TEST]" in cli(*words).out
    rows = list(csv.DictReader(cli(*words, "--format", "csv").out.splitlines()))
    assert {row["stamp"] for row in rows} == {"SIMULATED, CHOSEN ON TEST"}
    assert json.loads(cli(*words, "--format", "json").out)["stamps"] == ["SIMULATED", "CHOSEN ON TEST"]


def test_another_extractor_than_in_training_is_reported(shelf, tmp_path):
    run = changed(shelf, tmp_path, lambda about: about["streams"]["text"]["made_by"].update(fingerprint="old"))
    model = ercfw.load(run)
    reported = "'text' comes from another extractor, version or weights"
    assert any(reported in warning for warning in model.predict(table_of(shelf)).warnings)
    assert any(reported in warning for warning in model.live().warnings)


def test_a_stream_fitted_on_what_it_predicts_is_reported(shelf, tmp_path):
    whole, path = FeatureTable.load(shelf.root / "visual.safetensors"), tmp_path / "fitted.safetensors"
    replace(whole, fitted_on=frozenset(whole.ids[:2])).save(path)
    reported = ercfw.load(shelf.causal).predict(features={"visual": path}).warnings
    assert any("fitted on the labels of 2 of these utterances" in warning for warning in reported)


def conversation(name="x", *texts):
    size = len(texts)
    return Conversation(name, "test", tuple(map(str, range(size))), ("a",) * size, texts, {})


@pytest.mark.parametrize(
    ("data", "words", "says"),
    [
        ([], {}, "the input: contains no conversation"),
        ([conversation()], {}, "conversation x: has no utterances"),
        ([conversation("x", "oh"), conversation("x", "no")], {}, "conversation x: occurs twice"),
        ([replace(conversation("x", "oh"), cues=("a", "b"))], {}, "conversation x: has cues of 2 utterances, but 1"),
        ([conversation("x", "oh")], {"transcript": "t.csv"}, "can be given with files only"),
        ([conversation("x", "", " ")], {}, "has none of the modalities that the model reads"),
        ([conversation("x", "oh")], {"features": {"smell": "f.safetensors"}}, "no such feature file"),
        (None, {}, "the input: is missing"),
    ],
)
def test_data_that_is_none_is_one_message(shelf, data, words, says):
    with pytest.raises(InputError, match=says):
        ercfw.load(shelf.causal).predict(data, **words)


def save_features(path, values, **more):
    ids = (("x", "0"), ("x", "1"))
    FeatureTable(ids, values, np.ones(2, bool), fitted_on="nothing", **more).save(path)
    return path


@pytest.mark.parametrize(
    ("name", "values", "lengths", "says"),
    [
        ("smell", np.zeros((2, 3)), None, "features smell: the model does not read .*audio, text, visual"),
        ("visual", np.zeros((2, 5)), None, "is of kind vector and width 5 .*on 'visual' of kind vector and width 3"),
        ("visual", np.zeros((4, 3)), [1, 3], "is of kind frames and width 3 .*on 'visual' of kind vector and width 3"),
        ("visual", np.arange(4), [1, 3], "is of kind tokens and width 4"),
    ],
)
def test_features_that_do_not_fit_are_one_message(shelf, tmp_path, name, values, lengths, says):
    lengths = None if lengths is None else np.array(lengths)
    path = save_features(tmp_path / "f.safetensors", values, lengths=lengths)
    with pytest.raises(InputError, match=says):
        ercfw.load(shelf.causal).predict(features={name: path})


def test_features_of_other_utterances_are_one_message(shelf, tmp_path):
    path = save_features(tmp_path / "f.safetensors", np.zeros((2, 3)))
    with pytest.raises(InputError, match="has no row for any utterance: its first id is x/0, that of the input is y/0"):
        ercfw.load(shelf.causal).predict([conversation("y", "oh")], features={"visual": path})


def test_utterances_without_anything_are_counted(shelf):
    reported = ercfw.load(shelf.causal).predict([conversation("x", "oh", "", " ")]).warnings
    assert "'text' is absent in 2 of 3 utterances" in reported
    assert "utterances without any modality that the model reads: 2; they are predicted from the others" in reported


def test_labels_are_not_read(shelf):
    some = replace(conversation("x", "oh"), labels={"other": np.zeros(1, np.int64)})
    bare = [conversation("x", "oh"), conversation("y", "no")]
    model = ercfw.load(shelf.causal)
    assert model.predict([some, bare[1]]).answers == model.predict(bare).answers


def test_its_repr_says_what_it_is(shelf):
    model = ercfw.load(shelf.causal)
    assert repr(model) == (
        f"<TrainedModel Shelf, reads text, audio, visual, predicts emotion: calm, joy, rage, "
        f"from {shelf.causal / 'model.safetensors'}>"
    )
    live = model.live()
    live.add("an eel")
    assert repr(live) == f"<Live conversation, 1 utterances, with the model of {shelf.causal / 'model.safetensors'}>"


def test_texts_are_one_conversation(shelf, tmp_path):
    model = ercfw.load(shelf.causal)
    rows = [{"conversation": "c", "speaker": "s", "text": text} for text in ("an eel", "a tree")]
    table = model.predict(write_csv(tmp_path / "t.csv", rows)).answers
    texts = model.predict(texts=["an eel", "", "a tree "]).answers
    assert [answer.probabilities for answer in texts] == [answer.probabilities for answer in table]
    with pytest.raises(InputError, match="data and texts: each of them names the utterances"):
        model.predict("t.csv", texts=["an eel"])
