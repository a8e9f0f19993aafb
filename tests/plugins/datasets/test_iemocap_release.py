"""IEMOCAP as its makers hand it out: a small made tree of the same form, and what must be read from it."""

from pathlib import Path

import pytest

from ercfw.contract.conversation import Clip
from ercfw.errors import InputError
from ercfw_datasets.iemocap import Iemocap

HEADER = "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n"
JUDGED = "C-E2:\tNeutral;\t()\nC-F1:\tNeutral;\t(curious)\nA-E3:\tval 3; act 2; dom  2;\t()\n\n"

FIRST = {  # women first, as in the corpus
    "F000": (6.2901, 8.2357, "neu", "Hello there."),
    "F001": (14.8872, 18.0175, "xxx", "What is it?"),
    "F002": (19.29, 20.7875, "hap", "Oh: this one [LAUGHTER]"),
    "M000": (8.3, 11.5, "fru", "Say it again."),
    "M001": (19.29, 21.0, "sur", "No."),
    "M002": (19.29, 20.7875, "exc", "Two at once"),
}


def dialog(root: Path, name: str, utterances, extra: str = "") -> None:
    folder = root / f"Session{name[4]}" / "dialog"
    for kind in ("EmoEvaluation", "transcriptions"):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    judged = [
        f"[{start:.4f} - {end:.4f}]\t{name}_{place}\t{label}\t[2.5000, 2.5000, 2.5000]\n{JUDGED}"
        for place, (start, end, label, _) in utterances.items()
    ]
    (folder / "EmoEvaluation" / f"{name}.txt").write_text(HEADER + "".join(judged), encoding="utf-8")
    (folder / "EmoEvaluation" / f"._{name}.txt").write_bytes(b"\0\5\x16\7Mac OS X")
    (folder / "EmoEvaluation" / "Categorical").mkdir(exist_ok=True)
    (folder / "EmoEvaluation" / "Categorical" / f"{name}_e2_cat.txt").write_text("[1 - 2] no summary")
    said = [f"{name}_{p} [{start:08.4f}-{end:08.4f}]: {text}\n" for p, (start, end, _, text) in utterances.items()]
    (folder / "transcriptions" / f"{name}.txt").write_text("".join(said[::-1]) + extra, encoding="utf-8")


def film(root: Path, name: str) -> Path:
    path = root / f"Session{name[4]}" / "dialog" / "avi" / "DivX" / f"{name}.avi"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"a film")
    return path


@pytest.fixture
def root(tmp_path):
    noise = "M: [BREATHING]\nSes01F_impro01_MXX0 [021.0000-022.0000]: [LAUGHTER]\n\nA [loose] remark: here\n"
    dialog(tmp_path, "Ses01F_impro01", FIRST, noise)
    dialog(tmp_path, "Ses05M_script01_1b", {"M000": (1.0, 2.0, "ang", "Go"), "F000": (0.5, 0.9, "sad", "I will")})
    return tmp_path


def test_utterances_in_the_order_in_which_they_begin(root, silent):
    dataset = silent(Iemocap, root=root)
    (first,) = dataset.split("train")
    assert first.id == "Ses01F_impro01"
    assert first.utterances == tuple(f"Ses01F_impro01_{place}" for place in ("F000", "M000", "F002", "M002"))
    assert first.speakers == ("Ses01_F", "Ses01_M", "Ses01_F", "Ses01_M")
    assert first.texts == ("Hello there.", "Say it again.", "Oh: this one [LAUGHTER]", "Two at once")
    classes = [dataset.targets["emotion"][label] for label in first.labels["emotion"]]
    assert classes == ["neutral", "frustration", "happiness", "excitement"]
    assert first.times == ((6.2901, 8.2357), (8.3, 11.5), (19.29, 20.7875), (19.29, 20.7875))
    rows = " ".join(utterance[-4:] for _, utterance in dataset.rows)
    assert rows == "F000 M000 F001 F002 M002 M001 F000 M000"
    (last,) = dataset.split("test")
    assert last.id == "Ses05M_script01_1b"
    assert last.texts == ("I will", "Go")


def test_provenance_and_splits_are_those_of_a_table(root, silent):
    dialog(root, "Ses02F_impro02", {"F000": (0.0, 1.0, "neu", "Hm")})
    dataset = silent(Iemocap, root=root)
    assert [c.id for c in dataset.split("dev")] == ["Ses02F_impro02"]  # TelME's
    assert len(dataset.provenance.files) == 6
    assert "7 utterances of the six classes" in dataset.provenance.source
    assert len(dataset.source_train) == 7  # xxx and surprise too, but not session 5's


def test_the_corpus_where_its_archive_unpacks_it(root, silent):
    inside = root / "IEMOCAP_full_release"
    inside.mkdir()
    for session in list(root.glob("Session*")):
        session.rename(inside / session.name)
    (conversation,) = silent(Iemocap, root=root).split("test")
    assert conversation.id == "Ses05M_script01_1b"


def test_a_table_beside_the_sessions_is_read_in_their_place(root, silent):
    table = "conversation,utterance,speaker,text,label\nSes01F_impro01,a,F,hm,hap\n"
    (root / "utterances.csv").write_text(table, encoding="utf-8")
    assert silent(Iemocap, root=root).rows == (("Ses01F_impro01", "a"),)


