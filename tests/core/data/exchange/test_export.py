"""Files for other projects: what their readers find, and the way back."""

import json
import pickle
import shutil

import numpy as np
import pytest
import torch

from ercfw.contract.feature_table import FeatureTable

SLOTS = {
    "mmgcn": ("text", "audio", "visual"),
    "multiemo": ("text", "audio", "visual"),
    "sdt": ("text", "roberta2", "roberta3", "roberta4", "audio", "visual"),
    "cosmic": ("roberta1", "roberta2", "roberta3", "roberta4"),
}


def fill(root, content, slots):
    """A feature store a slot: float32 values, some absent, and where they came from."""
    ids = tuple((content.names[key], id) for key, found in content.ids.items() for id in found)
    for place, slot in enumerate(slots):
        draw = np.random.default_rng(place)
        present = draw.random(len(ids)) > 0.2
        values = np.where(present[:, None], draw.normal(size=(len(ids), 3 + place)), 0).astype("f4")
        made_by = {"extractor": "made", "fingerprint": str(place)}
        fitted = frozenset(ids[:4]) if place else "nothing"
        FeatureTable(ids, values, present, None, made_by, fitted).save(root / f"{slot}.safetensors")


def annotations_only(root, to):
    to.mkdir()
    for path in root.iterdir():
        if path.suffix == ".csv":
            shutil.copy(path, to)
    return to


@pytest.fixture
def corpora(meld, iemocap, dump, cli, tmp_path):
    """The folder and content of each corpus, with annotations and no features."""

    def of(name):
        if name == "meld":
            return meld
        root = tmp_path / "iemocap"
        root.mkdir()
        empty = iemocap.vectors(1, 0)
        path = dump(tmp_path / "first" / "IEMOCAP_features.pkl", iemocap.tuple(empty, {}, {}, meld=False))
        assert cli("data", "import", "mmgcn", path, "--to", root).code == 0
        (root / "text.safetensors").unlink()
        return root, iemocap

    return of


@pytest.mark.parametrize("corpus", ["meld", "iemocap"])
@pytest.mark.parametrize("format_name", list(SLOTS))
def test_out_and_in_is_the_same_store(corpora, cli, tmp_path, format_name, corpus):
    root, content = corpora(corpus)
    fill(root, content, SLOTS[format_name])
    out, back = tmp_path / "out", annotations_only(root, tmp_path / "back")
    assert cli("data", "export", corpus, f"data.root={root}", "--format", format_name, "--to", out).code == 0
    assert cli("data", "import", format_name, out, "--to", back).code == 0
    for slot in SLOTS[format_name]:
        assert (back / f"{slot}.safetensors").read_bytes() == (root / f"{slot}.safetensors").read_bytes()


@pytest.mark.parametrize("counted", [False, True])
@pytest.mark.parametrize("format_name", list(SLOTS))
def test_anybodys_corpus_goes_out_and_in(cli, tmp_path, format_name, counted):
    """Named, or counted from 0 in every split as MELD is, which its files show in the same way."""
    root = tmp_path / "own"
    root.mkdir()
    splits = [split for split in ("train", "dev", "test") for _ in range(3)]
    names = [f"{split}/{n % 3}" if counted else f"c{n // 3}" for n, split in enumerate(splits)]
    lines = [f"{names[n]},{n},{'AB'[n % 2]},text {n},{('calm', 'wild')[n % 2]},{s}" for n, s in enumerate(splits)]
    table = "\n".join(["conversation,utterance,speaker,text,label,split", *lines, ""])
    (root / "utterances.csv").write_text(table)
    ids = tuple((name, str(n)) for n, name in enumerate(names))
    for slot in SLOTS[format_name]:
        values = np.random.default_rng(1).normal(size=(9, 4))
        FeatureTable(ids, values, np.ones(9, bool), None, {"x": 1}, "nothing").save(root / f"{slot}.safetensors")
    out, back, bare = tmp_path / "out", annotations_only(root, tmp_path / "back"), tmp_path / "bare"
    assert cli("data", "export", "table", f"data.root={root}", "--format", format_name, "--to", out).code == 0
    assert cli("data", "import", format_name, out, "--to", back).code == 0
    for slot in SLOTS[format_name]:
        assert (back / f"{slot}.safetensors").read_bytes() == (root / f"{slot}.safetensors").read_bytes()
    bare.mkdir()
    result = cli("data", "import", format_name, out, "--to", bare)
    if format_name == "cosmic":  # its files have no utterance ids
        result.check(2, "has no utterance ids")
    else:
        result.check(0)
        first = f"{0 if counted else names[0]},0,0,text 0,calm,train"
        assert first in (bare / "utterances.csv").read_text()


