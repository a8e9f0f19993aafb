"""Files that hold one split alone, and corpora that have only one."""

import numpy as np
import pytest

from ercfw.contract.feature_table import FeatureTable


def given(root, modality, content, values, keys):
    """The utterances of these conversations have their values; all others lack the modality."""
    table = FeatureTable.load(root / f"{modality}.safetensors")
    rows = {
        (content.names[key], id): row for key in keys for id, row in zip(content.ids[key], values[key], strict=True)
    }
    assert {id for id, present in zip(table.ids, table.present, strict=True) if present} == {
        id for id, row in rows.items() if row.any()
    }
    for id, row in rows.items():
        np.testing.assert_array_equal(table.values[table.ids.index(id)], row)


@pytest.mark.parametrize("which", ["file", "folder of a modality"])
def test_one_file_of_embeddings(meld, dump, cli, tmp_path, which):
    root, content = meld
    values = content.vectors(7, 0)
    rows = np.concatenate([values[key] for key in content.keys["dev"]])
    path = dump(tmp_path / "embeddings" / "text" / "val.pkl", rows)
    ended = cli("data", "import", "m2fnet", path if which == "file" else path.parent, "--to", root)
    assert ended.code == 0, ended.err
    assert "the files have no 'text' for train and test: these utterances lack it" in ended.err
    given(root, "text", content, values, content.keys["dev"])


def test_one_of_several_files_of_embeddings_and_a_file_of_another_name(meld, dump, cli, tmp_path):
    root, content = meld
    values = content.vectors(7, 0)
    folder = tmp_path / "embeddings" / "audio"
    for split, name in (("train", "train"), ("dev", "dev"), ("test", "test")):
        dump(folder / f"{name}.pkl", np.concatenate([values[key] for key in content.keys[split]]))
    ended = cli("data", "import", "m2fnet", folder / "test.pkl", "--to", root)
    assert "the files have no 'audio' for train and dev" in ended.err
    given(root, "audio", content, values, content.keys["test"])
    other = (folder / "test.pkl").rename(folder / "holdout.pkl")
    cli("data", "import", "m2fnet", other, "--to", root).check(2, "holdout.pkl: holds no folder of embeddings")


def test_splits_are_imported_one_after_another(meld, dump, cli, tmp_path):
    root, content = meld
    values = content.vectors(7, 0)
    folder, words = tmp_path / "embeddings" / "text", ("data", "import", "m2fnet")
    for split, lacking in (("train", "dev and test"), ("dev", "test"), ("test", "")):
        rows = np.concatenate([values[key] for key in content.keys[split]])
        ended = cli(*words, dump(folder / f"{split}.pkl", rows), "--to", root)
        assert ended.code == 0, ended.err
        assert (f"no 'text' for {lacking}: " in ended.err) == bool(lacking)
    given(root, "text", content, values, [key for keys in content.keys.values() for key in keys])
    table = FeatureTable.load(root / "text.safetensors")
    assert set(table.provenance["files"]) == {"train.pkl", "dev.pkl", "test.pkl"}
    before = (root / "text.safetensors").read_bytes()
    assert cli(*words, folder / "train.pkl", "--to", root).code == 0
    assert (root / "text.safetensors").read_bytes() == before, "nothing new"
    dump(folder / "dev.pkl", np.concatenate([values[key] for key in content.keys["dev"]]) + 1)
    cli(*words, folder / "dev.pkl", "--to", root).check(2, "text.safetensors: already exists, with other values")
    assert (root / "text.safetensors").read_bytes() == before


def test_splits_of_different_streams_are_not_joined(meld, dump, cli, tmp_path):
    root, content = meld
    values = content.vectors(7, 0)
    rows = {split: np.concatenate([values[key] for key in content.keys[split]]) for split in content.keys}
    words = ("--to", root)
    assert cli("data", "import", "m2fnet", dump(tmp_path / "text" / "train.pkl", rows["train"]), *words).code == 0
    for other in (rows["test"].astype("f8"), rows["test"][:, :3]):
        path = dump(tmp_path / "text" / "test.pkl", other)
        cli("data", "import", "m2fnet", path, *words).check(2, "text.safetensors: already exists, with other values")
    mmgcn = dump(tmp_path / "x.pkl", content.tuple(values, values, values, meld=True))
    assert cli("data", "import", "mmgcn", mmgcn, *words).code == 0, "it has every row that is there"
    given(root, "text", content, values, [key for keys in content.keys.values() for key in keys])


