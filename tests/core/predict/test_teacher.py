"""A frozen run as a teacher: its own answers reach the student's losses, row by row, and its sins are inherited."""

import csv
import json

import numpy as np
import pytest
import torch

from ercfw.data.collate import collate
from ercfw.data.load import read_dataset
from ercfw.experiment.plan import Selection, plan_jobs
from ercfw.experiment.run_all import load
from ercfw.recipe.overrides import parse_overrides
from ercfw.recipe.recipe_file import read_toml
from ercfw.system.terminal import Terminal

TEXT, AUDIO = 'data.modalities=["text"]', 'data.modalities=["audio"]'
TAUGHT = ("teacher.run=runs/tiny/base/seed-0", "loss.distillation.weight=2.0", AUDIO, "--out", "students")

PLUGIN = """\
from ercfw import hookimpl
from ercfw_basics.heads import LinearHead


class Mine(LinearHead):
    pass


@hookimpl
def provide_heads():
    return {"mine": Mine}
"""


@pytest.fixture
def teacher(cli, tiny_recipe, once, tmp_path):
    """A run that reads text alone."""
    recipe = tiny_recipe()

    def run():
        assert cli("run", recipe, TEXT, "train.epochs=3").code == 0

    once(run)
    return recipe, tmp_path / "runs/tiny/base/seed-0"


def load_taught(recipe, *overrides):
    (job,) = plan_jobs(read_toml(recipe), Selection(overrides=parse_overrides(overrides)))
    return load(job, *read_dataset(job.parts.dataset), Terminal(silent=True))


def test_the_student_gets_the_teacher_s_probabilities(teacher):
    recipe, folder = teacher
    data = load_taught(recipe, AUDIO, f"teacher.run={folder}")
    with (folder / "predictions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    for split in ("dev", "test"):
        said = [
            [float(v) for k, v in row.items() if k.startswith("emotion.p.")] for row in rows if row["split"] == split
        ]
        batch = collate(data.splits[split])
        assert batch.teacher["emotion"].softmax(-1).numpy() == pytest.approx(np.array(said), abs=1e-5)
        assert list(batch.inputs.streams) == ["audio"]
    assert collate(data.splits["train"]).teacher["emotion"].dtype == torch.float32


@pytest.mark.slow
def test_a_student_learns_from_it_and_its_report_says_so(cli, teacher, tmp_path):
    recipe, _ = teacher
    ended = cli("run", recipe, *TAUGHT, "train.epochs=30", "--json")
    assert ended.code == 0, ended.err
    folder = tmp_path / "students/tiny/base/seed-0"
    lines = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
    assert set(lines[0]["train_loss"]) == {"cross-entropy", "distillation"}
    assert lines[-1]["train_loss"]["distillation"] < 0.8 * lines[0]["train_loss"]["distillation"]
    assert "distillation" in (folder / "report.md").read_text()
    assert cli("predict", folder, "--help").code == 0


@pytest.mark.slow
def test_parts_of_a_batch_have_their_own_teacher(cli, teacher, tmp_path):
    recipe, _ = teacher
    found = []
    for parts in (1, 2):
        size = (f"train.accumulate={parts}", f"data.batch_size={4 // parts}")
        words = ("run", recipe, *TAUGHT[:-1], f"parts-{parts}", *size)
        assert cli(*words).code == 0
        line = (tmp_path / f"parts-{parts}/tiny/base/seed-0/history.jsonl").read_text().splitlines()[-1]
        found.append(json.loads(line)["train_loss"])
    assert found[0] == pytest.approx(found[1], rel=1e-5)


def test_a_changed_teacher_makes_another_run(cli, teacher):
    recipe, folder = teacher
    (one,), (none,) = (
        plan_jobs(read_toml(recipe), Selection(overrides=parse_overrides(words)))
        for words in ([f"teacher.run={folder}"], [f"teacher.run={folder}x"])
    )
    before = one.key
    (folder / "model.safetensors").write_bytes(b"other")
    assert len({before, one.key, none.key}) == 3


def test_what_a_teacher_may_not_be(cli, teacher, tmp_path):
    recipe, folder = teacher
    cli("run", recipe, "teacher.run=nowhere", "loss.distillation.weight=1").check(2, "nowhere: holds no trained model")
    cli("run", recipe, "loss.distillation.weight=1").check(2, "[loss.distillation]: needs a teacher, but there is none")
    cli("run", recipe, f"teacher.run={folder}", "teacher.rn=1").check(2, "[teacher] rn: there is no such key..run")
    table = tmp_path / "utterances.csv"
    rows = [f"{c},{u},{split},A,x,{'ab'[u % 2]}" for c, split in enumerate(["train", "dev", "test"]) for u in range(4)]
    table.write_text("\n".join(["conversation,utterance,split,speaker,text,label", *rows]) + "\n")
    np.save(tmp_path / "audio.npy", np.ones((12, 6), "f4"))
    other = ("data.use=table", f"data.root={tmp_path}", "features.audio.fitted_on=nothing")
    cli("run", recipe, *TAUGHT, *other).check(2, "[teacher] run..has other classes of 'emotion': neutral")


def test_a_teacher_s_plugin_files_run_only_when_they_may(cli, tiny_recipe, plugin_file):
    plugin_file(PLUGIN)
    recipe = tiny_recipe()
    own = ('plugins=["./mine.py"]', "head.emotion.use=mine", TEXT)
    assert cli("run", recipe, *own).code == 0
    cli("run", recipe, *TAUGHT).check(2, "needs plugin file..plugin_files = true in a recipe's table allows them")
    assert cli("run", recipe, *TAUGHT, "teacher.plugin_files=true").code == 0
    forbidden = cli("run", recipe, *TAUGHT, "teacher.plugin_files=true", "--no-plugin-files")
    forbidden.check(2, "[teacher] plugin_files: is true, but --no-plugin-files forbids it")


def test_a_teacher_that_nobody_reads_is_reported(cli, teacher):
    recipe, folder = teacher
    ended = cli("run", recipe, f"teacher.run={folder}", "--out", "students")
    assert ended.code == 0
    assert "[teacher] has no effect: no loss reads it" in ended.err


def test_stamps_are_inherited(cli, tiny_recipe):
    recipe = tiny_recipe()
    assert cli("run", recipe, TEXT, "train.protocol=release").code == 0
    ended = cli("run", recipe, *TAUGHT, "--json")
    ended.check(2, "was trained on..conversations of this run's dev")
