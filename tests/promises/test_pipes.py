"""A pipe or a device where a file is expected is one message: reading one may never end."""

import os
import signal
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def soon():
    """A command that waits for a pipe is stopped, and fails."""
    signal.alarm(60)
    yield
    signal.alarm(0)


@pytest.fixture
def pipe(tmp_path):
    path = tmp_path / "pipe.csv"
    os.mkfifo(path)
    return path


TABLE = '[data]\nuse = "table"\nmodalities = ["text"]\nroot = "."\nutterances = "{path}"\n'


@pytest.fixture
def table_recipe(tiny_recipe):
    """A recipe that reads a table."""

    def write(path):
        text = tiny_recipe().read_text()
        start, end = text.index("[data]"), text.index("[encoder.default]")
        recipe = Path("table.toml")
        recipe.write_text(text[:start] + TABLE.format(path=path) + text[end:])
        return recipe

    return write


@pytest.mark.parametrize("words", [("run",), ("validate",), ("data", "check")])
@pytest.mark.parametrize("device", [False, True])
def test_a_table(words, device, cli, table_recipe, pipe):
    recipe = table_recipe("/dev/zero" if device else pipe)
    ended = cli(*words, recipe)
    assert "is a pipe or a device, not a file" in ended.out + ended.err


@pytest.mark.parametrize("name", ["metrics.json", "predictions.csv", "recipe.toml", "history.jsonl",
                                  "environment.json", "model.safetensors", "embeddings.safetensors"])  # fmt: skip
@pytest.mark.parametrize("verb", ["report", "reproduce", "predict"])
def test_a_file_of_a_run(verb, name, cli, once, tiny_recipe):
    once(lambda: cli("run", tiny_recipe()))
    run = Path("runs/tiny/base/seed-0")
    Path("new.csv").write_text("conversation,utterance,text\na,1,Hello\n")
    (run / name).unlink()
    os.mkfifo(run / name)
    more = {"report": (), "reproduce": ("--out", "again"), "predict": ("new.csv",)}
    ended = cli(verb, run, *more[verb])
    assert "Traceback" not in ended.err
    assert ended.code in (0, 2), ended.err


@pytest.mark.parametrize("ending", ["safetensors", "npy", "npz"])
def test_a_feature_file(ending, cli, tiny_recipe, tmp_path):
    os.mkfifo(tmp_path / f"text.{ending}")
    ended = cli("run", tiny_recipe(f'\n[features.text]\nfile = "text.{ending}"\n'))
    assert ended.code == 2


def test_a_recipe_and_a_pickle(cli, pipe, tmp_path):
    cli("run", pipe).check(2, "pipe.csv: ..")
    os.mkfifo(tmp_path / "features.pkl")
    assert cli("data", "import", "mmgcn", tmp_path / "features.pkl", "--to", "out").code == 2


def test_weights_to_start_from(cli, tiny_recipe, tmp_path):
    os.mkfifo(tmp_path / "model.safetensors")
    assert cli("run", tiny_recipe(), f"train.init_from={tmp_path}/model.safetensors").code == 2


def test_a_clip(tmp_path):
    av = pytest.importorskip("av")
    assert av
    from ercfw import BrokenClipError, Clip
    from ercfw_media.media_file import _container

    os.mkfifo(tmp_path / "clip.wav")
    with pytest.raises(BrokenClipError, match="not a file"):
        _container(Clip(tmp_path / "clip.wav"))


def test_word_vectors(pipe):
    from ercfw import InputError
    from ercfw_baselines.words import read_vectors

    with pytest.raises(InputError, match="no such file"):
        read_vectors(pipe)