def test_clips_are_halves_of_the_dialogs_video(root, silent):
    first, last = film(root, "Ses01F_impro01"), film(root, "Ses05M_script01_1b")
    dataset = silent(Iemocap, root=root)
    assert dataset.split("train")[0].clips == (
        Clip(first, 6.2901, 8.2357, "left"),
        Clip(first, 8.3, 11.5, "right"),
        Clip(first, 19.29, 20.7875, "left"),
        Clip(first, 19.29, 20.7875, "right"),
    )
    assert dataset.split("test")[0].clips == (Clip(last, 0.5, 0.9, "right"), Clip(last, 1.0, 2.0, "left"))


def test_without_recordings_there_are_no_clips(root, silent):
    assert [c.clips for split in ("train", "test") for c in silent(Iemocap, root=root).split(split)] == [(), ()]


def test_sound_in_place_of_a_missing_video(root, sound, reported):
    video = film(root, "Ses01F_impro01")
    sentences = root / "Session5" / "sentences" / "wav" / "Ses05M_script01_1b"
    sentence = sound(sentences / "Ses05M_script01_1b_M000.wav")
    dataset, said = reported(Iemocap, root=root)
    assert said == [
        "IEMOCAP: dialogs without a video, whose sound is used if it exists: 1 (Ses05M_script01_1b)",
        "IEMOCAP: clips that are missing: 1 (Ses05M_script01_1b Ses05M_script01_1b_F000)",
    ]
    assert dataset.split("test")[0].clips == (None, Clip(sentence))
    whole = sound(root / "Session5" / "dialog" / "wav" / "Ses05M_script01_1b.wav", 2.0)
    video.unlink()
    dataset, (said,) = reported(Iemocap, root=root)
    assert said.startswith("IEMOCAP: clips that are missing: 4 (Ses01F_impro01 Ses01F_impro01_F000, ")
    assert dataset.split("test")[0].clips == (Clip(whole, 0.5, 0.9), Clip(sentence))
    assert dataset.check_clips() == []
    sound(whole, 0.2)
    assert dataset.check_clips() == [
        "Ses05M_script01_1b Ses05M_script01_1b_F000: ends at 0.9 s, but Ses05M_script01_1b.wav lasts 0.2 s"
    ]


def test_utterances_that_only_one_of_both_files_names(root, reported):
    path = root / "Session1" / "dialog" / "transcriptions" / "Ses01F_impro01.txt"
    kept = [line for line in path.read_text().splitlines(keepends=True) if "_M000" not in line]
    path.write_text("".join(kept) + "Ses01F_impro01_M009 [030.0000-031.0000]: Bye\r\n")
    dataset, said = reported(Iemocap, root=root)
    assert said == [
        "IEMOCAP: utterances without a transcription, whose text is empty: 1 (Ses01F_impro01_M000)",
        "IEMOCAP: utterances without an evaluation, which are left out: 1 (Ses01F_impro01_M009)",
    ]
    assert dataset.split("train")[0].texts[1] == ""
    assert len(dataset.rows) == 8


@pytest.mark.parametrize(
    "damaged",
    [
        "[6.2901 - 8.2357]\tSes01F_impro01_F000",
        "[6.2901 - soon]\tSes01F_impro01_F000\tneu\t[2.5, 2.5, 2.5]",
        "[-6.2901 - 8.2357]\tSes01F_impro01_F000\tneu\t[2.5, 2.5, 2.5]",
        "[8.2357 - 6.2901]\tSes01F_impro01_F000\tneu\t[2.5, 2.5, 2.5]",
        "[6.2901 - 8.2357]\tSes01F_impro02_F000\tneu\t[2.5, 2.5, 2.5]",
        "[6.2901 - 8.2357]\tSes01F_impro01_FXX0\tneu\t[2.5, 2.5, 2.5]",
    ],
)
def test_every_damaged_evaluation_is_named(root, damaged):
    path = root / "Session1" / "dialog" / "EmoEvaluation" / "Ses01F_impro01.txt"
    lines = path.read_text().split("\n")
    lines[2] = lines[7] = damaged
    path.write_text("\n".join(lines))
    with pytest.raises(InputError) as caught:
        Iemocap(root=root)
    assert [mistake.where for mistake in caught.value.mistakes] == [f"{path}, line 3", f"{path}, line 8"]
    assert damaged.split("\t")[0] in caught.value.mistakes[0].what


def test_mistakes(root):
    dialog(root, "Ses01F_impro01", {"F000": (0.0, 1.0, "happ", "")})
    with pytest.raises(
        InputError, match=r"EmoEvaluation/Ses01F_impro01\.txt, line 3: not a class of this corpus: 'happ'"
    ):
        Iemocap(root=root)
    dialog(root, "Ses01F_impro01", FIRST)
    (root / "Session1" / "dialog" / "transcriptions" / "Ses01F_impro01.txt").unlink()
    with pytest.raises(InputError, match=r"transcriptions/Ses01F_impro01\.txt: cannot be read"):
        Iemocap(root=root)
    (root / "Session3").mkdir()
    with pytest.raises(InputError, match=r"Session3/dialog/EmoEvaluation: contains no evaluations"):
        Iemocap(root=root)
