"""Files that are not MMSA's, of another version, damaged or hostile: messages name the key, and nothing is written."""

import os
import pickle

import numpy as np
import pytest

from ercfw_formats.values import ROOM

WIDE = pytest.mark.skipif(np.dtype("longdouble").name != "float128", reason="numpy has no float128 here")


@pytest.fixture
def refused(made, cli, tmp_path):
    """``refused(*says)``: the import of the changed file ends so, with one message for each of ``says``."""

    def run(*says, content=None):
        path = tmp_path / "aligned_50.pkl"
        path.write_bytes(pickle.dumps(made.content if content is None else content, 4))
        cli("data", "import", "mmsa", path, "--to", tmp_path / "corpus").check(2, *says)
        assert not (tmp_path / "corpus").exists()

    return run


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ([1, 2], "aligned_50.pkl: holds a list (expected a dict of train, valid, test)"),
        ({}, "aligned_50.pkl: holds no utterance"),
        ({"train": [1]}, "train: is not a dict but of type list"),
        ({"train": None}, "train: is not a dict but of type NoneType"),
        ({"train": {"id": 5, "raw_text": [], "regression_labels": [], "text": []}},
         "train: id: is neither a list nor an array but of type int"),
        ({"train": {"id": np.array(5), "raw_text": [], "regression_labels": [], "text": []}},
         "train: id: is neither a list nor an array but of type ndarray"),
    ],
)  # fmt: skip
def test_no_such_file(refused, content, says):
    refused(says, content=content)


def test_other_names_of_splits(made, refused):
    made.content["dev"] = made.content.pop("valid")
    made.content["b$_$2"] = 1
    refused("aligned_50.pkl: dev: is not a split (expected a dict of train, valid, test)", "b$_$2: is not a split")


def test_missing_keys_of_all_splits_at_once(made, refused):
    del made.content["train"]["raw_text"], made.content["valid"]["id"]
    for key in ("text", "audio", "vision"):
        del made.content["test"][key]
    refused(
        "train: lacks 'raw_text' (does the file have another version?)",
        "valid: lacks 'id'",
        "test: has none of text, audio, vision",
    )


def test_a_stream_that_only_some_splits_have(made, refused):
    del made.content["test"]["audio"], made.content["valid"]["annotations"]
    refused("test: lacks 'audio' (other splits have it)", "valid: lacks 'annotations' (other splits have it)")


def test_numbers_of_values_that_disagree(made, refused):
    made.content["train"]["audio"] = made.content["train"]["audio"][:4]
    made.content["test"]["annotations"] = made.content["test"]["annotations"] * 2
    refused("train: audio: has 4 values for 5 ids", "test: annotations: has 6 values for 3 ids")


@pytest.mark.parametrize(
    ("id", "says"),
    [
        ("03bSnISJMiM[3]", "id: '03bSnISJMiM[3]' does not name a clip (expected video$_$clip"),
        ("video$_$", "does not name a clip"),
        ("$_$3", "does not name a clip"),
        ("video$_$3a", "does not name a clip"),
        ("video$_$-3", "does not name a clip"),
        ("video$_$" + "1" * 19, "does not name a clip"),
        ("video$_$\u0663", "does not name a clip"),
        ("a$_$9", "names 'a$_$9' more than once"),
        ("vi\ud83d$_$1", "half of a character"),
    ],
)
def test_ids_in_another_form(made, refused, id, says):
    made.content["train"]["id"][0] = id
    refused(says)


def test_ids_with_times(made, refused):
    """As other preparations of MOSEI have them: video, start, end."""
    made.content["train"]["id"] = np.array([["a", "0.0", "1.5"]] * 5)
    refused("train: id: holds values that are not texts")


def test_a_clip_in_two_splits(made, refused):
    made.content["test"]["id"][1] = "a$_$10"
    refused("'a$_$10' is in train and in test")