def load(path):
    with path.open("rb") as file:
        return pickle.load(file)


def test_mmgcn_reads_it(meld, cli, tmp_path):
    """As MMGCN's reader does: tensors of a conversation, speakers one-hot, nine wide."""
    root, content = meld
    fill(root, content, SLOTS["mmgcn"])
    assert cli("data", "export", "meld", f"data.root={root}", "--to", tmp_path).code == 0
    content_read = load(tmp_path / "MELD_features_raw1.pkl")
    assert len(content_read) == 10
    ids, speakers, labels, text, audio, visual, sentences, train, test, _ = content_read
    assert train == [0, 1, 3, 4, 5]
    assert test == [6, 7, 8]
    assert ids[1] == ["0", "1", "4"]
    assert labels[6] == content.labels[6]
    assert sentences[6] == content.sentences[6]
    assert torch.FloatTensor(speakers[6]).shape == (4, 9)
    assert speakers[6] == content.speakers[6]
    for values, modality in ((text, "text"), (audio, "audio"), (visual, "visual")):
        table = FeatureTable.load(root / f"{modality}.safetensors")
        tensor = torch.FloatTensor(np.array(values[6]))
        rows = [table.ids.index(("test/0", str(n))) for n in range(4)]
        np.testing.assert_array_equal(tensor.numpy(), table.values[rows])


def test_sdt_and_cosmic_read_it(meld, cli, tmp_path):
    root, content = meld
    fill(root, content, ("text", "audio", "visual"))
    words = ("data", "export", "meld", f"data.root={root}", "--to", tmp_path)
    assert cli(*words, "--format", "sdt").code == 0
    found = load(tmp_path / "meld_multimodal_features.pkl")
    assert len(found) == 13
    assert [type(found[place]) for place in range(10)] == [dict] * 10
    assert found[4] == found[5] == found[6] == {}
    assert np.array(found[7][0]).shape == (3, 4)
    layers = [word for n in range(1, 5) for word in ("--stream", f"roberta{n}=text")]
    assert cli(*words, "--format", "cosmic", *layers).code == 0
    assert len(load(tmp_path / "meld.pkl")) == 7
    features = load(tmp_path / "meld_features_roberta.pkl")
    assert len(features) == 11
    assert features[-3:] == ([0, 1, 3], [6, 7, 8], [4, 5])
    assert np.array(features[3][8]).shape == (2, 3)
    assert features[2] == {}


def test_iemocap_has_genders(corpora, cli, tmp_path):
    root, content = corpora("iemocap")
    fill(root, content, SLOTS["multiemo"])
    assert cli("data", "export", "iemocap", f"data.root={root}", "--format", "multiemo", "--to", tmp_path).code == 0
    speakers = load(tmp_path / "Speakers.pkl")
    assert len(speakers) == 9
    assert speakers[1] == content.speakers
    assert sorted(speakers[7]) == content.keys["train"]
    assert set(load(tmp_path / "TextFeatures.pkl")) == set(content.ids)


def test_every_numpy_reads_it(meld, cli, tmp_path):
    """numpy 2 pickles arrays by a name that numpy 1 has not."""
    root, content = meld
    fill(root, content, SLOTS["mmgcn"])
    assert cli("data", "export", "meld", f"data.root={root}", "--to", tmp_path).code == 0
    assert b"numpy._core" not in (tmp_path / "MELD_features_raw1.pkl").read_bytes()


def test_a_slot_may_be_left_out(meld, cli, tmp_path):
    root, content = meld
    fill(root, content, ("text",))
    out, back = tmp_path / "out", annotations_only(root, tmp_path / "back")
    words = ("data", "export", "meld", f"data.root={root}", "--to", out)
    cli(*words).check(2, "audio.safetensors: there is no feature file for 'audio'..")
    assert cli(*words, "--without", "audio", "--without", "visual").code == 0
    assert not np.array(load(out / "MELD_features_raw1.pkl")[4][0]).any()
    assert cli("data", "import", "mmgcn", out, "--to", back).code == 0
    assert [path.name for path in back.glob("*.safetensors")] == ["text.safetensors"]


