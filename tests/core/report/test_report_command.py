"""``ercfw report``: one page of a run, of a variant's seeds, or of several variants."""

import html
import json
import re

import pytest
from PIL import Image

from ercfw.registry.catalog import load_catalog
from ercfw.registry.plugin_file import read_plugin_file

from .conftest import text_of


def data_of(path):
    return json.loads(
        re.search(r'<script type="application/json" id="data">(.*?)</script>', text_of(path), re.DOTALL)[1]
    )


def titles_of(path):
    return re.findall(r"<h2 id=\"[^\"]*\">(.*?)</h2>", text_of(path))


def test_a_run(cli, mine):
    folder = mine / "attending" / "seed-0"
    ended = cli("report", folder)
    assert ended.code == 0, ended.err
    assert ended.out == f"report: {folder / 'report.html'}\n"
    page = folder / "report.html"
    titles = titles_of(page)
    assert titles[:3] == ["Scores", "Warnings and notes", "Conversations"], "what is asked first stands first"
    assert {"Subgroups", "Figures", "Settings", "Data", "Environment", "Reproduce"} < set(titles)
    metrics = json.loads(text_of(folder / "metrics.json"))
    first_card = re.search(r"<li>(.*?) <strong>(.*?)</strong>", text_of(page))
    assert first_card[1] == "weighted-f1, test"
    assert first_card[2] == f"{100 * metrics['scores']['test']['emotion']['weighted-f1']:.2f}"
    reported = re.findall(r'role="img" aria-label="([^"]*)"', text_of(page))
    assert [words.split()[0] for words in reported] == [
        "F1",
        "Learning",
        "Frequency",
        "Calibration",
        "Embeddings",
    ]
    assert data_of(page)["attention"]["maps"]


def test_seeds_of_a_variant(cli, mine):
    assert cli("report", mine / "base").code == 0
    page = mine / "base" / "report.html"
    assert titles_of(page)[0] == "Scores"
    assert "base, 3 seeds" in text_of(page)
    assert data_of(page)["answers"] == ["base"]


@pytest.mark.slow
def test_variants(cli, mine, tmp_path):
    out, pictures = tmp_path / "here" / "page.html", tmp_path / "pictures"
    ended = cli("report", mine / "base", mine / "w-o-audio", mine / "attending", "--out", out, "--pictures", pictures)
    assert ended.code == 0, ended.err
    assert data_of(out)["answers"] == ["base", "w/o audio", "attending"]
    titles = titles_of(out)
    assert titles[:3] == ["Scores", "Warnings and notes", "Conversations"]
    assert {"Agreement", "Subgroups", "Settings that differ", "Settings of base", "Reproduce"} < set(titles)
    differs = text_of(out).split(">Settings that differ</h2>")[1].split("</section>")[0]
    assert "fusion.use" in differs
    assert "data.modalities" in differs
    names = {path.name for path in pictures.iterdir()}
    whole = [
        "01-forest-emotion",
        "02-class-f1-emotion",
        "03-confusion-base-emotion",
        "04-confusion-w-o-audio-emotion",
        "05-confusion-attending-emotion",
    ]
    assert names == {f"{name}.{ending}" for name in whole for ending in ("png", "svg", "pdf")}
    with Image.open(pictures / "01-forest-emotion.png") as picture:
        assert "SIMULATED" in picture.text["Title"]


def test_a_plugin_that_fails_to_quote_scores_is_reported(cli, mine, tmp_path, plugin_file, monkeypatch):
    path = plugin_file("from ercfw import hookimpl\n@hookimpl\ndef quote_scores():\n    1 / 0\n")
    monkeypatch.setattr("ercfw.report.page.load_catalog", lambda: load_catalog([read_plugin_file(path)]))
    page = tmp_path / "page.html"
    ended = cli("report", mine / "base", "--out", page)
    assert ended.code == 0, ended.err
    failure = "plugin &#39;mine&#39;: quote_scores failed: ZeroDivisionError"
    assert "warning: " + html.unescape(failure) in ended.err
    notes = text_of(page).split(">Warnings and notes</h2>")[1].split("</section>")[0]
    assert failure in notes


