"""MELD's clips: found by name, missing ones reported, lengths compared with the annotated times."""

import csv
import sys
from pathlib import Path

import pytest

from ercfw.contract.conversation import Clip
from ercfw.errors import InputError
from ercfw_datasets.clips import fault_of
from ercfw_datasets.meld import Meld

FOLDERS = {"train": "train_splits", "dev": "dev_splits_complete", "test": "output_repeated_splits_test"}


def line(dialogue: int, utterance: int, start: str = "0:00:01,0", end: str = "0:00:02,0") -> str:
    return f'Hi,Ann,joy,{dialogue},{utterance},"{start}","{end}"'


@pytest.fixture
def root(tmp_path, meld_files, sound):
    """MELD with one utterance a split, and its clip."""
    for folder in FOLDERS.values():
        sound(tmp_path / "meld" / folder / "dia0_utt0.mp4")
    return meld_files(tmp_path / "meld")


def test_each_split_has_its_folder(root, silent):
    dataset = silent(Meld, root=root)
    for split, folder in FOLDERS.items():
        (conversation,) = dataset.split(split)
        assert conversation.clips == (Clip(root / folder / "dia0_utt0.mp4"),)
    assert dataset.check_clips() == []


def test_without_clips_nothing_is_said_and_nothing_is_there(tmp_path, meld_files, silent):
    dataset = silent(Meld, root=meld_files(tmp_path))
    assert all(c.clips == () for split in FOLDERS for c in dataset.split(split))
    assert dataset.check_clips() == []


def test_clips_may_lie_elsewhere(tmp_path, root, meld_files, silent):
    dataset = silent(Meld, root=meld_files(tmp_path / "annotations"), clips=root)
    assert dataset.split("dev")[0].clips == (Clip(root / "dev_splits_complete" / "dia0_utt0.mp4"),)


@pytest.mark.parametrize(
    "place", ["MELD-RAW/MELD.Raw/{split}/{folder}", "{split}/{folder}", "MELD.Raw/{folder}", "{split}", "x/{split}"]
)
def test_clips_where_archives_unpack_them(tmp_path, meld_files, sound, silent, place):
    root = meld_files(tmp_path)
    (root / "train_splits").mkdir()  # empty: the clips are elsewhere
    clips = {
        split: sound(root / place.format(split=split, folder=folder) / "dia0_utt0.mp4")
        for split, folder in FOLDERS.items()
    }
    for dataset in (silent(Meld, root=root), silent(Meld, root=root, clips=root)):
        for split, path in clips.items():
            (conversation,) = dataset.split(split)
            assert conversation.clips == (Clip(path),)


def test_annotations_where_archives_unpack_them(tmp_path, meld_files, silent):
    inner = tmp_path / "MELD-RAW" / "MELD.Raw"
    inner.parent.mkdir()
    meld_files(inner)
    (inner / "train").mkdir()
    (inner / "train_sent_emo.csv").rename(inner / "train" / "train_sent_emo.csv")
    dataset = silent(Meld, root=tmp_path)
    assert [len(dataset.split(split)) for split in FOLDERS] == [1, 1, 1]
    assert str(inner / "train" / "train_sent_emo.csv") in dataset.provenance.files


def test_missing_and_empty_clips_are_counted_and_known_ones_apart(root, meld_files, reported):
    meld_files(root, train=[*(line(0, n) for n in range(7)), line(125, 3)], dev=[line(110, 7), line(0, 0)])
    folder = root / "train_splits"
    (folder / "dia0_utt1.mp4").touch()
    (folder / "dia0_utt2.mp4").mkdir()
    (folder / "._dia0_utt3.mp4").write_bytes(b"Mac OS X")
    (folder / "final_videos_testdia0_utt4.mp4").write_bytes(b"another's")
    dataset, said = reported(Meld, root=root)
    assert sorted(said) == [
        "MELD: clips that are empty: 1 (train/0 1)",
        "MELD: clips that are missing (a known fault): 2 (train/125 3, dev/110 7)",
        "MELD: clips that are missing: 5 (train/0 2, train/0 3, train/0 4 and 2 more)",
    ]
    first, known = dataset.split("train")
    assert first.clips == (Clip(folder / "dia0_utt0.mp4"), *(None,) * 6)
    assert known.clips == ()