@pytest.mark.parametrize("key", ["text", "audio", "vision"])
@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda a: a.tolist(), "is not an array but of type list (expected an array of numbers [n, T, D])"),
        (lambda a: list(a), "is not an array but of type list"),
        (lambda a: a[:, 0], "holds float32 of shape [3, "),
        (lambda a: a[:, :0], ", 0, "),
        (lambda a: a[:, :, :0], ", 0] (expected numbers [n, T, D])"),
        (lambda a: a.astype(object), "holds object of shape"),
        (lambda a: a.astype("U8"), "holds <U8 of shape"),
        (lambda a: a > 0, "holds bool of shape"),
        (lambda a: a.astype("c8"), "holds complex64 of shape"),
        pytest.param(lambda a: a.astype("longdouble"), "holds float128 of shape", marks=WIDE),
        (lambda a: a[:, :, 1:], "differs in width: "),
    ],
)  # fmt: skip
def test_features_of_another_form(made, refused, key, change, says):
    made.content["test"][key] = change(made.content["test"][key])
    refused(f"{key}: ..{says}" if "width" not in says else f"{key}: {says}")


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ([9, 1, 1], "utterance 1 has 9 frames (1 such lengths) (expected a number from 0 to 5)"),
        ([1, -1, 6], "utterance 2 has -1 frames (2 such lengths)"),
        ([1, 2**70, 1], "holds a label that does not fit in 64 bits"),
        ([1, 1.5, 1], "not whole numbers"),
        (["1", "1", "1"], "not whole numbers"),
        ([[1], [1], [1]], "not whole numbers"),
    ],
)
def test_lengths(made, refused, given, says):
    for content in made.content.values():
        content["audio_lengths"] = [5] * len(content["id"])
    made.content["test"]["audio_lengths"] = given
    refused(f"test: audio_lengths: ..{says}")


@pytest.mark.parametrize(
    ("tokens", "says"),
    [
        (np.ones((3, 3, 4)), "holds float64 of shape [3, 3, 4] (expected numbers [3, 3, 5])"),
        (np.ones((3, 5)), "holds float64 of shape [3, 5]"),
        ([[[1] * 5] * 3] * 3, "holds no array"),
        (np.full((3, 3, 5), "x"), "holds <U1"),
        (np.full((3, 3, 5), 2), "the mask of utterance 1 is invalid (3 such masks)"),
        (np.full((3, 3, 5), np.nan), "the mask of utterance 1 is invalid"),
        (np.arange(45).reshape(3, 3, 5) % 2, "the mask of utterance 1 is invalid"),
    ],
)
def test_tokens(made, refused, tokens, says):
    for content in made.content.values():
        content["text_bert"] = np.ones((len(content["id"]), 3, 5))
    made.content["test"]["text_bert"] = tokens
    refused(f"test: text_bert: ..{says}")


@pytest.mark.parametrize(
    ("scores", "says"),
    [
        ([3.5, 0, 0], "'t$_$0' has the score 3.5 (expected a number from -3 to 3)"),
        ([0, np.nan, 0], "'u$_$7' has the score nan"),
        ([0, 0, 1e300], "'t$_$1' has the score inf"),
        ([0, 0, 2**70], "holds values that are not numbers"),
        ([0, 0, "1"], "holds values that are not numbers"),
        ([[0.5], [0], [0]], "holds values that are not numbers"),
        (np.zeros((3, 1)), "holds values that are not numbers"),
        ([None] * 3, "holds values that are not numbers"),
    ],
)
def test_scores(made, refused, scores, says):
    made.content["test"]["regression_labels"] = scores
    refused(f"test: regression_labels: ..{says}")


def test_scores_of_sims_beyond_one(made, refused):
    for content in made.content.values():
        content["regression_labels_T"] = content["regression_labels"] * 0
        content["regression_labels"] = content["regression_labels"] / 3
    made.content["valid"]["regression_labels_T"][1] = -1.2
    refused("valid: regression_labels_T: 'd$_$0' has the score -1.2 (expected a number from -1 to 1)")