def test_a_list_of_train_without_dev(meld, dump, cli, tmp_path):
    root, content = meld
    streams = [content.vectors(width, width) for width in (6, 5, 4)]
    train = content.keys["train"]
    content.keys = {"train": train, "test": []}
    path = dump(tmp_path / "x.pkl", content.tuple(*streams, meld=True))
    ended = cli("data", "import", "mmgcn", path, "--to", root)
    assert ended.code == 0, ended.err
    assert "labels: 8 of 8 agree" in ended.out
    assert "the files have no 'text' for dev and test: these utterances lack it" in ended.err
    given(root, "text", content, streams[0], train)


def test_lists_of_all_splits_but_values_of_one(meld, dump, cli, tmp_path):
    root, content = meld
    streams = [content.vectors(width, width) for width in (6, 5, 4)]
    test = content.keys["test"]
    tables = [content.ids, content.speakers, content.labels, *streams, content.sentences]
    only = [{key: table[key] for key in test} for table in tables]
    path = dump(tmp_path / "x.pkl", (*only, content.train_and_dev, test, []))
    ended = cli("data", "import", "mmgcn", path, "--to", root)
    assert ended.code == 0, ended.err
    assert "the files have no 'visual' for train and dev: these utterances lack it" in ended.err
    given(root, "visual", content, streams[2], test)


def test_a_stream_that_lacks_a_split(meld, dump, cli, tmp_path):
    root, content = meld
    text, audio, visual = (content.vectors(width, width) for width in (6, 5, 4))
    test = content.keys["test"]
    path = dump(tmp_path / "x.pkl", content.tuple(text, {key: audio[key] for key in test}, visual, meld=True))
    ended = cli("data", "import", "mmgcn", path, "--to", root)
    assert ended.code == 0, ended.err
    assert "the files have no 'audio' for train and dev" in ended.err
    assert "'text'" not in ended.err
    given(root, "audio", content, audio, test)
    given(root, "text", content, text, [*content.train_and_dev, *test])


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_corpus_of_one_split_is_made_from_the_files(iemocap, dump, cli, tmp_path, split):
    streams = [{key: rows + 9 for key, rows in iemocap.vectors(width, 0).items()} for width in (6, 5, 4)]
    iemocap.keys = {name: keys if name == split else [] for name, keys in iemocap.keys.items()}
    held = iemocap.keys[split]
    tables = [iemocap.ids, iemocap.speakers, iemocap.labels, *streams, iemocap.sentences]
    only = [{key: table[key] for key in held} for table in tables]
    path = dump(tmp_path / "IEMOCAP_features.pkl", (*only, iemocap.keys["train"], iemocap.keys["test"]))
    root = tmp_path / "iemocap"
    ended = cli("data", "import", "mmgcn", path, "--to", root)
    assert ended.code == 0, ended.err
    lacking = "train and dev" if split == "test" else "test"
    assert f"the corpus has no conversation of {lacking}, but runs need all splits" in ended.err
    assert "the files have no" not in ended.err
    given(root, "text", iemocap, streams[0], held)


def test_a_table_of_one_split_takes_its_features(meld, dump, cli, tmp_path):
    _, content = meld
    values = content.vectors(6, 6)
    content.keys = {"train": [], "test": content.keys["test"]}
    names = {key: f"talk{key}" for key in content.keys["test"]}
    lines = [f"{names[key]},{id},{label},test" for key in names
             for id, label in zip(content.ids[key], content.labels[key], strict=True)]  # fmt: skip
    root = tmp_path / "own"
    root.mkdir()
    (root / "utterances.csv").write_text("\n".join(["conversation,utterance,label,split", *lines, ""]))
    labels = sorted({label for key in names for label in content.labels[key]}, key=str)
    tables = [content.ids, content.speakers, content.labels, values, values, values, content.sentences]
    only = [{names[key]: table[key] for key in names} for table in tables]
    only[2] = {key: [labels.index(label) for label in found] for key, found in only[2].items()}
    path = dump(tmp_path / "own.pkl", (*only, [], list(names.values()), []))
    ended = cli("data", "import", "mmgcn", path, "--to", root, "--corpus", "table")
    assert ended.code == 0, ended.err
    assert "the corpus has no conversation of train and dev" in ended.err
    content.names = names
    given(root, "text", content, values, list(names))
