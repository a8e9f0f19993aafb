"""Classes of the public corpora as a recipe renames, merges, orders and leaves them out."""

from pathlib import Path

import numpy as np
import pytest

from ercfw.data.audit.audit import check_corpus
from ercfw.errors import InputError
from ercfw_datasets.iemocap import Iemocap
from ercfw_datasets.meld import Meld
from ercfw_datasets.simulated import Simulated

CODES = ("hap", "exc", "ang", "sad", "neu", "fru", "sur", "xxx")
FOUR = ("happiness", "sadness", "neutral", "anger")


def labels_of(dataset, split: str) -> list[str]:
    names = dataset.targets["emotion"]
    return [names[label] for c in dataset.split(split) for label in c.labels["emotion"].tolist()]


@pytest.fixture
def iemocap(tmp_path: Path) -> Path:
    """One conversation per session, with an utterance of each code."""
    lines = [f"Ses0{s}F_x,Ses0{s}F_x_F{n},F,hm,{code}" for s in range(1, 6) for n, code in enumerate(CODES)]
    (tmp_path / "utterances.csv").write_text("\n".join(["conversation,utterance,speaker,text,label", *lines, ""]))
    return tmp_path


@pytest.mark.parametrize("labels", [{"exc": "happiness", "fru": ""}, {"excitement": "hap", "frustration": ""}])
def test_the_four_classes_of_work_on_speech(iemocap, silent, labels):
    dataset = silent(Iemocap, root=iemocap, dev="session4", labels=labels)
    assert dataset.targets == {"emotion": FOUR}
    assert labels_of(dataset, "test") == ["happiness", "happiness", "anger", "sadness", "neutral"]
    assert len(dataset.rows) == 5 * len(CODES), "a feature file keeps its rows"
    assert "of the classes happiness, sadness, neutral, anger" in dataset.provenance.source
    assert not dataset.published_counts


def test_labels_outside_the_six_classes_may_become_classes(iemocap, silent):
    dataset = silent(Iemocap, root=iemocap, dev="session4", labels={"sur": "surprise", "xxx": "unclear"})
    assert dataset.targets["emotion"][-2:] == ("surprise", "unclear")
    assert labels_of(dataset, "dev")[-2:] == ["surprise", "unclear"]


def test_classes_order_and_select_with_a_warning(iemocap, reported):
    dataset, warnings = reported(Iemocap, root=iemocap, dev="session4", classes=("ang", "happiness", "sadness"))
    assert dataset.targets == {"emotion": ("anger", "happiness", "sadness")}
    assert labels_of(dataset, "test") == ["happiness", "anger", "sadness"]
    (warning,) = warnings
    assert "utterances of neutral, excitement, frustration are left out" in warning


def test_a_label_of_the_file_that_the_corpus_does_not_have(iemocap, silent):
    path = iemocap / "utterances.csv"
    path.write_text(path.read_text().replace(",ang\n", ",angry\n"))
    message = r"line 4: not a class of this corpus: 'angry' \(did you mean 'anger'\? .*rename it with \[data\] labels"
    with pytest.raises(InputError, match=message):
        Iemocap(root=iemocap, dev="session4")
    renamed = silent(Iemocap, root=iemocap, dev="session4", labels={"angry": "anger"})
    assert labels_of(renamed, "test") == ["happiness", "excitement", "anger", "sadness", "neutral", "frustration"]
    added = silent(Iemocap, root=iemocap, dev="session4", labels={"angry": "rage"})
    assert added.targets["emotion"][-1] == "rage"


def test_the_own_classes_stay_as_they_are(iemocap, silent):
    plain = silent(Iemocap, root=iemocap, dev="session4")
    named = silent(Iemocap, root=iemocap, dev="session4", classes=plain.targets["emotion"], labels={})
    assert plain.provenance == named.provenance
    assert named.published_counts == Iemocap.published_counts


def test_meld_with_merged_classes_passes_the_checks_of_the_corpus(tmp_path, meld_files, silent):
    lines = [f"Hi,Ann,{label},0,{n},0:00:0{n},0:00:0{n + 1}" for n, label in enumerate(("joy", "disgust", "fear"))]
    root = meld_files(tmp_path / "meld", train=lines, dev=lines, test=lines)
    dataset = silent(Meld, root=root, labels={"disgust": "anger", "fear": "", "joy": "happy"})
    assert dataset.targets == {"emotion": ("neutral", "surprise", "sadness", "happy", "anger")}
    assert labels_of(dataset, "train") == ["happy", "anger"]
    findings = [finding.what for finding in check_corpus(dataset, lambda *_: None)]
    assert not any("published" in what for what in findings)


@pytest.mark.parametrize("make", [Meld, Simulated])
def test_simulated_conversations_have_the_classes_of_the_recipe(make):
    """They stand in for MELD, so a recipe for MELD must run on them."""
    widths = {"text": 4}
    plain, merged = make(widths=widths), make(widths=widths, labels={"disgust": "anger", "fear": ""})
    before = [name for name in labels_of(plain, "test") if name != "fear"]
    assert labels_of(merged, "test") == ["anger" if name == "disgust" else name for name in before]
    np.testing.assert_array_equal(plain.features("text").values, merged.features("text").values)


def test_simulated_conversations_know_the_codes_of_iemocap():
    assert Iemocap(labels={"exc": "hap", "fru": ""}).targets == {"emotion": FOUR}
    assert Simulated(like="iemocap", labels={"exc": "hap", "fru": ""}).targets == {"emotion": FOUR}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"labels": {"exited": "happiness"}}, r"labels: exited: the corpus has no such label .*mean 'excitement'"),
        ({"labels": {"exc": "happiness", "excitement": ""}}, r"labels: excitement: 'excitement' is listed twice"),
        ({"labels": dict.fromkeys(CODES, "")}, r"\[data\] labels: leaves no class"),
        ({"classes": ("anger", "happy")}, r"classes: the corpus has no class 'happy' .*labels renames them"),
        ({"classes": ("anger", "ang")}, r"classes: lists 'anger' twice"),
    ],
)
def test_options_that_do_not_fit_the_corpus(iemocap, options, message):
    with pytest.raises(InputError, match=message):
        Iemocap(root=iemocap, dev="session4", **options)
