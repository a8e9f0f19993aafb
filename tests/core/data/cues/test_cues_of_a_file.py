"""A file of cues in a recipe: who gets which, what is refused and warned of, and what of it a run records."""

import json
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from ercfw.contract.conversation import Conversation
from ercfw.contract.feature_table import FeatureTable
from ercfw.data.cues.attach import add_cues
from ercfw.data.extraction.cache import conversation_hash
from ercfw_datasets.table import Table

ALL = [(name, str(utterance)) for name in "abcd" for utterance in range(12)]


def write(*rows, name="cues.csv", header="conversation,utterance,cues"):
    Path(name).write_text("\n".join([header, *rows]) + "\n")
    return name


def write_all(but=()):
    return write(*(f'{c},{u},"pitch {c}, volume {u}"' for c, u in ALL if (c, u) not in but))


def test_each_utterance_has_the_cues_of_its_row_whatever_their_order(recipe):
    lines = Path(write_all()).read_text().splitlines()
    Path("cues.csv").write_text("\n".join([lines[0], *reversed(lines[1:])]) + "\n")
    dataset = Table(root=Path("corpus"))
    read = add_cues({"dev": dataset.split("dev")}, "cues.csv", dataset)
    (conversation,) = read.value["dev"]
    assert conversation.cues == tuple(f"pitch c, volume {n}" for n in range(12))
    assert read.warnings == ()
    assert dataset.split("dev")[0].cues == ()
    assert conversation.only(slice(2, 4)).cues == ("pitch c, volume 2", "pitch c, volume 3")


def test_utterances_without_a_row_have_none_and_a_warning_counts_them(recipe):
    write_all(but={("c", "1"), ("c", "2")})
    dataset = Table(root=Path("corpus"))
    read = add_cues({"dev": dataset.split("dev"), "test": dataset.split("test")}, "cues.csv", dataset)
    assert read.value["dev"][0].cues[:4] == ("pitch c, volume 0", "", "", "pitch c, volume 3")
    assert read.warnings == ("cues.csv: utterances without a row, and so without cues: 2 of 24 (c 1 first)",)


def test_a_column_of_the_table_gives_cues_and_a_file_replaces_them(recipe):
    lines = Path("corpus/utterances.csv").read_text().splitlines()
    told = [f"{line}, loud {n} " if n % 2 else f"{line}," for n, line in enumerate(lines[1:])]
    Path("corpus/utterances.csv").write_text("\n".join([lines[0] + ",cues", *told]) + "\n")
    dataset = Table(root=Path("corpus"))
    assert dataset.split("train")[0].cues[:3] == ("", "loud 1", "")
    renamed = Table(root=Path("corpus"), columns={"cues": "label"}, classes=("x", "y"))
    assert renamed.split("train")[0].cues[:3] == ("x", "y", "x")
    write("a,1,soft", "a,2,slow")
    read = add_cues({"train": dataset.split("train")}, "cues.csv", dataset)
    assert [c.cues[:3] for c in read.value["train"]] == [("", "soft", "slow"), ("", "", "")]


def test_extraction_and_run_read_the_same_cues(recipe, cli):
    write_all(but={("a", "3")})
    assert cli("extract", recipe, "data.cues=cues.csv", "--to", "features").code == 0
    table = FeatureTable.load(Path("features/text.safetensors"))
    wanted = [0 if id == ("a", "3") else len(f"pitch {id[0]}, volume {id[1]}") for id in ALL]
    assert table.values[:, 1].tolist() == wanted
    ran = cli("run", recipe, "data.cues=cues.csv", "--json")
    assert ran.code == 0, ran.err
    (metrics,) = json.loads(ran.out)
    assert "cues.csv: utterances without a row, and so without cues: 1 of 48 (a 3 first)" in metrics["warnings"]
    assert metrics["data"]["files"]["cues.csv"] == sha256(Path("cues.csv").read_bytes()).hexdigest()
    recipe.write_text(recipe.read_text().replace('use = "ears"', 'file = "features/text.safetensors"'))
    of_file = cli("run", recipe, "--json")
    assert json.loads(of_file.out)[0]["scores"] == metrics["scores"]


def test_a_run_whose_file_has_changed_is_not_opened_again(recipe, cli):
    from ercfw.errors import InputError
    from ercfw.predict.explain import reopen

    write_all()
    assert cli("run", recipe, "data.cues=cues.csv").code == 0
    run = Path("runs/heard/base/seed-0")
    assert 'cues = "cues.csv"' in (run / "recipe.toml").read_text()
    (test,) = reopen(run, lambda *_: None).splits["test"]
    assert test.cues[3] == "pitch d, volume 3"
    write_all(but={("a", "3")})
    with pytest.raises(InputError, match=r"was run on other data: cues\.csv has changed"):
        reopen(run, lambda *_: None)


def test_a_run_that_has_moved_finds_its_file(recipe, cli, tmp_path, monkeypatch):
    from ercfw.predict.saved_run import read_run
    from ercfw.registry.trust import PluginFiles

    write_all()
    assert cli("run", recipe, "data.cues=cues.csv").code == 0
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    read = read_run(tmp_path / "runs/heard/base/seed-0", PluginFiles.TRUSTED)
    assert Path(read.recipe.data.cues).samefile(tmp_path / "cues.csv")


