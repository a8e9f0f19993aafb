"""Files whose rows do not match the corpus are refused with the place named, and nothing is written."""

import pickle

import numpy as np
import pytest

from ercfw.contract.feature_table import FeatureTable


@pytest.fixture
def offered(meld, dump, tmp_path):
    """MMGCN's tuple of the small MELD, as a list that a test may damage, and how to import it."""
    root, content = meld
    streams = [content.rows(content.vectors(width, width)) for width in (6, 5, 4)]
    fields = list(pickle.loads(pickle.dumps(content.tuple(*streams, meld=True))))
    return root, fields, tmp_path / "MELD_features_raw1.pkl"


@pytest.fixture
def refused(offered, dump, cli):
    """``refused(*words)``: the import ends so, with these words in its one message, and leaves nothing."""
    root, fields, path = offered

    def check(*words, more=()):
        dump(path, tuple(fields))
        result = cli("data", "import", "mmgcn", path, "--to", root, *more)
        result.check(2, "..".join(words))
        assert not list(root.glob("*.safetensors"))

    return check


UTTERANCES, SPEAKERS, LABELS, TEXT, AUDIO, VISUAL, SENTENCES, TRAIN, TEST = range(9)


def test_whole_it_is_taken(offered, dump, cli):
    root, fields, path = offered
    dump(path, tuple(fields))
    assert cli("data", "import", "mmgcn", path, "--to", root).code == 0
    assert len(list(root.glob("*.safetensors"))) == 3


def test_labels_off_by_one_row(offered, refused):
    labels = offered[1][LABELS]
    flat = [n for key in labels for n in labels[key]]
    moved = iter([flat[-1], *flat[:-1]])
    offered[1][LABELS] = {key: [next(moved) for _ in values] for key, values in labels.items()}
    refused("18 of 18 labels differ", "first at train/0, utterance 0: sadness in the file, neutral in the corpus")


def test_one_label(offered, refused):
    offered[1][LABELS][7][0] = 2
    refused("1 of 18 labels differ", "first at test/1, utterance 5: fear in the file, surprise in the corpus")


def test_a_swapped_class(offered, refused):
    swap = {4: 6, 6: 4}
    offered[1][LABELS] = {k: [swap.get(n, n) for n in v] for k, v in offered[1][LABELS].items()}
    refused("labels differ", "train/1, utterance 1: anger in the file, joy in the corpus")


def test_a_class_that_is_none(offered, refused):
    offered[1][LABELS][0][1] = 7
    refused("first at train/0, utterance 1: class 7 in the file, surprise in the corpus")


def test_a_shuffled_list_of_conversations(offered, refused):
    offered[1][TRAIN] = [0, 3, 1, 4, 5]
    refused("its train list is out of order: 1 follows 3, at place 3")


def test_a_shuffled_list_of_utterances(offered, refused):
    offered[1][UTTERANCES][1] = ["4", "0", "1"]
    refused("conversation 1 (train/1): utterance '0' follows '4', but comes first in the corpus")


@pytest.mark.parametrize(
    ("ids", "words"),
    [
        (["0", "1", "1"], "has utterance '1' more than once"),
        (["0", "1", "2"], "has an utterance '2' that is not in the corpus"),
        (["0", "1"], "lacks 1 utterances of the corpus; the first is '4'"),
    ],
)
def test_utterance_ids_that_are_others(offered, refused, ids, words):
    offered[1][UTTERANCES][1] = ids
    refused("conversation 1 (train/1)", words)


def test_ids_of_clips_are_read_too(offered, dump, cli):
    root, fields, path = offered
    fields[UTTERANCES] = {key: [f"dia{key}_utt{id}" for id in ids] for key, ids in fields[UTTERANCES].items()}
    dump(path, tuple(fields))
    assert cli("data", "import", "mmgcn", path, "--to", root).code == 0


def test_a_conversation_in_the_lists_twice(offered, refused):
    offered[1][TEST] = [6, 7, 7]
    refused("its lists name conversation 7 more than once")


def test_another_split(offered, refused):
    offered[1][TRAIN], offered[1][TEST] = [0, 1, 3, 4], [5, 6, 7, 8]
    refused("its train list has 4 conversations, but the corpus has 5")


def test_lists_without_a_conversation(offered, refused):
    offered[1][TRAIN], offered[1][TEST] = [], []
    refused("its lists name no conversation", more=("--corpus", "meld"))


@pytest.mark.parametrize("field", [UTTERANCES, SPEAKERS, LABELS, TEXT, SENTENCES])
def test_a_missing_conversation(offered, refused, field):
    del offered[1][field][6]
    refused("conversation 6 is missing (1 in all)")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda rows: [*rows[:-1], rows[-1][:3]], "is ragged: utterance 3 has shape [3], the first has [6]"),
        (lambda rows: rows[:-1], "has values of shape [2, 6] for 3 utterances"),
        (lambda rows: [row[:5] for row in rows], "is 5 wide"),
        (lambda rows: [*rows[:-1], rows[-1] * np.nan], "holds NaN or infinity"),
        (lambda rows: ["a", "b", "c"], "expected numbers [U, D]"),
        (lambda rows: 5, "is not a list of utterances but of type int"),
    ],
)
def test_rows_that_do_not_fit(offered, refused, make, words):
    offered[1][TEXT][1] = make(offered[1][TEXT][1])
    refused(words)


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        (LABELS, ["0"], "is not a dict of conversations but of type list"),
        (TRAIN, 5, "train list: is not a list of conversations but of type int"),
        (LABELS, {None: [0]}, "has names of conversations that are neither text nor whole numbers"),
        (LABELS, {0: [0.5, 1, 2]}, "holds labels that are not whole numbers"),
        (LABELS, {0: ["joy"]}, "holds labels that are not whole numbers"),
        (SPEAKERS, {0: [None]}, "holds speakers that are neither names nor one-hot vectors"),
        (SENTENCES, {0: [None]}, "holds values that are not texts"),
    ],
)
def test_fields_that_hold_something_else(offered, refused, field, value, words):
    offered[1][field] = value
    refused(words)


