"""A run predicts in any working folder, and after a move: the paths in its recipe lead where they did in training."""

import json
import shutil
from pathlib import Path

import pytest

import ercfw
from ercfw import Conversation
from ercfw.errors import InputError
from ercfw.predict.explain import reopen
from ercfw.predict.places import Places
from ercfw.system.progress import no_progress

PLUGIN = """
import numpy as np
from ercfw import Extractor, hookimpl


class Lengths(Extractor):
    reads = "text"
    dim = 2
    fingerprint = "0" * 64

    def extract(self, conversation):
        return [np.array([1, len(text)], np.float32) for text in conversation.texts]


@hookimpl
def provide_extractors():
    return {"lengths": Lengths}
"""
RECIPE = """
schema = 1
title = "Lengths"
plugins = ["./lengths.py"]
[data]
use = "table"
root = "corpus"
modalities = ["text"]
[features.text]
use = "lengths"
[encoder.text]
use = "linear"
width = 3
[head.emotion]
use = "linear"
[loss.cross-entropy]
[train]
epochs = 1
device = "cpu"
"""
TALK = Conversation("new", "test", ("0", "1"), ("A", "B"), ("hello", "what a day"), {})
ENCODER = "runs/lengths/base/seed-0"
BY_ENCODER = ("features.text.use=trained-encoder", f"features.text.run={ENCODER}", "features.text.plugin_files=true")


OTHERS = {
    "encoded": BY_ENCODER,
    "started": (f"train.init_from={ENCODER}",),
    "taught": (f"teacher.run={ENCODER}", "teacher.plugin_files=true", "loss.distillation.weight=1.0"),
}


@pytest.fixture
def train(cli, tmp_path):
    """Function that trains a run in a folder ``project``, and one that takes an encoder, weights or logits from it."""
    folder = tmp_path / "project"
    (folder / "corpus").mkdir(parents=True)
    lines = ["conversation,utterance,speaker,text,label,split"]
    for number, split in enumerate(["train"] * 4 + ["dev", "test"]):
        lines += [f"c{number},{u},A,{'x' * (number + u)},{'ab'[u]},{split}" for u in range(2)]
    (folder / "corpus/utterances.csv").write_text("\n".join(lines))
    (folder / "lengths.py").write_text(PLUGIN)
    (folder / "lengths.toml").write_text(RECIPE)

    def run(name="encoded"):
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(folder)
            for out, words in (("runs", ()), (name, OTHERS[name])):
                ended = cli("run", "lengths.toml", *words, "--out", out, "--trust")
                assert ended.code == 0, ended.err
            return folder, answers(f"{name}/lengths/base/seed-0")

    return run


def answers(folder):
    return [each.probabilities for each in ercfw.load(folder).predict([TALK]).answers]


@pytest.mark.parametrize(
    "name", ["encoded", *(pytest.param(name, marks=pytest.mark.slow) for name in ("started", "taught"))]
)
def test_a_run_predicts_in_another_working_folder(train, name, tmp_path):
    _, expected = train(name)
    (tmp_path / "elsewhere").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path / "elsewhere")
        assert answers(f"../project/{name}/lengths/base/seed-0") == expected


def test_runs_that_move_together_find_each_other(train, tmp_path):
    project, expected = train()
    archive = tmp_path / "archive/2026"
    archive.mkdir(parents=True)
    for name in ("runs", "encoded"):
        shutil.move(project / name, archive / name)
    shutil.rmtree(project)
    assert answers(archive / "encoded/lengths/base/seed-0") == expected


def test_a_run_that_moves_alone_finds_what_stayed(train, tmp_path):
    project, expected = train()
    shutil.move(project / "encoded/lengths/base/seed-0", tmp_path / "mine")
    assert answers(tmp_path / "mine") == expected


def test_what_is_nowhere_is_one_message(train, tmp_path, cli):
    project, _ = train()
    shutil.move(project / "encoded/lengths/base/seed-0", tmp_path / "mine")
    shutil.rmtree(project)
    (tmp_path / "talk.csv").write_text("text\nhello\n")
    ended = cli("predict", "mine", "talk.csv")
    ended.check(2, f"[features.text] run: {ENCODER} is neither in {project} nor where it was beside the run")