def test_classes(made, refused):
    made.content["train"]["annotations"][1] = "Weakly Negative"
    made.content["test"]["annotations"][0] = "positive"
    refused(
        "train: annotations: 'a$_$10' has the class 'Weakly Negative' (expected Negative, Neutral, Positive)",
        "test: annotations: 't$_$0' has the class 'positive'",
    )


def test_numbers_of_classes(made, refused):
    for content in made.content.values():
        del content["annotations"]
    made.content["test"]["classification_labels"] = [3, 0, -1]
    refused("'t$_$0' has the class '3' (expected 0, 1 or 2)", "'t$_$1' has the class '-1'")


def test_texts(made, refused):
    made.content["test"]["raw_text"] = [["words"], "a", "b"]
    refused("test: raw_text: holds values that are not texts")
    made.content["test"]["raw_text"] = ["half \ud83d", "a", "b"]
    refused("conversation t, text of utterance 1: contains U+D83D")


def test_a_folder_with_both_versions(made, cli, tmp_path):
    for name in ("aligned_50.pkl", "unaligned_50.pkl"):
        made.write(tmp_path / "files" / name)
    says = "holds aligned_50.pkl and unaligned_50.pkl (give the path of the file to read)"
    cli("data", "import", "mmsa", tmp_path / "files", "--to", tmp_path / "corpus").check(2, says)
    (tmp_path / "empty").mkdir()
    result = cli("data", "import", "mmsa", tmp_path / "empty", "--to", tmp_path / "corpus")
    result.check(2, "holds none of aligned_50.pkl, unaligned_50.pkl, unaligned_39.pkl")


# Hostile and damaged


class Calls:
    """Pickled, it is a call."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("place", ["whole", "split", "array", "id"])
def test_a_call_does_not_run(made, refused, tmp_path, place):
    call = Calls(os.system, f"touch {tmp_path}/ran")
    if place == "split":
        made.content["valid"] = call
    elif place == "array":
        made.content["test"]["vision"] = call
    elif place == "id":
        made.content["test"]["id"][2] = call
    refused("aligned_50.pkl: cannot be opened: it names posix.system", content=call if place == "whole" else None)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.99])
def test_a_file_that_is_cut_off(made, cli, tmp_path, share):
    path = made.write(tmp_path / "aligned_50.pkl")
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    cli("data", "import", "mmsa", path, "--to", tmp_path / "corpus").check(2, "aligned_50.pkl: cannot be opened: it is")


def test_a_size_that_the_content_does_not_have(made, cli, tmp_path):
    """An array that claims to be 5 x 2^38 x 3, in the place of 5 x 5 x 3."""
    path = made.write(tmp_path / "aligned_50.pkl")
    small, huge = b"K\x05K\x05K\x03\x87", b"K\x05\x8a\x05" + (2**38).to_bytes(5, "little") + b"K\x03\x87"
    data = pickle.dumps(made.content, 2)
    assert small in data
    path.write_bytes(data.replace(small, huge, 1))
    result = cli("data", "import", "mmsa", path, "--to", tmp_path / "corpus")
    result.check(2, "it has an array whose content does not fit its shape")


def test_few_values_that_are_repeated(made, refused):
    made.content["train"]["raw_text"] = ["x" * (ROOM // 2)] * 5
    for key in ("id", "annotations", "regression_labels", "classification_labels", "text", "audio", "vision"):
        value = made.content["train"][key]
        made.content["train"][key] = list(value) * 40 if isinstance(value, list) else np.repeat(value, 40, 0)
    made.content["train"]["id"] = [f"v$_${n}" for n in range(200)]
    made.content["train"]["raw_text"] = made.content["train"]["raw_text"][:1] * 200
    refused("train: raw_text: repeats few values too often")


def test_tensors_and_older_protocols_are_read(made, cli, tmp_path):
    torch = pytest.importorskip("torch")
    for content in made.content.values():
        for key in ("text", "audio", "vision"):
            content[key] = torch.from_numpy(content[key])
    path = made.write(tmp_path / "aligned_50.pkl", 2)
    assert cli("data", "import", "mmsa", path, "--to", tmp_path / "corpus").code == 0
