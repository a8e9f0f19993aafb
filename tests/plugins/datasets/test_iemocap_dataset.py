"""IEMOCAP: splits by session, labels as the corpus and as the field write them, and the stand-in."""

import pytest

from ercfw.data.train_statistics import make_data_info
from ercfw.errors import InputError
from ercfw_datasets.iemocap import TELME_DEV, Iemocap

HEADER = "conversation,utterance,speaker,text,label"


@pytest.fixture
def root(tmp_path):
    place = tmp_path / "data" / "iemocap"
    place.mkdir(parents=True)
    return place


def write(root, conversations, labels=("hap", "xxx", "frustration")):
    lines = [f"{name},{name}_F{i:03},F,hm,{label}" for name in conversations for i, label in enumerate(labels)]
    (root / "utterances.csv").write_text("\n".join([HEADER, *lines, ""]), encoding="utf-8")


def names(dataset, split):
    return {c.id for c in dataset.split(split)}


def test_codes_are_classes_and_other_labels_leave_their_conversation(root):
    write(root, ["Ses01F_impro01", "Ses01M_impro01", "Ses05F_impro01"])
    dataset = Iemocap()
    (first,) = dataset.split("train")
    assert first.utterances == ("Ses01F_impro01_F000", "Ses01F_impro01_F002")
    assert first.labels["emotion"].tolist() == [0, 5]
    assert dataset.targets["emotion"] == (
        "happiness", "sadness", "neutral", "anger", "excitement", "frustration",
    )  # fmt: skip
    assert len(dataset.rows) == 9
    assert not dataset.provenance.simulated


def test_scripted_and_improvised_are_distinguished(root):
    write(root, ["Ses01F_impro01", "Ses04M_script01_2", "Ses05F_script02_1"])
    dataset = Iemocap(dev="session4")
    kinds = {c.id: c.kind for split in ("train", "dev", "test") for c in dataset.split(split)}
    assert kinds == {
        "Ses01F_impro01": "improvised", "Ses04M_script01_2": "scripted", "Ses05F_script02_1": "scripted",
    }  # fmt: skip


def test_splits(root):
    every = [f"Ses0{session}F_script01_1" for session in range(1, 6)]
    write(root, [*every, *TELME_DEV])
    assert len(TELME_DEV) == 12
    assert names(Iemocap(), "dev") == TELME_DEV
    assert names(Iemocap(), "test") == {every[4]}
    assert names(Iemocap(), "train") == set(every[:4])
    fourth = Iemocap(dev="session4")
    assert names(fourth, "dev") == {n for n in [*every, *TELME_DEV] if n.startswith("Ses04")}
    assert {c for c, _ in fourth.source_train} == {*every[:4], *TELME_DEV}
    left_out = Iemocap(test_session=2, dev="session3")
    assert names(left_out, "test") == {n for n in [*every, *TELME_DEV] if n.startswith("Ses02")}


def test_mistakes(root):
    with pytest.raises(InputError, match=r"'telme' requires test_session = 5.*session4"):
        Iemocap(test_session=3)
    with pytest.raises(InputError, match="session 4 is already the test split"):
        Iemocap(test_session=4, dev="session4")
    write(root, ["Ses01F_impro01"], labels=("hap", "happy"))
    with pytest.raises(InputError, match="line 3: not a class of this corpus: 'happy'"):
        Iemocap()
    write(root, ["Session1"])
    with pytest.raises(InputError, match="line 2: conversation: 'Session1' does not name a session"):
        Iemocap()


def test_simulated_in_its_shape_when_nothing_is_there():
    dataset = Iemocap()
    assert dataset.provenance.simulated
    assert "IEMOCAP" in dataset.provenance.source
    assert [len(dataset.split(name)) for name in ("train", "dev", "test")] == [108, 12, 31]


@pytest.mark.parametrize("named", [("F", "M"), ("Ann", "Bob"), ("Ses01_F", "Ses01_M")])
def test_parties_by_gender(named, root):
    """The first conversation begins with the man, the second with the woman, the third has only her."""
    said = {"Ses01F_impro01": "MFFM", "Ses02F_impro01": "FMF", "Ses03F_impro01": "FF", "Ses05F_impro01": "MF"}
    lines = [HEADER]
    for conversation, genders in said.items():
        for place, gender in enumerate(genders):
            lines.append(f"{conversation},{conversation}_{gender}{place:03},{named['FM'.index(gender)]},hm,hap")
    (root / "utterances.csv").write_text("\n".join([*lines, ""]), encoding="utf-8")
    for parties in ("appearance", "gender"):
        dataset = Iemocap(parties=parties, dev="session3")
        every = [c for split in ("train", "dev", "test") for c in dataset.split(split)]
        for c in every:
            seen = list(dict.fromkeys(said[c.id]))
            order = seen if parties == "appearance" else ["M", "F"]
            assert c.speaker_numbers.tolist() == [order.index(gender) for gender in said[c.id]]
            if parties == "gender":
                rest = c.only(slice(1, None)).speaker_numbers.tolist()
                assert rest == [order.index(gender) for gender in said[c.id][1:]]
        assert make_data_info(list(dataset.split("train")), dataset.targets).speakers == 2


def test_parties_by_gender_need_ids_that_name_it(root):
    line = "Ses01F_impro01,7,Ann,hm,hap"
    (root / "utterances.csv").write_text(f"{HEADER}\n{line}\n", encoding="utf-8")
    assert Iemocap(dev="session3").split("train")
    with pytest.raises(InputError, match="the id '7' does not name a gender"):
        Iemocap(dev="session3", parties="gender")