def test_many_confusions_are_not_all_drawn(cli, mine, tmp_path, monkeypatch):
    monkeypatch.setattr("ercfw.report.pictures.MOST_CELLS", 2 * 7 * 7 - 1)
    words = ["--out", tmp_path / "page.html", "--pictures", tmp_path / "pictures"]
    assert cli("report", mine / "base", mine / "w-o-audio", *words).code == 0
    assert [path.name for path in (tmp_path / "pictures").glob("*confusion*.svg")] == ["03-confusion-base-emotion.svg"]


def test_a_page_has_one_confusion_matrix(cli, mine, tmp_path):
    for runs in (["base/seed-0"], ["base"], ["base", "w-o-audio"]):
        assert cli("report", *(mine / run for run in runs), "--out", tmp_path / "page.html", "--quiet").code == 0
        assert len(re.findall(r'aria-label="Confusion matrix', text_of(tmp_path / "page.html"))) == 1


def test_progress_begins_at_once_and_ends(cli, mine):
    for words in ((mine / "base", mine / "w-o-audio"), (mine / "attending" / "seed-0",)):
        shown = re.findall(r"report: (\d+) of (\d+)", cli("report", *words).err)
        assert shown[0][0] == "0"
        assert shown[-1][0] == shown[-1][1]


def test_what_cannot_be_compared_is_refused(cli, mine):
    ended = cli("report", mine)
    assert ended.code == 2
    assert len(ended.errors) == 2
    assert all("ercfw compare --side-by-side" in error for error in ended.errors)
    assert not (mine / "report.html").exists()


def test_without_the_model_the_rest_is_shown_and_said(cli, mine):
    folder = mine / "attending" / "seed-0"
    (folder / "model.safetensors").unlink()
    (folder / "embeddings.safetensors").unlink()
    assert cli("report", folder).code == 0
    assert "the conversations lack attention and the predictions from single modalities" in text_of(
        folder / "report.html"
    )
    assert "holds no trained model" in text_of(folder / "report.html")
    assert data_of(folder / "report.html")["attention"] is None
    assert "Embeddings" not in re.findall(r'aria-label="(\w+)', text_of(folder / "report.html"))


def test_plugin_files_are_not_run_where_they_are_refused(cli, tiny_recipe, plugin_file, tmp_path):
    code = """
from ercfw_basics.fusions import Concat
from ercfw import hookimpl
class Mine(Concat):
    pass
@hookimpl
def provide_fusions():
    open("ran", "w").close()
    return {"mine": Mine}
"""
    plugin_file(code)
    assert cli("run", tiny_recipe(top='plugins = ["./mine.py"]\n'), "fusion.use=mine").code == 0
    folder = tmp_path / "runs/tiny/base/seed-0"
    (tmp_path / "ran").unlink()
    assert cli("report", folder, "--no-plugin-files").code == 0
    assert not (tmp_path / "ran").exists()
    assert "plugin files may not run" in text_of(folder / "report.html")
    assert cli("report", folder).code == 0
    assert (tmp_path / "ran").exists()


@pytest.mark.slow
def test_a_part_whose_explain_fails_takes_nothing_else_away(cli, tiny_recipe, plugin_file, tmp_path):
    plugin_file("""
from ercfw import hookimpl
from ercfw_basics.fusions import Concat

class Mine(Concat):
    def explain(self, xs, inputs):
        return 1 / 0

@hookimpl
def provide_fusions():
    return {"mine": Mine}
""")
    assert cli("run", tiny_recipe(top='plugins = ["./mine.py"]\n'), "fusion.use=mine").code == 0
    assert cli("report", tmp_path / "runs/tiny/base/seed-0").code == 0
    text = text_of(tmp_path / "runs/tiny/base/seed-0/report.html")
    assert "predictions from single modalities: the model failed: ZeroDivisionError" in text