def test_a_path_is_looked_up_from_the_run_and_its_folders_before_the_working_folder(tmp_path, monkeypatch):
    run = tmp_path / "moved/out/a"
    for place in (run, tmp_path / "moved/x", tmp_path / "there/x", tmp_path / "x"):
        place.mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    trained = Places(run, tmp_path / "there", tmp_path / "there/out/a")
    assert trained.find(tmp_path / "x") == tmp_path / "x"
    for expected in ("moved/x", "there/x", "x"):
        assert trained.find(Path("x")) == tmp_path / expected
        (tmp_path / expected).rmdir()
    assert trained.find(Path("x")) is None
    (tmp_path / "x").symlink_to("nowhere")
    assert trained.find(Path("x")) is None
    assert trained.find(Path("y" * 300)) is None


def test_a_model_file_holds_no_path_of_the_machine(train, tmp_path):
    project, _ = train()
    for name in ("runs", "encoded"):
        content = (project / name / "lengths/base/seed-0/model.safetensors").read_bytes()
        assert str(tmp_path).encode() not in content
    environment = json.loads((project / ENCODER / "environment.json").read_text())
    assert environment["working_folder"] == str(project)
    assert environment["run_folder"] == str(project / ENCODER)


@pytest.mark.parametrize("content", [None, "{", '{"working_folder": 3}'])
def test_a_run_of_an_earlier_version_is_found_by_the_metadata_of_its_model(content, tmp_path):
    run = tmp_path / "moved/out/a"
    for place in (run, tmp_path / "moved/x"):
        place.mkdir(parents=True)
    if content is not None:
        (run / "environment.json").write_text(content)
    there = tmp_path / "there"
    old = Places.read(run, {"places": {"working": str(there), "run": str(there / "out/a")}})
    assert old == Places(run, there, there / "out/a")
    assert old.find(there / "x") == tmp_path / "moved/x"


def test_a_run_of_an_earlier_version_finds_what_is_above_it(tmp_path):
    (tmp_path / "project/runs/a").mkdir(parents=True)
    (tmp_path / "project/models").mkdir()
    old = Places.read(tmp_path / "project/runs/a", {"places": {"working": 3}})
    assert old.find(Path("models")) == tmp_path / "project/models"


def test_a_path_of_the_network_leads_to_its_file(cli, tmp_path, monkeypatch):
    """The model ``mvn`` reads a file of word vectors when it is made."""
    (tmp_path / "corpus").mkdir()
    rows = [
        f"{c},0,A,good day,{'ab'[n % 2]},{split}"
        for n, (c, split) in enumerate(zip("cdefg", ["train", "train", "dev", "test", "test"], strict=True))
    ]
    (tmp_path / "corpus/utterances.csv").write_text(
        "\n".join(["conversation,utterance,speaker,text,label,split", *rows])
    )
    (tmp_path / "vectors.txt").write_text("good 1 0\nday 0 1\n")
    recipe = tmp_path / "mvn.toml"
    recipe.write_text(
        'schema = 1\ntitle = "MVN"\n[data]\nuse = "table"\nroot = "corpus"\nmodalities = ["text"]\n'
        '[features.text]\nuse = "words"\nvectors = "vectors.txt"\n'
        '[model]\nuse = "mvn"\nvectors = "vectors.txt"\nwidth = 4\n'
        '[loss.cross-entropy]\n[train]\nepochs = 1\ndevice = "cpu"\n'
    )
    ended = cli("run", recipe)
    assert ended.code == 0, ended.err
    expected = answers("runs/mvn/base/seed-0")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert answers("../runs/mvn/base/seed-0") == expected


def test_a_run_is_opened_with_its_data_from_anywhere_unless_the_data_has_changed(train, tmp_path, monkeypatch):
    """The recipe names the corpus by a relative path, and so do the run's records."""
    project, _ = train()
    monkeypatch.chdir(project)
    (test,) = reopen(Path(ENCODER), no_progress).splits["test"]
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    run = Path("../project") / ENCODER
    (again,) = reopen(run, no_progress).splits["test"]
    assert again.texts == test.texts
    table = project / "corpus/utterances.csv"
    table.write_text(table.read_text().replace("xxxxx", "zzzzz"))
    with pytest.raises(InputError, match=r"was run on other data: corpus/utterances\.csv has changed"):
        reopen(run, no_progress)