def test_a_split_without_its_folder_is_reported_once(root, reported):
    (root / "dev_splits_complete" / "dia0_utt0.mp4").unlink()
    (root / "dev_splits_complete").rmdir()
    dataset, said = reported(Meld, root=root)
    assert said == [f"MELD: no clips for dev: {root / 'dev_splits_complete'} does not exist"]
    assert dataset.split("dev")[0].clips == ()
    assert dataset.split("test")[0].clips[0] is not None


def test_lengths_that_do_not_agree(root, meld_files, sound, silent):
    times = {
        0: ("0:00:01,0", "0:00:02,3"),  # 1.3 s, and the clip is as long
        1: ("0:00:01,0", "0:00:02,0"),  # another's clip: 3 s
        2: ("0:00:05,0", "0:00:05,0"),
        3: ("0:00:05,0", "0:01:05,5"),
        4: ("0:00:05,0", "0:00:04,0"),
        5: ("no time", "0:00:04,0"),
    }
    seconds = {0: 1.0, 1: 3.0, 2: 0.25, 3: 60.5, 4: 0.1, 5: 9.0}
    meld_files(root, train=[line(0, n, *time) for n, time in times.items()], test=[line(38, 4), line(1, 1)])
    for n, length in seconds.items():
        sound(root / "train_splits" / f"dia0_utt{n}.mp4", length)
    for name in ("dia38_utt4.mp4", "dia1_utt1.mp4"):
        (root / "output_repeated_splits_test" / name).write_bytes(b"no video at all" * 9)
    assert silent(Meld, root=root).check_clips() == [
        "train/0 1: dia0_utt1.mp4 lasts 3.0 s, but is annotated as 1.0 s",
        "train/0 2: is annotated as 0.0 s long",
        "train/0 3: is annotated as 60.5 s long",
        "train/0 4: is annotated as -1.0 s long",
        "train/0 4: dia0_utt4.mp4 lasts 0.1 s, but is annotated as -1.0 s",
        "test/38 4: dia38_utt4.mp4 cannot be opened: Invalid data found when processing input (a known fault)",
        "test/1 1: dia1_utt1.mp4 cannot be opened: Invalid data found when processing input",
    ]


def test_mistakes(tmp_path, root, monkeypatch):
    with pytest.raises(InputError, match=r"^\[data\] clips: there is no folder elsewhere"):
        Meld(root=root, clips=Path("elsewhere"))
    (tmp_path / "other").mkdir()
    with pytest.raises(
        InputError, match=r"^\[data\] clips: .*other contains none of train_splits, dev_splits_complete"
    ):
        Meld(root=root, clips=tmp_path / "other")
    with pytest.raises(InputError, match=r"^\[data\] clips: is set, but MELD's annotations are not at data/meld"):
        Meld(clips=root)
    dataset = Meld(root=root)
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(InputError, match=r"^av: is needed but not installed"):
        dataset.check_clips()


def test_real_clips_are_as_long_as_annotated(tmp_path, real_data, reported):
    (tmp_path / "dev_splits_complete").symlink_to(real_data("meld_clips") / "dev")
    for split in FOLDERS:
        name = f"{split}_sent_emo.csv"
        (tmp_path / name).symlink_to(real_data("meld") / name)
    dataset, said = reported(Meld, root=tmp_path)
    assert [sentence.split(":")[1].strip() for sentence in said[:2]] == ["no clips for train", "no clips for test"]
    assert said[2:] == [
        "MELD: clips that are missing: 1097 (dev/0 0, dev/0 1, dev/1 0 and 1094 more)",
        "MELD: clips that are missing (a known fault): 1 (dev/110 7)",
    ]
    with (tmp_path / "dev_sent_emo.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["Dialogue_ID"] == "29"]
    (clipped,) = [c for c in dataset.split("dev") if c.clips]
    assert clipped.id == "dev/29"
    assert [clip.path.name for clip in clipped.clips] == [f"dia29_utt{row['Utterance_ID']}.mp4" for row in rows]
    assert len(rows) == 11
    assert dataset.check_clips() == []


def test_clips_and_features_behind_links_that_lead_nowhere(tmp_path, meld_files):
    root = meld_files(tmp_path)
    (root / "audio.npy").symlink_to("/not/mounted/audio.npy")
    with pytest.raises(InputError, match=r"audio\.npy: is a link to /not/mounted/audio\.npy"):
        Meld(root=root).features("audio")
    (root / "train_splits").symlink_to("/not/mounted/train_splits")
    with pytest.raises(InputError, match="train_splits: is a link to /not/mounted/train_splits"):
        Meld(root=root)
    assert fault_of(root / "train_splits" / "dia0_utt0.mp4") == "behind links that lead nowhere"
