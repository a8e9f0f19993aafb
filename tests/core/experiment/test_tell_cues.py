"""``ercfw data cues``: the numbers of a corpus and of new data in words, and what cannot be told."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from ercfw.data.cues.levels import FEWEST, level_of, quintiles

SPLITS = {"a": "train", "b": "train", "c": "dev", "d": "test"}
UTTERANCES = 48
NAMED = ("--modality", "audio", "--names", "volume, ,pitch")
PLUGIN = '''
import numpy as np
from ercfw import ClipExtractor, hookimpl


class Sizes(ClipExtractor):
    """The size of a clip, three times."""

    reads, dim, fingerprint = "audio", 3, "sizes"

    def __init__(self, *, stamp: str = "") -> None:
        self.stamps = (stamp,) if stamp else ()

    def extract_clip(self, clip):
        return np.full(3, len(clip.path.read_bytes()), np.float32)


class Frames(Sizes):
    """Two frames of a clip."""

    kind = "frames"

    def extract_clip(self, clip):
        return np.zeros((2, 3), np.float32)


@hookimpl
def provide_extractors():
    return {"sizes": Sizes, "frames": Frames}
'''
RECIPE = """
schema = 1
title = "Told"
plugins = ["./mine.py"]
[data]
use = "table"
root = "corpus"
modalities = ["audio"]
[encoder.default]
use = "linear"
[head.emotion]
use = "linear"
[loss.cross-entropy]
"""


def speaker_of(utterance):
    """Ann has half of the utterances of a conversation, Bob a third, Cid the rest: too few."""
    return "Ann" if utterance % 2 else "Cid" if utterance % 6 == 0 else "Bob"


@pytest.fixture
def values():
    """``[192, 3]``, row by row as the table: the second number is the same for all."""
    drawn = np.random.default_rng(0).normal(60, 9, (4 * UTTERANCES, 3)).round(1).astype(np.float32)
    drawn[:, 1] = 7
    return drawn


@pytest.fixture
def recipe(plugin_file, values):
    plugin_file(PLUGIN)
    Path("corpus").mkdir()
    lines = ["conversation,utterance,speaker,text,label,split"]
    for name, split in SPLITS.items():
        for utterance in range(UTTERANCES):
            lines.append(f"{name},{utterance},{speaker_of(utterance)},words,{'xy'[utterance % 2]},{split}")
    Path("corpus/utterances.csv").write_text("\n".join(lines) + "\n")
    np.save("corpus/audio.npy", values)
    Path("told.toml").write_text(RECIPE)
    return Path("told.toml")


def rows_of(path="cues.csv"):
    with Path(path).open(newline="") as file:
        return list(csv.DictReader(file))


def test_each_number_is_judged_by_the_train_utterances_of_its_speaker(recipe, cli, values):
    assert FEWEST == 20
    ended = cli("data", "cues", recipe, *NAMED)
    assert ended.code == 0, ended.err
    assert ended.out.splitlines() == [
        "cues.levels.json",
        "cues.csv",
        "cues of 192 of 192 utterances; speakers judged by their own utterances: 2 of 3, the others by those of all",
    ]
    ids = [(name, str(utterance)) for name in SPLITS for utterance in range(UTTERANCES)]
    train = [row for row, (name, _) in enumerate(ids) if SPLITS[name] == "train"]
    speakers = [speaker_of(int(utterance)) for _, utterance in ids]
    for row, (told, id) in enumerate(zip(rows_of(), ids, strict=True)):
        own = [other for other in train if speakers[other] == speakers[row]]
        own = own if len(own) >= 20 else train
        volume, pitch = (level_of(values[row, n], quintiles(values[own, n].tolist())) for n in (0, 2))
        assert told == {"conversation": id[0], "utterance": id[1], "cues": f"volume {volume}, pitch {pitch}"}
    assert json.loads(Path("cues.levels.json").read_text())["utterances"] == 2 * UTTERANCES


def test_dev_and_test_change_no_level_and_no_cue_of_train(recipe, cli, values):
    assert cli("data", "cues", recipe, *NAMED).code == 0
    before, levels = rows_of(), Path("cues.levels.json").read_bytes()
    changed = values.copy()
    changed[2 * UTTERANCES :] *= -9
    np.save("corpus/audio.npy", changed)
    assert cli("data", "cues", recipe, *NAMED, "--replace").code == 0
    after = rows_of()
    assert after[: 2 * UTTERANCES] == before[: 2 * UTTERANCES]
    assert after != before
    assert Path("cues.levels.json").read_bytes() == levels


def test_labels_change_nothing(recipe, cli):
    assert cli("data", "cues", recipe, *NAMED).code == 0
    before = Path("cues.csv").read_bytes()
    table = Path("corpus/utterances.csv")
    table.write_text(table.read_text().replace(",x,", ",z,"))
    assert cli("data", "cues", recipe, *NAMED, "--replace").code == 0
    assert Path("cues.csv").read_bytes() == before


def test_the_table_is_one_that_a_recipe_reads(recipe, cli):
    assert cli("data", "cues", recipe, *NAMED, "--to", "made/told.csv").code == 0
    from ercfw.data.cues.attach import add_cues
    from ercfw_datasets.table import Table

    dataset = Table(root=Path("corpus"))
    read = add_cues({"test": dataset.split("test")}, "made/told.csv", dataset)
    assert read.warnings == ()
    assert read.value["test"][0].cues == tuple(row["cues"] for row in rows_of("made/told.csv")[3 * UTTERANCES :])


@pytest.fixture
def clips(recipe):
    """The corpus with a clip of 1 to 48 bytes per utterance, but for one that has none and one that is not there."""
    table = Path("corpus/utterances.csv")
    lines = table.read_text().splitlines()
    for utterance in range(UTTERANCES):
        Path(f"corpus/{utterance}.wav").write_bytes(b"x" * (utterance + 1))
    clips = ["clip", "", "gone.wav", *(f"{n % UTTERANCES}.wav" for n in range(2, 4 * UTTERANCES))]
    table.write_text("\n".join(f"{line},{clip}" for line, clip in zip(lines, clips, strict=True)) + "\n")
    Path("corpus/audio.npy").unlink()
    return recipe


SIZES = "features.audio.use=sizes"
ALONE = ("--processes", "1")


def test_numbers_of_an_extractor_and_utterances_without_a_clip(clips, cli):
    ended = cli("data", "cues", clips, *ALONE, SIZES, *NAMED, "--json")
    assert ended.code == 0, ended.err
    assert json.loads(ended.out) == {
        "files": ["cues.levels.json", "cues.csv"], "utterances": 192, "told": 190, "speakers": 3, "own": 2,
    }  # fmt: skip
    told = [row["cues"] for row in rows_of()]
    assert told[:3] == ["", "", "volume very low, pitch very low"]
    assert told[-1] == "volume very high, pitch very high"
    assert "clips that are missing: 1 (a 1)" in ended.err


def test_numbers_of_a_modality_that_the_model_does_not_read(clips, cli):
    clips.write_text(clips.read_text().replace('["audio"]', '["text"]'))
    assert cli("data", "cues", clips, *ALONE, SIZES, *NAMED).code == 0
    assert rows_of()[-1]["cues"] == "volume very high, pitch very high"


def test_new_data_is_told_by_the_levels_of_the_corpus(clips, cli):
    assert cli("data", "cues", clips, *ALONE, SIZES, *NAMED).code == 0
    lines = ["speaker,text,clip", "Ann,low,corpus/3.wav", 'Zoe,"high, even",corpus/47.wav', "Ann,none,"]
    Path("talk.csv").write_text("\n".join(lines) + "\n")
    levels = ("--levels", "cues.levels.json", "--input", "talk.csv", "--to", "talk_told.csv")
    ended = cli("data", "cues", clips, *ALONE, SIZES, *levels)
    assert ended.code == 0, ended.err
    assert not Path("talk_told.levels.json").exists()
    assert Path("talk_told.csv").read_text().splitlines() == [
        "conversation,utterance,speaker,text,cues",
        'talk,1,Ann,low,"volume very low, pitch very low"',
        'talk,2,Zoe,"high, even","volume very high, pitch very high"',
        "talk,3,Ann,none,",
    ]


def test_another_corpus_is_told_by_the_levels_of_the_first(recipe, cli, values):
    assert cli("data", "cues", recipe, *NAMED).code == 0
    np.save("corpus/audio.npy", values + 1000)
    again = cli("data", "cues", recipe, "--levels", "cues.levels.json", "--to", "again.csv")
    assert again.code == 0, again.err
    assert {row["cues"] for row in rows_of("again.csv")} == {"volume very high, pitch very high"}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--names", "volume"), "--names: has 1 names, but the vectors of 'audio' have 3 numbers (separate"),
        (("--names", "a,b,c,d"), "--names: has 4 names, but the vectors of 'audio' have 3 numbers"),
        (("--names", ",,"), '--names: names no number (such as --names ",volume,,pitch"'),
        (("--names", "a,b,a"), "--names: names two numbers 'a'"),
        ((), '--names: is missing (such as --names ",volume,,pitch"; an empty name leaves a number out)'),
        (("--names", "a,b,c", "--levels", "x.json"), "--names: cannot be combined with --levels"),
        (("--levels", "told.toml"), "told.toml: is not a file of levels"),
        (("--names", "a,b,c", "--input", "x.csv"), "--input x.csv: has no train utterances"),
        (("--names", "a,b,c", "--modality", "smell"), "--modality smell: the data has no modality 'smell', and no"),
        (("--names", "a,b,c", "data.use=simulated"), "[data]: is ..simulated..it has nothing to tell"),
        (("--names", "a,b,c", "--to", "cues.txt"), "--to cues.txt: does not name a format..end it with .csv"),
        (("--names", "a,b,c", "--to", "corpus/utterances.csv"), "corpus/utterances.csv: exists already (add --replace"),
    ],
)
def test_what_cannot_be_told_is_one_message(recipe, cli, words, says):
    before = Path("corpus/utterances.csv").read_bytes()
    cli("data", "cues", recipe, *words).check(2, says)
    assert Path("corpus/utterances.csv").read_bytes() == before
    assert not Path("cues.csv").exists()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("features.audio.use=frames",), "--modality audio: has frames, and only vectors can be told"),
        ((SIZES, "features.audio.stamp=MADE UP"), "--modality audio: its numbers are stamped MADE UP, which a table"),
        (("features.audio.file=no.npy",), "[features.audio] file no.npy: there is no such feature file"),
    ],
)
def test_features_that_cannot_be_told(clips, cli, words, says):
    cli("data", "cues", clips, *ALONE, *words, *NAMED).check(2, says)


def test_new_data_needs_an_extractor(recipe, cli):
    assert cli("data", "cues", recipe, *NAMED).code == 0
    Path("talk.csv").write_text("text\nwords\n")
    levels = ("--levels", "cues.levels.json", "--input", "talk.csv", "--to", "new.csv")
    cli("data", "cues", recipe, *levels).check(2, "[features.audio] use: no extractor computes 'audio' of new data")
    cli("data", "cues", recipe, *ALONE, SIZES, *levels).check(2, "--modality audio: is absent from every utterance")


def test_levels_of_other_numbers_are_refused(clips, cli):
    assert cli("data", "cues", clips, *ALONE, SIZES, *NAMED).code == 0
    content = json.loads(Path("cues.levels.json").read_text())
    content["levels"]["names"] += [""]
    Path("other.json").write_text(json.dumps(content))
    ended = cli("data", "cues", clips, *ALONE, SIZES, "--levels", "other.json", "--to", "new.csv")
    ended.check(2, "other.json: has 4 names, but the vectors of 'audio' have 3 numbers")


def test_a_stream_that_was_fitted_on_dev_is_refused(recipe, cli, values):
    from ercfw.contract.feature_table import FeatureTable

    ids = tuple((name, str(utterance)) for name in SPLITS for utterance in range(UTTERANCES))
    table = FeatureTable(ids, values, np.ones(len(ids), bool), fitted_on=frozenset({("c", "1")}))
    Path("corpus/audio.npy").unlink()
    table.save(Path("corpus/audio.safetensors"))
    cli("data", "cues", recipe, *NAMED).check(
        2, "stream 'audio' was fitted on 1 utterances of dev, so dev cannot judge"
    )
    assert not Path("cues.csv").exists()