def test_a_teacher_reads_the_cues_of_its_own_recipe(recipe, cli):
    write_all()
    assert cli("run", recipe, "data.cues=cues.csv").code == 0
    student = ("features.text.hear=false", "teacher.run=runs/heard/base/seed-0", "teacher.plugin_files=true")
    taught = cli("run", recipe, *student, "loss.soft.use=distillation", "--name", "student")
    assert taught.code == 0, taught.err


def test_the_audit_counts_texts_that_cues_make_too_long(recipe, cli):
    write("a,1,very very loud", "a,2,soft")
    found = cli("data", "check", recipe, "data.cues=cues.csv", "--json").out
    assert "only the beginning is read: 1 of 48 (a/1)" in found.replace("a 1", "a/1")
    assert "utterances without a row, and so without cues: 46 of 48" in found
    assert "every text is read to its end" in cli("data", "check", recipe, "--json").out


@pytest.mark.parametrize("verb", ["run", "extract"])
def test_a_part_that_reads_cues_needs_some(recipe, cli, verb):
    said = 'heard.toml: [features.text] hear: reads cues, but the data has none (set [data] cues = "cues.csv" to a file'
    cli(verb, recipe).check(2, said)
    write(*(f"{c},{u}," for c, u in ALL))
    cli(verb, recipe, "data.cues=cues.csv").check(2, said)
    assert cli(verb, recipe, "features.text.hear=false").code == 0


@pytest.mark.parametrize("verb", [("run",), ("extract",), ("data", "check")])
@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "cues.csv: cannot be read: No such file or directory"),
        ("", "cues.csv: is empty"),
        ("conversation,utterance,words\na,1,loud\n", "cues.csv, line 1: cues: there is no such column (a file of cues"),
        ("utterance,cues\n1,loud\n", "cues.csv, line 1: conversation: there is no such column"),
        ("conversation,utterance,cues\nx,1,loud\nx,2,loud\n", "has no row for any utterance: its first id is x/1"),
        ("conversation,utterance,cues\na,1,loud\na,1,low\n", "cues.csv, line 3: utterance '1' of conversation 'a' occ"),
        ("conversation,utterance,cues\na,1,loud,soft\n", "cues.csv, line 2: has 4 fields"),
        ('conversation,utterance,cues\na,1,"loud\n', "cues.csv, line 2: is not a CSV record"),
        ("conversation,utterance,cues\n", "contains no utterances"),
        (b"conversation,utterance,cues\na,1,\0\n", "is not a text file"),
    ],
)  # fmt: skip
def test_a_wrong_file_is_one_message(recipe, cli, verb, content, says):
    if content is not None:
        Path("cues.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    cli(*verb, recipe, "data.cues=cues.csv").check(2, f"heard.toml: [data] cues ..{says}")


def test_all_unknown_utterances_are_reported_at_once(recipe, cli):
    write("a,1,loud", "a,12,loud", "b,2,soft", "e,0,soft", "a,,x")
    ended = cli("run", recipe, "data.cues=cues.csv")
    assert ended.code == 2
    assert "cues.csv, line 6: utterance: is empty" in ended.err
    write("a,1,loud", "a,12,loud", "b,2,soft", "e,0,soft")
    lines = cli("run", recipe, "data.cues=cues.csv").errors
    assert [line.partition("[data] cues ")[2] for line in lines] == [
        "cues.csv, line 3: the corpus has no utterance a/12",
        "cues.csv, line 5: the corpus has no utterance e/0",
    ]


def test_letters_of_windows_are_read_with_a_warning(recipe, cli):
    rows = [f"{c},{u},fr\u00f6hlich" for c, u in ALL]
    Path("cues.csv").write_bytes("\n".join(["conversation,utterance,cues", *rows]).encode("cp1252"))
    ended = cli("extract", recipe, "data.cues=cues.csv")
    assert ended.code == 0
    assert "lines that are not UTF-8 were read as cp1252: 48" in ended.err


def test_utterances_that_the_corpus_leaves_out_may_have_cues(recipe):
    write_all()
    dataset = Table(root=Path("corpus"), labels={"x": ""})
    read = add_cues({"test": dataset.split("test")}, "cues.csv", dataset)
    assert read.value["test"][0].cues == tuple(f"pitch d, volume {n}" for n in range(1, 12, 2))


def test_simulated_data_has_no_cues(tiny_recipe, cli):
    write("train/0,0,loud")
    cli("run", tiny_recipe(data='cues = "cues.csv"')).check(
        2, "[data] cues: is set, but the data is simulated conversations in the shape of MELD (set data.root"
    )


def test_another_dataset_does_not_inherit_the_file(recipe, cli):
    recipe.write_text(recipe.read_text().replace('root = "corpus"', 'root = "corpus"\ncues = "cues.csv"'))
    assert "cues.csv" in cli("show", recipe).out
    assert "cues.csv" not in cli("show", recipe, "data.use=simulated").out


def test_features_in_the_cache_are_those_of_before_without_cues():
    said = Conversation("c", "train", ("0", "1"), ("A", "B"), ("one", "two"), {})
    before = sha256(json.dumps([["A", "one"], ["B", "two"]]).encode()).hexdigest()
    assert conversation_hash("text", said) == before
    assert conversation_hash("text", replace(said, cues=("", ""))) == before
    told = {
        conversation_hash("text", replace(said, cues=cues)) for cues in [("a", ""), ("", "a"), ("b", ""), ("A", "one")]
    }
    assert len(told | {before}) == 5
