"""Rows that name their utterances: SpeechCueLLM's measurements of MELD's sound, and a stranger's format."""

import csv

import numpy as np
import pytest

from ercfw.contract.feature_table import FeatureTable
from ercfw.contract.published_features import Published
from ercfw_formats.speechcuellm import FILE, NUMBERS, SpeechCueLlm

HEADER = [FILE, *NUMBERS]
IMPORT = ("data", "import", "speechcuellm")


def cells(number):
    return [f"{number}.5", "60.25", "10.5", "200.125", "40.0", "150.5", "4.5", "-1.25"]


@pytest.fixture
def sound(tmp_path, meld):
    """The folder of measurements of the small MELD: every utterance has a row."""
    _, content = meld
    folder = tmp_path / "sound"
    for split, keys in content.keys.items():
        rows = []
        for key in keys:
            dialogue = content.names[key].split("/")[1]
            rows += [[f"dia{dialogue}_utt{id}.wav", *cells(len(rows))] for id in content.ids[key]]
        write(folder / f"{split}.csv", rows[::-1])  # in no order
    return folder


def write(path, rows, header=HEADER):
    path.parent.mkdir(exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])


def edit(path, change):
    """Rewrite the rows of a file, each a list of cells."""
    with path.open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    write(path, change(rows), header)


def stored(root):
    table = FeatureTable.load(root / "audio.safetensors")
    rows = zip(table.ids, table.values, table.present, strict=True)
    return {id: row.tolist() for id, row, present in rows if present}, table


def test_each_utterance_gets_the_row_that_names_it(sound, meld, cli):
    root, content = meld
    ended = cli(*IMPORT, sound, "--to", root)
    assert ended.code == 0, ended.err
    assert "warning" not in ended.err
    rows, table = stored(root)
    for split in content.keys:
        for row in SpeechCueLlm().read(sound / f"{split}.csv").named["audio"].items():
            np.testing.assert_array_equal(rows[row[0]], row[1])
    assert rows["dev/1", "2"] == [float(cell) for cell in cells(1)]
    assert len(rows) == len(table.ids) == sum(map(len, content.ids.values()))
    assert table.values.dtype == np.float32
    assert (table.fitted_on, table.provenance["layout"]) == ("unknown", "speechcuellm")


def test_missing_rows_are_absent_and_others_are_ignored_with_a_warning(sound, meld, cli):
    root, _ = meld
    edit(sound / "train.csv", lambda rows: [row for row in rows if row[0] != "dia1_utt4.wav"])
    edit(sound / "dev.csv", lambda rows: [["dia1_utt7.wav", *cells(0)], ["dia9_utt0.wav", *cells(0)], *rows])
    ended = cli(*IMPORT, sound, "--to", root)
    assert ended.code == 0, ended.err
    assert "rows of utterances that the corpus lacks are ignored: 2; " in ended.err
    assert "the first is conversation dev/1, utterance 7" in ended.err
    rows, table = stored(root)
    assert set(table.ids) - set(rows) == {("train/1", "4")}


def test_empty_pitch_and_rate_are_0_and_counted(sound, meld, cli):
    def emptied(rows):
        rows[0][4], rows[0][7], rows[1][7] = "", " ", ""
        return rows

    root, _ = meld
    edit(sound / "test.csv", emptied)
    ended = cli(*IMPORT, sound, "--to", root)
    assert "empty cells were read as 0: avg_pitch 1, articulation_rate 2" in ended.err
    rows, _ = stored(root)
    with (sound / "test.csv").open(encoding="utf-8") as file:
        first = next(csv.DictReader(file))["filename"].removesuffix(".wav").removeprefix("dia").split("_utt")
    row = rows[f"test/{first[0]}", first[1]]
    assert (row[3], row[4], row[6]) == (0.0, 40.0, 0.0)


def test_one_file_alone_and_then_the_others(sound, meld, cli):
    root, _ = meld
    ended = cli(*IMPORT, sound / "dev.csv", "--to", root)
    assert "the files have no 'audio' for train and test" in ended.err
    assert {id[0].split("/")[0] for id in stored(root)[0]} == {"dev"}
    assert cli(*IMPORT, sound, "--to", root).code == 0
    rows, table = stored(root)
    assert len(rows) == len(table.ids)


