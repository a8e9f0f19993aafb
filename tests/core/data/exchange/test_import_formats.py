"""Files in each format, made as other projects make them, come in unchanged."""

import csv
import json

import numpy as np
import pytest
import torch

from ercfw.contract.feature_table import FeatureTable

from .conftest import IEMOCAP_CLASSES
from .python2 import dumps


def stored(root, modality):
    return FeatureTable.load(root / f"{modality}.safetensors")


def check(root, modality, content, values):
    """Every value is there under its utterance's name, in its type; rows of zeros are absent."""
    table = stored(root, modality)
    wanted = {
        (content.names[key], id): row
        for key, ids in content.ids.items()
        for id, row in zip(ids, values[key], strict=True)
    }
    assert set(table.ids) == set(wanted)
    for id, row, present in zip(table.ids, table.values, table.present, strict=True):
        np.testing.assert_array_equal(row, wanted[id])
        assert row.dtype == wanted[id].dtype
        assert present == wanted[id].any()
    assert (~table.present).sum() == 1
    assert table.fitted_on == "unknown"


def read_back(content, format_name, path, root, cli):
    result = cli("data", "import", format_name, path, "--to", root)
    assert result.code == 0, result
    return result


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_mmgcn_of_meld(meld, dump, cli, tmp_path, protocol):
    root, content = meld
    streams = [content.vectors(width, width, "f8") for width in (6, 5, 4)]
    path = dump(tmp_path / "MELD_features_raw1.pkl", content.tuple(*map(content.rows, streams), meld=True), protocol)
    result = read_back(content, "mmgcn", path, root, cli)
    assert "labels: 18 of 18 agree" in result.out
    for modality, values in zip(("text", "audio", "visual"), streams, strict=True):
        check(root, modality, content, values)
    provenance = stored(root, "text").provenance
    assert provenance["layout"] == "mmgcn"  # the key of older versions: the same files make the same store
    assert list(provenance["files"]) == ["MELD_features_raw1.pkl"]


@pytest.mark.parametrize("corpus", ["meld", "iemocap"])
def test_sdt(meld, iemocap, dump, cli, tmp_path, corpus):
    root, content = meld if corpus == "meld" else (tmp_path / "iemocap", iemocap)
    streams = [content.vectors(3 + place, place) for place in range(6)]
    path = dump(tmp_path / "sdt" / f"{corpus}_multimodal_features.pkl", content.tuple(*streams, meld=corpus == "meld"))
    root.mkdir(exist_ok=True)
    read_back(content, "sdt", path.parent, root, cli)
    for slot, values in zip(("text", "roberta2", "roberta3", "roberta4", "audio", "visual"), streams, strict=True):
        check(root, slot, content, values)


def release(folder, content, streams, write, meld):
    """MultiEMO's four files."""
    legacy = {key: [0.0] for key in content.ids}
    write(folder / "Speakers.pkl", content.tuple(legacy, legacy, legacy, meld=meld))
    for name, values in zip(("Text", "Audio", "Visual"), streams, strict=True):
        write(folder / f"{name}Features.pkl", values)
    return folder


def test_multiemo_of_meld(meld, dump, cli, tmp_path):
    root, content = meld
    streams = [content.vectors(width, width) for width in (8, 5, 10)]
    folder = release(tmp_path / "MELD", content, [content.rows(streams[0]), *streams[1:]], dump, meld=True)
    read_back(content, "multiemo", folder, root, cli)
    for modality, values in zip(("text", "audio", "visual"), streams, strict=True):
        check(root, modality, content, values)


