"""Several runs as teachers, and what they return beside logits."""

import json
from dataclasses import replace
from pathlib import Path

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
from ercfw.training.made_up_teachers import teacher_widths

TEXT, AUDIO = 'data.modalities=["text"]', 'data.modalities=["audio"]'
TWO = 'teacher.run=["text/tiny/base/seed-0", "sound/tiny/base/seed-0"]'
RUNS = ("text/tiny/base/seed-0", "sound/tiny/base/seed-0")
FEATURES, RELATIONS = "loss.feature-distillation={}", "loss.relation-distillation={}"
OF_VIEWS = """\
from ercfw import Loss, hookimpl

class OfViews(Loss):
    requires = ("teacher.views", "views")

    def forward(self, outputs, targets):
        total = 0.0
        for teacher in outputs.teachers.values():
            for name, view in teacher.views.items():
                here = (teacher.present[name] & outputs.present["audio"]).unsqueeze(-1)
                total = total + ((view.mean() - outputs.views["audio"]) * here).square().mean()
        return total

class Late(Loss):
    def __init__(self, target, info):
        super().__init__(target, info)
        self.requires = ("teacher.embedding",)

    def forward(self, outputs, targets):
        return outputs.heads[self.target].logits.sum()

@hookimpl
def provide_losses():
    return {"of-views": OfViews, "late": Late}
"""


@pytest.fixture
def recipe(cli, tiny_recipe, once):
    """Two finished runs, one of text and one of sound, and the student's recipe."""
    path = tiny_recipe()

    def run():
        assert cli("run", path, TEXT, "--out", "text", "head.emotion.use=mlp", "head.emotion.hidden=5").code == 0
        assert cli("run", path, AUDIO, "--out", "sound", "seeds=[0, 1]").code == 0

    once(run)
    return path


def job_of(recipe, *words):
    (job,) = plan_jobs(read_toml(recipe), Selection(overrides=parse_overrides((AUDIO, *words))))
    return job


def loaded(recipe, *words):
    job = job_of(recipe, *words)
    return load(job, *read_dataset(job.parts.dataset), Terminal(silent=True))


def test_the_mean_of_several_runs_is_that_of_their_probabilities(recipe):
    both = loaded(recipe, TWO, "loss.distillation={}")
    alone = [loaded(recipe, f"teacher.run={run}", "loss.distillation={}") for run in RUNS]
    for split, conversations in both.splits.items():
        batch, single = collate(conversations), [collate(each.splits[split]) for each in alone]
        probabilities = [torch.softmax(x.teacher["emotion"].double(), -1) for x in single]
        wanted = torch.stack(probabilities).mean(0).log()
        torch.testing.assert_close(batch.teacher["emotion"].double(), wanted, rtol=0, atol=1e-6)
        for run, x in zip(RUNS, single, strict=True):
            assert torch.equal(batch.teachers[run].logits["emotion"], x.teacher["emotion"])
            assert x.teachers[run].logits["emotion"].equal(x.teacher["emotion"])
            assert not batch.teachers[run].embeddings
            assert not batch.teachers[run].views


@pytest.mark.parametrize(
    ("kind", "meaning", "back"),
    [
        ("classes", lambda x: torch.softmax(x, -1), lambda p: p.log()),
        ("multilabel", torch.sigmoid, torch.logit),
        ("regression", lambda x: x, lambda x: x),
    ],
)
def test_the_mean_of_each_kind_of_target(kind, meaning, back):
    from ercfw.predict.teacher import _mean

    logits = [4 * np.random.default_rng(seed).normal(size=(6, 3)).astype(np.float32) for seed in range(3)]
    wanted = back(torch.stack([meaning(torch.from_numpy(x).double()) for x in logits]).mean(0))
    torch.testing.assert_close(torch.from_numpy(_mean(kind, logits)).double(), wanted, rtol=1e-6, atol=1e-6)
    assert _mean(kind, logits[:1]) is logits[0]


def test_embeddings_and_views_are_there_if_a_loss_requires_them(recipe, plugin_file):
    plugin_file(OF_VIEWS)
    features = loaded(recipe, TWO, FEATURES)
    (first, second) = collate(features.splits["train"]).teachers.values()
    assert (first.embeddings["emotion"].shape[1], second.embeddings["emotion"].shape[1]) == (5, 8)
    assert not first.views
    views = loaded(recipe, TWO, "plugins=['./mine.py']", "loss.of-views={}")
    batch = collate(views.splits["dev"])
    (first, second) = batch.teachers.values()
    assert (set(first.views), set(second.views)) == ({"text"}, {"audio"})
    assert first.present["text"].shape == first.views["text"].shape[:1] == (len(batch.ids),)
    assert not first.embeddings