def test_another_format(offered, refused):
    offered[1].append(1)
    refused("holds 11 fields", "expected 10 or 9")


def test_another_corpus(offered, iemocap, dump, cli):
    root, _, path = offered
    streams = [iemocap.vectors(3, seed) for seed in range(3)]
    dump(path, iemocap.tuple(*streams, meld=False))
    cli("data", "import", "mmgcn", path, "--to", root, "--corpus", "meld").check(
        2, "conversation 'Ses01F_impro01' is not in this corpus..check that the files belong to this corpus"
    )


def test_a_split_that_is_another(iemocap, dump, cli, tmp_path):
    streams = [iemocap.vectors(3, seed) for seed in range(3)]
    path, root = tmp_path / "IEMOCAP_features.pkl", tmp_path / "data"
    dump(path, iemocap.tuple(*streams, meld=False))
    root.mkdir()
    assert cli("data", "import", "mmgcn", path, "--to", root).code == 0
    iemocap.keys = {"train": [*iemocap.keys["train"][1:], *iemocap.keys["test"]], "test": iemocap.keys["train"][:1]}
    dump(path, iemocap.tuple(*streams, meld=False))
    cli("data", "import", "mmgcn", path, "--to", root).check(
        2, "conversation 'Ses05M_impro03' is in its train list, but in test of the corpus"
    )


def test_a_missing_file(meld, cli, tmp_path):
    root, _ = meld
    (tmp_path / "MELD").mkdir()
    (tmp_path / "MELD" / "Speakers.pkl").write_bytes(b"")
    cli("data", "import", "multiemo", tmp_path / "MELD", "--to", root).check(
        2, "MELD: lacks TextFeatures.pkl, AudioFeatures.pkl, VisualFeatures.pkl"
    )
    cli("data", "import", "mmgcn", tmp_path / "MELD", "--to", root).check(2, "holds none of MELD_features_raw1.pkl")
    cli("data", "import", "mmgcn", tmp_path / "no.pkl", "--to", root).check(2, "no.pkl")


def test_what_is_there_is_not_lost(offered, dump, cli):
    root, fields, path = offered
    dump(path, tuple(fields))
    words = ("data", "import", "mmgcn", path, "--to", root)
    assert cli(*words).code == 0
    before = (root / "text.safetensors").read_bytes()
    assert cli(*words).code == 0  # the same again
    fields[TEXT][0][0] = fields[TEXT][0][0] + 1
    dump(path, tuple(fields))
    cli(*words).check(2, "text.safetensors: already exists, with other values (overwrite it with --replace)")
    assert (root / "text.safetensors").read_bytes() == before
    assert cli(*words, "--replace").code == 0
    assert FeatureTable.load(root / "text.safetensors").values[0, 0] == fields[TEXT][0][0][0]


def test_a_file_of_another_kind_is_in_the_way(offered, refused):
    np.save(offered[0] / "audio.npy", np.zeros((18, 2), "f4"))
    refused("audio.npy: already holds 'audio'")


def test_no_annotations(offered, dump, cli, tmp_path):
    _, fields, path = offered
    dump(path, tuple(fields))
    cli("data", "import", "mmgcn", path, "--to", tmp_path / "nowhere").check(2, "nowhere: there is no such folder")
    (tmp_path / "empty").mkdir()
    cli("data", "import", "mmgcn", path, "--to", tmp_path / "empty").check(2, "train_sent_emo.csv: cannot be read")


def test_texts_and_speakers_that_differ_are_reported(offered, dump, cli):
    root, fields, path = offered
    fields[SENTENCES] = {key: ["other"] * len(texts) for key, texts in fields[SENTENCES].items()}
    fields[SPEAKERS] = {key: [[1] + [0] * 8] * len(them) for key, them in fields[SPEAKERS].items()}
    dump(path, tuple(fields))
    result = cli("data", "import", "mmgcn", path, "--to", root)
    assert result.code == 0
    assert "only 0 of 18 texts are those of the corpus" in result.err
    assert "speakers differ from the corpus in 6 conversations; the first is 0" in result.err


def test_unknown_names(offered, cli):
    root, _, path = offered
    cli("data", "import", "mmgnc", path, "--to", root).check(2, "no format named 'mmgnc'..did you mean 'mmgcn'?")
    path.write_bytes(pickle.dumps((1,)))
    cli("data", "import", "mmgcn", path, "--to", root, "--corpus", "melt").check(2, "1 fields")


def test_a_full_disk_leaves_what_was_there(offered, dump, cli, monkeypatch):
    root, fields, path = offered
    dump(path, tuple(fields))
    monkeypatch.setattr(
        "ercfw.contract.feature_table.save_file",
        lambda *_, **__: (_ for _ in ()).throw(OSError(28, "No space left on device")),
    )
    cli("data", "import", "mmgcn", path, "--to", root).check(1, "text.safetensors: cannot be written: No space left")
    assert not [p for p in root.iterdir() if p.suffix != ".csv"]