def test_a_manifest_of_other_files_is_ignored(meld, cli, dump, tmp_path):
    root, content = meld
    fill(root, content, SLOTS["mmgcn"])
    out, back = tmp_path / "out", annotations_only(root, tmp_path / "back")
    assert cli("data", "export", "meld", f"data.root={root}", "--to", out).code == 0
    dump(out / "MELD_features_raw1.pkl", load(out / "MELD_features_raw1.pkl"))
    result = cli("data", "import", "mmgcn", out, "--to", back)
    assert "these files have changed since the export: MELD_features_raw1.pkl" in result.err
    assert FeatureTable.load(back / "text.safetensors").fitted_on == "unknown"
    (out / "ercfw.json").write_text("{")
    cli("data", "import", "mmgcn", out, "--to", back).check(2, "ercfw.json: cannot be read")


def test_the_former_name_of_the_option(meld, cli, tmp_path):
    root, content = meld
    fill(root, content, SLOTS["sdt"])
    words = ("data", "export", "meld", f"data.root={root}")
    assert cli(*words, "--format", "sdt", "--to", tmp_path / "new").err == ""
    former = cli(*words, "--layout", "sdt", "--to", tmp_path / "old")
    warning = "warning: --layout is deprecated since ercfw 0.2 and will be removed in 0.4: use --format"
    assert (former.code, former.err.strip()) == (0, warning)
    new, old = ({p.name: p.read_bytes() for p in (tmp_path / name).iterdir()} for name in ("new", "old"))
    assert new
    assert new == old
    cli(*words, "--layout", "sdt", "--format", "sdt").check(2, "--layout: is the former name of --format..remove")


def test_the_manifest_keeps_what_the_format_cannot(meld, cli, tmp_path):
    root, content = meld
    fill(root, content, SLOTS["mmgcn"])
    assert cli("data", "export", "meld", f"data.root={root}", "--to", tmp_path / "out").code == 0
    manifest = json.loads((tmp_path / "out" / "ercfw.json").read_text())
    assert manifest["corpus"] == "meld"
    assert manifest["streams"]["text"]["fitted_on"] == "nothing"
    assert len(manifest["streams"]["audio"]["fitted_on"]) == 4
    assert manifest["streams"]["audio"]["made_by"] == {"extractor": "made", "fingerprint": "1"}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--format", "m3net"), "this format can only be imported"),
        (("--format", "mmgnc"), "did you mean 'mmgcn'?"),
        (("--stream", "audio"), "is not of the form SLOT=MODALITY"),
        (("--stream", "sound=text"), "--stream sound: this format has no such stream"),
        (("--without", "sound"), "--without sound: this format has no such stream"),
        (("--without", "audio", "--stream", "audio=text"), "--without audio: --stream also fills this slot"),
        (("--stream", "audio=sound"), "stream audio: the corpus has no modality 'sound'"),
        (("--format", "cosmic", "--stream", "roberta1=text"), "stream roberta2: is missing"),
        (("train.lr=1",), "a dataset has settings of [data] only"),
    ],
)
def test_impossible_exports_are_one_message(meld, cli, tmp_path, words, says):
    root, content = meld
    fill(root, content, ("text", "audio", "visual"))
    cli("data", "export", "meld", f"data.root={root}", "--to", tmp_path / "out", *words).check(2, says)
    assert not (tmp_path / "out").exists()


def test_corpora_that_cannot_be(cli, tmp_path):
    cli("data", "export", "simulated", "--to", tmp_path).check(2, "export real corpora only")
    cli("data", "export", "melt", "--to", tmp_path).check(2, "melt")
    (tmp_path / "utterances.csv").write_text(
        "conversation,utterance,label,split\na,0,x,train\na,1,,train\nb,0,x,dev\nc,0,x,test\n"
    )
    words = ("data", "export", "table", f"data.root={tmp_path}", "--to", tmp_path / "out")
    leaving = [word for slot in ("text", "audio", "visual") for word in ("--without", slot)]
    cli(*words, *leaving).check(2, "conversation a, utterance 1: has no emotion")
    ids = (("a", "0"), ("a", "1"), ("b", "0"), ("c", "0"))
    frames = FeatureTable(ids, np.ones((8, 2), "f4"), np.ones(4, bool), np.full(4, 2))
    frames.save(tmp_path / "text.safetensors")
    cli(*words, *leaving[2:]).check(2, "stream text: 'text' does not have one vector per utterance")