@pytest.mark.slow
def test_an_ensemble_has_a_page_too(cli, mine, tmp_path):
    assert cli("ensemble", mine / "base", "--out", tmp_path / "together").code == 0
    assert cli("report", tmp_path / "together").code == 0
    assert "ensemble of 3" in text_of(tmp_path / "together" / "report.html")


@pytest.mark.slow
def test_open_shows_it(cli, mine, monkeypatch):
    opened = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    assert cli("report", mine / "others" / "seed-0", "--open").code == 0
    assert opened == [(mine / "others" / "seed-0" / "report.html").as_uri()]


@pytest.mark.slow
def test_a_page_is_the_same_whenever_it_is_made(cli, mine):
    folder = mine / "others" / "seed-0"
    pages = []
    for _ in range(2):
        assert cli("report", folder).code == 0
        pages.append(text_of(folder / "report.html"))
    assert pages[0] == pages[1]


@pytest.mark.parametrize(
    ("harm", "reported"),
    [
        (lambda folder: (folder / "predictions.csv").write_text("nothing"), "predictions.csv"),
        (lambda folder: (folder / "history.jsonl").write_text("{"), "history.jsonl: cannot be read"),
        (lambda folder: (folder / "metrics.json").write_text("[]"), "metrics.json"),
        (lambda folder: (folder / "predictions.csv").unlink(), "predictions.csv: cannot be read"),
        (lambda folder: (folder / "recipe.toml").write_text("="), "recipe.toml: is not TOML"),
        (lambda folder: (folder / "environment.json").write_text("{"), "environment.json"),
        (
            lambda folder: (folder / "embeddings.safetensors").write_bytes(b"x"),
            "embeddings.safetensors: cannot be read",
        ),
    ],
)
def test_damaged_files_are_one_message(cli, mine, harm, reported):
    folder = mine / "others" / "seed-0"
    harm(folder)
    cli("report", folder).check(2, reported)


def test_what_is_no_run_is_reported(cli, tmp_path):
    cli("report", tmp_path / "none").check(2, "is not a folder")
    cli("report", tmp_path).check(2, "holds no finished run")
    (tmp_path / "file").write_text("")
    cli("report", tmp_path, "--out", tmp_path / "file" / "x.html").check(2, "--out")
    cli("report", tmp_path, "--out", "x.pdf").check(
        2, "--out x.pdf: does not name a format..(end it with .html or .htm)"
    )


def test_a_page_stays_small_whatever_is_said(cli, left_run):
    rows = [
        {"conversation": str(n // 10), "utterance": str(n), "text": "话" * 3000 + "<" * 3000, "emotion": "joy",
         "emotion.predicted": "joy"}
        for n in range(800)
    ]  # fmt: skip
    folder = left_run(rows, ("joy", "anger"))
    assert cli("report", folder).code == 0
    assert (folder / "report.html").stat().st_size < 6e6
    assert re.search(
        r"<p>\d+ utterances are omitted to limit the size of the page.</p>", text_of(folder / "report.html")
    )


def test_variants_need_not_have_the_same_targets(cli, left_run, tmp_path):
    rows = [
        {"conversation": "t", "utterance": str(n), "emotion": "joy", "emotion.predicted": said}
        for n, said in enumerate(("joy", "anger"))
    ]
    mood = {"mood": "calm", "mood.predicted": "calm", "mood.p.calm": "1.0"}
    scores = {"test": {"emotion": {"accuracy": 0.5}, "mood": {"accuracy": 1.0}}}
    both = left_run([{**row, **mood} for row in rows], ("joy", "anger"), name="both", scores=scores)
    one = left_run(rows, ("joy", "anger"), name="one")
    assert cli("report", both, one, "--out", tmp_path / "page.html").code == 0
    assert [target["name"] for target in data_of(tmp_path / "page.html")["targets"]] == ["emotion"]
