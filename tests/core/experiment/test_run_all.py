"""Whole experiments: every variant of the MultiEMO recipes trains, and its rows do not depend on their batch."""

import json
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tomlkit
import torch

from ercfw.contract.conversation import Conversation, ConversationStream
from ercfw.data.collate import collate
from ercfw.data.load import load_data, make_dataset
from ercfw.data.train_statistics import make_data_info
from ercfw.experiment.plan import Selection, plan_jobs
from ercfw.experiment.run_all import make_accelerator
from ercfw.model.build import build_model
from ercfw.model.losses import build_losses
from ercfw.recipe.recipe_file import read_toml
from ercfw.training.dry_run import dry_run
from ercfw.training.loop import fit
from ercfw.training.protocol import watched_splits
from ercfw.training.seeds import seed_everything
from ercfw.training.start import start
from ercfw.training.state import Listeners, Plan

RECIPES = sorted((Path(__file__).resolve().parents[3] / "recipes").glob("*.toml"))
SMALL = {"width": 8, "hidden": 8, "ffn": 8, "layers": 2, "epochs": 1, "batch_size": 3}


def is_multiemo(path):
    return "multiattn" in path.read_text(encoding="utf-8")


def variants():
    for path in filter(is_multiemo, RECIPES):
        for name in ("base", *(v["name"] for v in tomllib.loads(path.read_text(encoding="utf-8")).get("variant", ()))):
            yield pytest.param(path, name, id=f"{path.stem}, {name}")


def shrink(tables):
    return {k: shrink(v) if isinstance(v, dict) else SMALL.get(k, v) for k, v in tables.items()}


def small_job(path, variant, folder):
    """The job of a variant on a dozen simulated conversations, its parts made narrow."""
    (job,) = plan_jobs(read_toml(path), Selection(variants=[variant]))
    tables = shrink(job.tables)
    tables["data"] = {
        **{key: value for key, value in tables["data"].items() if key == "targets"},
        "use": "simulated",
        "modalities": tables["data"]["modalities"],
        "batch_size": SMALL["batch_size"],
        "conversations": 12,
        "widths": dict.fromkeys(["text", "audio", "visual"], 8),
    }
    tables.pop("features", None)
    tables["train"].pop("init_from", None)
    small = folder / "small.toml"
    small.write_text(tomlkit.dumps(tables), encoding="utf-8")
    (job,) = plan_jobs(read_toml(small), Selection())
    return job, load_data(job.recipe, job.parts.extractors, make_dataset(job.parts.dataset), lambda *_: None)


def first_of(conversation, size):
    """The same conversation, cut after some utterances."""
    return replace(
        conversation,
        utterances=conversation.utterances[:size],
        speakers=conversation.speakers[:size],
        texts=conversation.texts[:size],
        labels={name: y[:size] for name, y in conversation.labels.items()},
        streams={m: ConversationStream(s.values[:size], s.present[:size]) for m, s in conversation.streams.items()},
    )


@pytest.mark.slow
@pytest.mark.parametrize(("path", "variant"), list(variants()))
def test_a_variant_trains_an_epoch_with_all_its_losses(path, variant, tmp_path):
    job, data = small_job(path, variant, tmp_path)
    seed_everything(0)
    model = build_model(job.parts.network, make_data_info(data.splits["train"], data.targets))
    losses = build_losses(job.recipe, job.parts.losses, make_data_info(data.splits["train"], data.targets))
    notes = dry_run(model, losses, make_data_info(data.splits["train"], data.targets))
    watched = watched_splits(job.recipe.train.protocol, data.splits, "emotion", 0)
    train = [*watched.train, first_of(watched.train[0], 1)]
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    plan = Plan(
        settings=job.recipe.train,
        watched=replace(watched, train=train),
        batch_size=1,
        select="emotion.accuracy",
        metrics={"accuracy": lambda true, p, classes: float((p.argmax(1) == true).mean())},
        info=make_data_info(data.splits["train"], data.targets),
        seed=0,
        state=tmp_path / "state",
        parts=job.parts.training,
    )
    lines = []
    fit(start(make_accelerator([job.recipe]), model, losses, plan), plan, Listeners(epoch=lines.append))
    (line,) = lines
    assert line["train_loss"].keys() == job.recipe.loss.keys()
    for name, value in line["train_loss"].items():
        assert np.isfinite(value)
        idle = any(note.startswith(f"[loss.{name}] has no effect") for note in notes)
        assert (value == 0) == idle, f"{name}: {value}"
    still = [name for name, p in model.named_parameters() if torch.equal(p, before[name])]
    assert not still, "every parameter learns"


def logits(model, conversations):
    with torch.no_grad():
        batch = collate(conversations)
        found = model(batch.inputs).heads["emotion"].logits
    return dict(zip(batch.ids, found, strict=True))