@pytest.mark.parametrize("unordered", [False, True])
def test_multiemo_of_iemocap_by_python_2(iemocap, cli, tmp_path, unordered):
    """With a table of utterances, which IEMOCAP's users do not have otherwise."""
    if unordered:
        iemocap.keys = {split: set(keys) for split, keys in iemocap.keys.items()}
    streams = [iemocap.vectors(width, width, "f8") for width in (8, 5, 10)]
    content = (iemocap.ids, iemocap.speakers, iemocap.labels, {}, {}, {}, iemocap.sentences, iemocap.keys["train"],
               iemocap.keys["test"])  # fmt: skip
    folder = tmp_path / "IEMOCAP"
    folder.mkdir()
    (folder / "Speakers.pkl").write_bytes(dumps(content))
    for name, values in zip(("Text", "Audio", "Visual"), streams, strict=True):
        (folder / f"{name}Features.pkl").write_bytes(dumps(iemocap.rows(values)))
    root = tmp_path / "data"
    root.mkdir()
    result = read_back(iemocap, "multiemo", folder, root, cli)
    assert "iemocap: labels: made from the same files" in result.out  # which proves nothing
    again = read_back(iemocap, "multiemo", folder, root, cli)
    assert "iemocap: labels: 11 of 11 agree" in again.out
    for modality, values in zip(("text", "audio", "visual"), streams, strict=True):
        check(root, modality, iemocap, values)
    with (root / "utterances.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    first = rows[0]
    assert first["utterance"] == "Ses01F_impro01_M000"
    assert first["speaker"] == "Ses01_M"
    assert first["text"] == iemocap.sentences["Ses01F_impro01"][0]
    assert first["label"] == IEMOCAP_CLASSES[iemocap.labels["Ses01F_impro01"][0]]
    assert len(rows) == 11


def cosmic(content, streams, meld, dev):
    """COSMIC's tuple with four layers, or none."""
    sentiments = [{key: [0] * len(ids) for key, ids in content.ids.items()}] if meld else []
    train = content.keys["train"] if dev else content.train_and_dev
    lists = [train, content.keys["test"], content.keys.get("dev", [])]
    return (content.speakers, content.labels, *sentiments, *streams, content.sentences, *lists)


def test_cosmic_of_meld(meld, dump, cli, tmp_path):
    root, content = meld
    layers = [content.vectors(4, seed) for seed in range(4)]
    rows = [content.rows(values) for values in layers]
    dump(tmp_path / "cosmic" / "meld_features_roberta.pkl", cosmic(content, rows, meld=True, dev=True))
    read_back(content, "cosmic", tmp_path / "cosmic", root, cli)
    for place, values in enumerate(layers, 1):
        check(root, f"roberta{place}", content, values)


def test_cosmic_annotations_alone_are_proven_and_leave_nothing(meld, dump, cli, tmp_path):
    root, content = meld
    path = dump(tmp_path / "meld.pkl", cosmic(content, [], meld=True, dev=True))
    assert "labels: 18 of 18 agree" in read_back(content, "cosmic", path, root, cli).out
    assert not list(root.glob("*.safetensors"))


@pytest.mark.parametrize("corpus", ["meld", "iemocap"])
def test_m3net(meld, iemocap, dump, cli, tmp_path, corpus):
    root, content = meld if corpus == "meld" else (tmp_path / "iemocap", iemocap)
    layers = [content.vectors(4, seed) for seed in range(4)]
    older = [content.vectors(width, width) for width in (6, 5, 3)]
    folder, is_meld = tmp_path / "m3net", corpus == "meld"
    dump(folder / f"{corpus}_features_roberta.pkl", cosmic(content, layers, is_meld, dev=is_meld))
    name = "MELD_features_raw1.pkl" if is_meld else "IEMOCAP_features.pkl"
    dump(folder / name, content.tuple(*older, meld=is_meld))
    root.mkdir(exist_ok=True)
    read_back(content, "m3net", folder, root, cli)
    for slot, values in zip(
        ("roberta1", "roberta4", "text", "visual"), (layers[0], layers[3], older[0], older[2]), strict=True
    ):
        check(root, slot, content, values)


@pytest.mark.parametrize("how", ["pickle", "torch"])
def test_m2fnet(meld, dump, cli, tmp_path, how):
    root, content = meld
    values = content.vectors(7, 0)
    for split, name in (("train", "train"), ("dev", "val"), ("test", "test")):
        tensor = torch.from_numpy(np.concatenate([values[key] for key in content.keys[split]]))
        path = tmp_path / "embeddings" / "text" / f"{name}.pkl"
        if how == "pickle":
            dump(path, tensor)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            torch.save(tensor, path)
    result = read_back(content, "m2fnet", tmp_path / "embeddings", root, cli)
    check(root, "text", content, values)
    assert "is not verified" in result.err
    assert "not compared" in result.out


def test_files_of_one_split_alone(meld, dump, cli, tmp_path):
    root, content = meld
    values = content.vectors(7, 0)
    rows = torch.from_numpy(np.concatenate([values[key] for key in content.keys["test"]]))
    dump(tmp_path / "embeddings" / "text" / "test.pkl", rows)
    result = read_back(content, "m2fnet", tmp_path / "embeddings", root, cli)
    assert "the files have no 'text' for train and dev: these utterances lack it" in result.err
    table = stored(root, "text")
    given = {id for id, present in zip(table.ids, table.present, strict=True) if present}
    assert given == {(content.names[key], id) for key in content.keys["test"] for id in content.ids[key]}
    (tmp_path / "embeddings" / "text" / "test.pkl").rename(tmp_path / "embeddings" / "text" / "tests.pkl")
    cli("data", "import", "m2fnet", tmp_path / "embeddings", "--to", root).check(2, "holds no folder of embeddings")


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_list_of_one_split_alone(meld, dump, cli, tmp_path, split):
    root, content = meld
    streams = [content.vectors(width, width) for width in (6, 5, 4)]
    content.keys = {name: keys if (name == "test") == (split == "test") else [] for name, keys in content.keys.items()}
    path = dump(tmp_path / "x.pkl", content.tuple(*streams, meld=True))
    result = cli("data", "import", "mmgcn", path, "--to", root)
    assert result.code == 0
    absent = "train and dev" if split == "test" else "test"
    assert f"the files have no 'audio' for {absent}: these utterances lack it" in result.err
    table = stored(root, "text")
    for key in [*content.train_and_dev, *content.keys["test"]]:
        for id, row in zip(content.ids[key], streams[0][key], strict=True):
            np.testing.assert_array_equal(table.values[table.ids.index((content.names[key], id))], row)


def test_rows_of_broken_clips_may_be_missing(meld, dump, cli, tmp_path, monkeypatch):
    from ercfw_datasets.meld import Meld

    root, content = meld
    monkeypatch.setattr("ercfw_datasets.meld.BROKEN", frozenset({("train/1", "4"), ("test/2", "0")}))
    values = content.vectors(7, 0)
    values[1][0] += 1
    for split, name in (("train", "train"), ("dev", "val"), ("test", "test")):
        rows = [row for key in content.keys[split] for id, row in zip(content.ids[key], values[key], strict=True)
                if (content.names[key], id) not in {("train/1", "4"), ("test/2", "0")}]  # fmt: skip
        dump(tmp_path / "embeddings" / "text" / f"{name}.pkl", torch.from_numpy(np.stack(rows)))
    read_back(content, "m2fnet", tmp_path / "embeddings", root, cli)
    table = stored(root, "text")
    absent = [id for id, present in zip(table.ids, table.present, strict=True) if not present]
    assert absent == [("train/1", "4"), ("test/2", "0")]
    assert table.values.dtype == np.float32
    np.testing.assert_array_equal(table.values[table.ids.index(("train/3", "0"))], values[3][0])
    assert Meld(root=root).broken


def test_json_for_programs(meld, dump, cli, tmp_path):
    root, content = meld
    path = dump(tmp_path / "x.pkl", content.tuple(*[content.vectors(3, s) for s in range(3)], meld=True))
    result = cli("data", "import", "mmgcn", path, "--to", root, "--json")
    said = json.loads(result.out)
    assert said["corpus"] == "meld"
    assert said["proof"] == "labels: 18 of 18 agree"
    assert [row["absent"] for row in said["files"]] == [1, 1, 1]


@pytest.mark.slow
def test_what_was_imported_trains(meld, dump, cli, tmp_path):
    """By the shipped recipe, with no setting but the corpus' folder and a short training."""
    root, content = meld
    streams = [content.vectors(width, width) for width in (8, 5, 10)]
    release(tmp_path / "MELD", content, streams, dump, meld=True)
    read_back(content, "multiemo", tmp_path / "MELD", root, cli)
    words = (f"data.root={root}", "train.epochs=1", "train.device=cpu", "--quiet", "--json", "--out", tmp_path / "runs")
    result = cli("run", "multiemo_meld", *words)
    assert result.code == 0, result
    (metrics,) = json.loads(result.out)
    assert metrics["stamps"] == []
    assert metrics["streams"]["text"]["made_by"]["layout"] == "multiemo"