def test_a_mlp_s_embedding_leads_to_its_logits(recipe):
    """The embedding of each row is that of the row's own utterance."""
    from ercfw.predict.saved_run import read_run
    from ercfw.registry.trust import PluginFiles

    data = loaded(recipe, TWO, FEATURES)
    head = read_run(Path(RUNS[0]), PluginFiles.TRUSTED).network.cpu().heads["emotion"]
    for conversation in data.splits["test"]:
        teacher = conversation.teachers[RUNS[0]]
        embedding = torch.from_numpy(np.array(teacher.embeddings["emotion"]))
        given = embedding @ head.linear.weight.T + head.linear.bias
        torch.testing.assert_close(given, torch.from_numpy(np.array(teacher.logits["emotion"])), atol=1e-5, rtol=1e-5)


def test_a_conversation_is_cut_with_its_teachers(recipe):
    conversation = loaded(recipe, TWO, FEATURES).splits["train"][0]
    cut = conversation.only(slice(1, 3))
    for run in RUNS:
        whole = conversation.teachers[run].embeddings["emotion"]
        assert np.array_equal(cut.teachers[run].embeddings["emotion"], whole[1:3])
    widths = teacher_widths(conversation)
    assert [widths[run].embeddings for run in RUNS] == [{"emotion": 5}, {"emotion": 8}]


def test_variants_whose_losses_ask_for_more_read_their_own_data(recipe):
    keys = {job_of(recipe, TWO, loss).shared_data for loss in ("loss.distillation={}", FEATURES, RELATIONS)}
    assert len(keys) == 2


@pytest.mark.slow
def test_a_student_learns_from_both_in_parts_as_at_once(cli, recipe, tmp_path):
    lines = []
    for parts in (1, 2):
        size = (f"train.accumulate={parts}", f"data.batch_size={4 // parts}")
        words = ("run", recipe, AUDIO, TWO, "loss.distillation={}", FEATURES, RELATIONS, *size)
        ended = cli(*words, "train.epochs=3", "--out", f"parts-{parts}")
        assert ended.code == 0, ended.err
        assert "has no effect" not in ended.err
        history = (tmp_path / f"parts-{parts}/tiny/base/seed-0/history.jsonl").read_text().splitlines()
        lines.append([json.loads(line)["train_loss"] for line in history])
    for one, other in zip(*lines, strict=True):
        assert one == pytest.approx(other, rel=1e-4)
    for loss in ("feature-distillation", "relation-distillation"):
        assert lines[0][-1][loss] < lines[0][0][loss]


def test_every_teacher_makes_another_run(recipe, tmp_path):
    before = job_of(recipe, TWO).key
    assert job_of(recipe, "teacher.run=" + json.dumps([RUNS[0]])).key != before
    assert job_of(recipe, f"teacher.run={RUNS[0]}").key != before
    (tmp_path / RUNS[1] / "model.safetensors").write_bytes(b"other")
    assert job_of(recipe, TWO).key != before


def test_validate_needs_no_run(cli, recipe):
    words = ("teacher.run=['gone', 'lost']", "loss.distillation={}", FEATURES, RELATIONS)
    ended = cli("validate", recipe, *words)
    assert ended.code == 0
    assert "the widths of the teachers' embeddings and views" in ended.out + ended.err
    logits_only = cli("validate", recipe, *words[:2])
    assert "the widths of the teachers" not in logits_only.out + logits_only.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("teacher.run=[]",), "[teacher] run: should be..a list of at least 1"),
        (("teacher.run=3",), "[teacher] run: should be"),
        (("teacher.run=['a', 'b', 'a']",), "[teacher] run: lists a run twice"),
        (("teacher.run=['text/tiny/base/seed-0', 'gone']",), "gone: holds no trained model"),
        (
            (TWO, "loss.late={}"),
            "[loss.late]: needs 'teacher.embedding', which the teacher does not have..listed in",
        ),
        ((FEATURES,), "[loss.feature-distillation]: needs a teacher, but there is none..[teacher] run"),
    ],
)
def test_what_several_teachers_may_not_be(words, message, cli, recipe, plugin_file):
    plugin_file(OF_VIEWS)
    cli("run", recipe, AUDIO, "plugins=['./mine.py']", *words).check(2, message)


def test_each_run_is_checked_and_named(cli, recipe, tmp_path):
    assert cli("run", recipe, AUDIO, "train.protocol=release", "--out", "late").code == 0
    late = "teacher.run=['text/tiny/base/seed-0', 'late/tiny/base/seed-0']"
    cli("run", recipe, AUDIO, late, FEATURES).check(
        2, "[teacher] run: late/tiny/base/seed-0 was trained on..conversations of this run's dev"
    )


def test_stamps_of_each_run_are_inherited(recipe, monkeypatch):
    from ercfw.predict import teacher

    def stamped(path, policy):
        return replace(read(path, policy), stamps=(f"FROM {path.parts[0].upper()}",))

    read = teacher.read_run
    monkeypatch.setattr(teacher, "read_run", stamped)
    stamps = loaded(recipe, TWO, FEATURES).stamps
    assert stamps[-2:] == ("FROM TEXT", "FROM SOUND")