@pytest.mark.parametrize(
    ("column", "text", "what"),
    [
        (0, "dia1_utt1", r"dev.csv, line 3: filename: 'dia1_utt1' is not the name of a clip"),
        (0, "dia01_utt1.wav", "'dia01_utt1.wav' is not the name of a clip"),
        (0, "", "'' is not the name of a clip"),
        (2, "loud", "dev.csv, line 3: avg_intensity: 'loud' is not a finite number"),
        (2, "", "dev.csv, line 3: avg_intensity: '' is not a finite number"),
        (4, "nan", "dev.csv, line 3: avg_pitch: 'nan' is not a finite number"),
        (8, "1e60", "dev.csv, line 3: mean_hnr: '1e60' is not a finite number"),
        (8, "1_0", "dev.csv, line 3: mean_hnr: '1_0' is not a finite number"),
    ],
)
def test_a_cell_that_is_wrong_is_named_by_file_line_and_column(sound, meld, cli, column, text, what):
    def changed(rows):
        rows[1][column] = text
        return rows

    edit(sound / "dev.csv", changed)
    cli(*IMPORT, sound, "--to", meld[0]).check(2, what)
    assert not (meld[0] / "audio.safetensors").exists()


def test_mistakes_of_all_files_are_reported_at_once(sound, meld, cli):
    def changed(rows):
        rows[0][1] = rows[0][3] = "x"
        return [*rows, rows[-1]]

    for split in ("train", "test"):
        edit(sound / f"{split}.csv", changed)
    wrong = [
        f"{split}.csv, line 2: {column}: 'x' is not a finite number"
        for split in ("train", "test")
        for column in ("duration", "intensity_variation")
    ]
    twice = [
        f"{split}.csv, line {line}: filename: names 'dia0_utt0.wav' again, after ..{split}.csv, line {line - 1}"
        for split, line in (("train", 10), ("test", 9))
    ]
    cli(*IMPORT, sound, "--to", meld[0]).check(2, *wrong, *twice)


def test_another_header_and_other_files_are_refused(sound, meld, cli, tmp_path):
    root, _ = meld
    write(sound / "dev.csv", [], [*HEADER[:-1], "hnr"])
    cli(*IMPORT, sound, "--to", root).check(
        2, "dev.csv, line 1: mean_hnr: there is no such column (needed by the format speechcuellm)"
    )
    write(sound / "dev.csv", [], [*HEADER, "duration"])
    cli(*IMPORT, sound, "--to", root).check(2, "dev.csv, line 1: duration: the header names this column twice")
    write(sound / "dev.csv", [["dia0_utt0.wav", "1"]])
    cli(*IMPORT, sound, "--to", root).check(2, "dev.csv, line 2: has 2 fields")
    cli(*IMPORT, tmp_path / "nowhere", "--to", root).check(2, "holds no measurements (expected train.csv, dev.csv,")
    (sound / "dev.csv").write_bytes(b"\0\1\2")
    cli(*IMPORT, sound, "--to", root).check(2, "dev.csv: is not a text file")


def test_files_of_another_corpus_are_refused(sound, meld, cli):
    for split in ("train", "dev", "test"):
        write(sound / f"{split}.csv", [["dia77_utt0.wav", *cells(0)]])
    cli(*IMPORT, sound, "--to", meld[0]).check(2, "'audio': names no utterance of this corpus")


def test_rows_of_different_widths_are_refused(sound, meld, cli, monkeypatch):
    named = {("train/0", "0"): np.ones(3, np.float32), ("train/0", "1"): np.ones(4, np.float32)}
    published = Published((sound / "dev.csv",), "meld", (), {}, named={"audio": named})
    monkeypatch.setattr(SpeechCueLlm, "read", lambda self, path: published)
    cli(*IMPORT, sound, "--to", meld[0]).check(2, "'audio': has rows of different shapes: [[3], [4]]")


@pytest.mark.slow
def test_the_real_measurements(real_data, cli, tmp_path):
    root = tmp_path / "corpus"
    root.mkdir()
    for path in real_data("meld").glob("*_sent_emo.csv"):
        (root / path.name).write_bytes(path.read_bytes())
    ended = cli(*IMPORT, real_data("meld_sound"), "--to", root)
    assert ended.code == 0, ended.err
    assert "the corpus lacks are ignored: 9; " in ended.err
    assert "empty cells were read as 0: avg_pitch 115, articulation_rate 530" in ended.err
    rows, table = stored(root)
    assert table.values.shape == (13708, 8)
    assert set(table.ids) - set(rows) == {("train/125", "3"), ("dev/110", "7")}