def without_some(conversation, number):
    """Now and then a modality is absent, and once all of them are."""
    streams = {}
    for place, (name, stream) in enumerate(conversation.streams.items()):
        present = (np.arange(len(conversation)) + place + number) % 4 != 0
        if number == 1:
            present[0] = False
        values = np.where(present[:, None], stream.values, 0).astype(np.float32)
        streams[name] = ConversationStream(values, present)
    return conversation.with_streams(streams)


def rebuilt(conversation):
    """A neighbour of other content and length."""
    longer = [*conversation.utterances, "more"]
    streams = {
        m: ConversationStream(np.concatenate([-3 * s.values, s.values[:1]]), np.ones(len(longer), bool))
        for m, s in conversation.streams.items()
    }
    return Conversation(
        "another", "train", tuple(longer), tuple(map(str, range(len(longer)))), ("",) * len(longer),
        {name: np.zeros(len(longer), np.int64) for name in conversation.labels}, streams,
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("path", [pytest.param(p, id=p.stem) for p in RECIPES if is_multiemo(p)])
def test_the_logits_of_an_utterance_do_not_depend_on_its_batch(path, tmp_path):
    job, data = small_job(path, "base", tmp_path)
    seed_everything(1)
    model = build_model(job.parts.network, make_data_info(data.splits["train"], data.targets)).eval()
    conversations = [without_some(c, n) for n, c in enumerate(data.splits["train"])]
    conversations.append(replace(first_of(conversations[0], 1), id="one utterance"))
    together = logits(model, conversations)
    others = {
        "alone": {k: v for c in conversations for k, v in logits(model, [c]).items()},
        "reversed": logits(model, conversations[::-1]),
        "beside another": logits(model, [conversations[0], rebuilt(conversations[1])]),
    }
    for how, found in others.items():
        for id in found.keys() & together.keys():
            torch.testing.assert_close(found[id], together[id], atol=1e-5, rtol=1e-5, msg=f"{how}: {id}")
    assert max((a - b).abs().max() for a, b in zip(together.values(), [*together.values()][1:], strict=False)) > 1e-3


def test_variants_and_seeds_are_run_in_order_and_each_is_left(cli, tiny_recipe, tmp_path):
    path = tiny_recipe('[[variant]]\nname = "only text"\nset = { data = { modalities = ["text"] } }')
    ended = cli("run", path, "--variant", "base", "--variant", "only text", "--seeds", "2", "--json")
    assert ended.code == 0, ended.err
    results = json.loads(ended.out)
    assert [(r["variant"], r["seed"]) for r in results] == [
        ("base", 0),
        ("base", 1),
        ("only text", 0),
        ("only text", 1),
    ]
    for result in results:
        assert json.loads((tmp_path / result["folder"] / "metrics.json").read_text()) == result
    assert set(results[0]["streams"]) == {"text", "audio"}
    assert set(results[2]["streams"]) == {"text"}


def test_a_run_can_be_run_again_from_what_it_left(cli, tiny_recipe, plugin_file, tmp_path):
    """``report.md`` names the command: the resolved recipe, with a copy of its plugin files, gives the same numbers."""
    plugin = plugin_file(
        "from ercfw import hookimpl\n@hookimpl\ndef provide_metrics():\n    return {'half': lambda *_: 0.5}\n"
    )
    recipe = tiny_recipe("", top='plugins = ["./mine.py"]\n')
    assert cli("run", recipe, "train.epochs=2", "--seeds", "4,").code == 0
    folder = tmp_path / "runs/tiny/base/seed-4"
    report = (folder / "report.md").read_text()
    (again,) = [line for line in report.splitlines() if line.startswith("ercfw run")]
    plugin.unlink()
    recipe.unlink()
    ended = cli(*again.split()[1:], "--out", "again", "--json")
    assert ended.code == 0, ended.err
    (found,) = json.loads(ended.out)
    first = json.loads((folder / "metrics.json").read_text())
    assert (found["scores"], found["seed"]) == (first["scores"], 4)
    weights = (folder / "model.safetensors", tmp_path / found["folder"] / "model.safetensors")
    assert weights[0].read_bytes()[-500:] == weights[1].read_bytes()[-500:]


NETWORKS = """
import weakref
from ercfw import Context, hookimpl

class Counted(Context):
    alive = weakref.WeakSet()

    def __init__(self, dim, info):
        super().__init__(dim, info)
        self.out_dim = dim
        Counted.alive.add(self)

    def forward(self, x, inputs):
        return x

@hookimpl
def run_finished(folder, metrics):
    import gc
    gc.collect()
    print("alive:", len(Counted.alive))

@hookimpl
def provide_contexts():
    return {"counted": Counted}
"""


@pytest.mark.slow
def test_a_run_leaves_no_network_behind(cli, tiny_recipe, plugin_file):
    plugin_file(NETWORKS)
    recipe = tiny_recipe(top='plugins = ["./mine.py"]\n')
    ended = cli("run", recipe, "context.joint.use=counted", "--seeds", "4", "--quiet")
    assert ended.code == 0
    alive = [int(line.split()[1]) for line in ended.out.splitlines() if line.startswith("alive: ")]
    assert len(alive) == 4
    assert alive[-1] == alive[0]
