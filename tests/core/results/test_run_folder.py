"""What a run leaves: every file, and on every file its stamps."""

import json

import pytest
from PIL import Image
from safetensors import safe_open

pytestmark = pytest.mark.pictures

FILES = {
    "recipe.toml", "environment.json", "key.txt", "metrics.json", "history.jsonl", "predictions.csv",
    "model.safetensors", "embeddings.safetensors", "report.md",
    "learning_curve.png", "confusion_dev_emotion.png", "confusion_test_emotion.png",
}  # fmt: skip


def stamps_of(folder):
    """The text of each file in which a stamp must be found, by file."""
    found = {}
    for name in ("model.safetensors", "embeddings.safetensors"):
        with safe_open(folder / name, framework="pt") as file:
            found[name] = file.metadata()["ercfw"]
    for path in folder.glob("*.png"):
        found[path.name] = Image.open(path).text["Title"]
    lines = (folder / "history.jsonl").read_text().splitlines()
    found |= {f"history.jsonl line {n}": line for n, line in enumerate(lines)}
    rows = (folder / "predictions.csv").read_text().splitlines()[1:]
    found |= {f"predictions.csv row {n}": row for n, row in enumerate(rows)}
    for name in ("environment.json", "metrics.json", "report.md"):
        found[name] = (folder / name).read_text()
    found["recipe.toml"] = "\n".join(x for x in (folder / "recipe.toml").read_text().splitlines() if x.startswith("#"))
    return found


@pytest.mark.parametrize(("protocol", "stamps"), [("dev", ["SIMULATED"]), ("release", ["SIMULATED", "CHOSEN ON TEST"])])
def test_every_file_has_its_stamps(cli, tiny_recipe, tmp_path, protocol, stamps):
    ended = cli("run", tiny_recipe(), f"train.protocol={protocol}", "train.epochs=2")
    assert ended.code == 0, ended.err
    folder = tmp_path / "runs/tiny/base/seed-0"
    expected = FILES if protocol == "dev" else FILES - {"confusion_dev_emotion.png"}
    assert {path.name for path in folder.iterdir()} == expected
    for name, text in stamps_of(folder).items():
        assert all(stamp in text for stamp in stamps), name
        assert ("CHOSEN ON TEST" in text) == (protocol == "release"), name
    assert all(f"[{stamp}]" in " ".join(ended.out.split()) for stamp in stamps)
    assert ended.err.index("SIMULATED") < ended.err.index("epoch 1/2"), "the banner comes before training"
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["protocol"] == protocol
    assert metrics["chosen_on"] == {"dev": "dev", "release": "test"}[protocol]
    assert list(metrics["scores"]) == {"dev": ["dev", "test"], "release": ["test"]}[protocol]
    report = (folder / "report.md").read_text()
    assert f"protocol {protocol}" in report
    assert ("padded places are neither attended to" in report) == (protocol == "release")


@pytest.fixture
def finished(cli, tiny_recipe, once, tmp_path):
    """The folder of a finished run of the tiny recipe."""
    recipe = tiny_recipe()

    def run():
        assert cli("run", recipe).code == 0

    once(run)
    return tmp_path / "runs/tiny/base/seed-0"


def test_a_run_that_begins_leaves_nothing_of_the_one_before(cli, tiny_recipe, finished):
    folder = finished
    (folder / "notes.txt").write_text("a person's own")
    (folder / "confusion_dev_other.png").write_bytes(b"of another run")
    assert cli("run", tiny_recipe(), "--force").code == 0
    assert {path.name for path in folder.iterdir()} == FILES | {"notes.txt"}


def test_a_folder_that_cannot_be_written_is_one_message(cli, tiny_recipe, tmp_path):
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs/tiny").write_text("in the way")
    ended = cli("run", tiny_recipe())
    assert ended.code == 1
    assert "cannot be written" in ended.err
    assert "Traceback" not in ended.err


def test_damaged_metrics_are_one_message(cli, tiny_recipe, finished):
    (finished / "metrics.json").write_text("{")
    ended = cli("run", tiny_recipe())
    assert ended.code == 2
    assert "metrics.json: cannot be read" in ended.err
    assert cli("run", tiny_recipe(), "--force").code == 0


def test_a_report_says_what_a_reader_asks(cli, tiny_recipe, tmp_path):
    assert cli("run", tiny_recipe(), "train.epochs=2", "train.lr=0.02").code == 0
    folder = tmp_path / "runs/tiny/base/seed-0"
    report, metrics = (folder / "report.md").read_text(), json.loads((folder / "metrics.json").read_text())
    for said in (
        f"Epoch {metrics['best_epoch']} of 2, selected on dev by emotion.weighted-f1",
        "lr = 0.02",
        "| encoder.default | linear | width = 8",
        "| train | 12 |",
        "simulated conversations in the shape of MELD",
        "class 'disgust' of 'emotion' has no utterance in train",
        "torch 2",
        f"ercfw run {metrics['folder']}/recipe.toml",
        "> **SIMULATED**: the conversations were made up",
    ):
        assert said in report, said
    assert all(f"]({picture})" in report and (folder / picture).is_file() for picture in metrics["pictures"])
    assert len(metrics["pictures"]) == 3


@pytest.mark.parametrize(("name", "needed"), [("metrics.json", "title"), ("environment.json", "python")])
def test_a_file_of_somebody_else_s_is_reported(name, needed, cli, tiny_recipe, finished):
    (finished / name).write_text("{}")
    cli("run", tiny_recipe()).check(2, f"{name}: lacks '{needed}'..--force")
