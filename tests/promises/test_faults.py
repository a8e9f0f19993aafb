"""What goes wrong around a run: a full disk, a folder that goes, two runs in one place, too little memory."""

import json
import signal
import time
import weakref
from pathlib import Path

import pytest

from ercfw.results.model_file import load_model
from ercfw.system.out_of_memory import BatchParts
from tests import forked

AFTER_AN_EPOCH = """
import os, shutil, time
from pathlib import Path
from ercfw import hookimpl

@hookimpl
def epoch_finished(folder, epoch):
    if epoch["epoch"] == 2:
        {what}
"""
PLUGIN = 'plugins = ["./mine.py"]\n'


def test_a_folder_that_is_removed_is_said_and_not_half_made_anew(cli, tiny_recipe, plugin_file, tmp_path):
    plugin_file(AFTER_AN_EPOCH.format(what="shutil.rmtree(folder)"))
    ended = cli("run", tiny_recipe(top=PLUGIN), "train.epochs=3")
    ended.check(1, "seed-0: ..was removed during the run")
    assert not (tmp_path / "runs/tiny/base/seed-0").exists()


@pytest.mark.slow
def test_a_full_disk_is_said_and_the_state_before_it_serves(cli, tiny_recipe, plugin_file, tmp_path):
    """A limit on the size of files stands for the disk: from the second epoch on nothing more is written whole."""
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))"
    plugin_file(AFTER_AN_EPOCH.format(what=limit))
    recipe = tiny_recipe("save_seconds = 0", top=PLUGIN)
    code, said = forked.run("run", recipe, "train.epochs=4", "--quiet")
    assert code == 1
    (error,) = [line for line in said.splitlines() if line.startswith("error: ")]
    assert "cannot be written: " in error
    assert "Traceback" not in said
    plugin_file(AFTER_AN_EPOCH.format(what="pass"))
    ended = cli("run", recipe, "train.epochs=4", "--resume", "--out", "runs")
    assert ended.code == 0


@pytest.mark.slow
def test_two_runs_in_one_folder(cli, tiny_recipe, plugin_file, tmp_path):
    """The first one waits for a file after its second epoch; a run in another folder is free to go."""
    plugin_file(AFTER_AN_EPOCH.format(what='[time.sleep(0.05) for _ in range(2000) if not Path("go").exists()]'))
    recipe = tiny_recipe(top=PLUGIN)
    words = ("run", recipe, "train.epochs=3")
    first = forked.start(*words, said="said")
    history = tmp_path / "runs/tiny/base/seed-0/history.jsonl"
    while not history.exists() or len(history.read_text().splitlines()) < 2:
        assert first.is_alive(), Path("said").read_text()
        time.sleep(0.05)
    for manner in ((), ("--resume",), ("--force",)):
        cli(*words, *manner).check(2, "seed-0: another process is running in this folder (wait for it..--out")
    Path("go").touch()
    first.join(timeout=60)
    assert first.exitcode == 0
    assert cli(*words).err.count("done before") == 1
    assert not list((tmp_path / "runs/tiny/base/seed-0").glob(".*"))


@pytest.mark.slow
def test_who_is_killed_leaves_nothing_shut(cli, tiny_recipe, plugin_file):
    plugin_file(AFTER_AN_EPOCH.format(what="import signal; os.kill(os.getpid(), signal.SIGKILL)"))
    recipe = tiny_recipe("save_seconds = 0", top=PLUGIN)
    code, _ = forked.run("run", recipe, "train.epochs=3")
    assert code == -signal.SIGKILL
    plugin_file(AFTER_AN_EPOCH.format(what="pass"))
    assert cli("run", recipe, "train.epochs=3", "--force").code == 0


HUNGRY = """
import torch
from ercfw import Context, hookimpl

class Hungry(Context):
    def __init__(self, dim, info):
        super().__init__(dim, info)
        self.out_dim = dim

    def forward(self, x, inputs):
        if torch.is_grad_enabled() and len(inputs.layout.sizes) > {most}:
            {what}
        return x

@hookimpl
def provide_contexts():
    return {{"hungry": Hungry}}
"""
COUPLED = ("train.epochs=2", "data.batch_size=8", "loss.supcon={}", "loss.swfc={}", "context.joint.use=hungry")
NO_MORE = 'raise torch.OutOfMemoryError("CUDA out of memory.")'


def read(folder):
    history = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
    return history, json.loads((folder / "metrics.json").read_text())


def test_out_of_memory_is_one_message(cli, tiny_recipe, plugin_file):
    plugin_file(HUNGRY.format(most=4, what=NO_MORE))
    ended = cli("run", tiny_recipe(top=PLUGIN), *COUPLED)
    ended.check(1, "seed-0: epoch 1, batch 1: out of memory (set train.on_out_of_memory = ..data.batch_size")


def test_halved_batches_give_the_whole_ones_result(cli, tiny_recipe, plugin_file, tmp_path):
    recipe = tiny_recipe(top=PLUGIN)
    plugin_file(HUNGRY.format(most=3, what=NO_MORE))
    halved = cli("run", recipe, *COUPLED, "train.on_out_of_memory=halve", "--out", "halved")
    assert halved.code == 0, halved.err
    assert halved.err.count("out of memory: from now on each batch is run in 2 parts") == 1
    assert halved.err.count("out of memory: from now on each batch is run in 4 parts") == 1
    plugin_file(HUNGRY.format(most=99, what=NO_MORE))
    assert cli("run", recipe, *COUPLED, "--out", "whole").code == 0
    ours, metrics = read(tmp_path / "halved/tiny/base/seed-0")
    theirs, _ = read(tmp_path / "whole/tiny/base/seed-0")
    assert any("4 parts" in note for note in metrics["notes"])
    for mine, other in zip(ours, theirs, strict=True):
        for kind in ("train_loss", "watched_loss"):
            assert mine[kind] == pytest.approx(other[kind], abs=1e-5)


COUNTING = """
import torch
from ercfw import Context, hookimpl

class Counting(Context):
    def __init__(self, dim, info):
        super().__init__(dim, info)
        self.out_dim = dim
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, x, inputs):
        if self.training:
            self.seen += 1
        return x * (1 + self.seen)

@hookimpl
def provide_contexts():
    return {"counting": Counting}
"""


def test_a_part_with_a_state_of_its_own_meets_it_the_same_in_both_passes(cli, tiny_recipe, plugin_file, tmp_path):
    """Its state moves on once a part: after two epochs of two steps in two parts it has counted eight."""
    plugin_file(COUNTING)
    words = ("train.epochs=2", "data.batch_size=4", "train.accumulate=2", "context.joint.use=counting")
    assert cli("run", tiny_recipe(top=PLUGIN), *words).code == 0
    weights, *_ = load_model(tmp_path / "runs/tiny/base/seed-0/model.safetensors")
    _, metrics = read(tmp_path / "runs/tiny/base/seed-0")
    assert weights["joint_context.seen"].item() == 4 * metrics["best_epoch"]


def test_memory_that_runs_out_while_a_batch_is_made(cli, tiny_recipe, monkeypatch):
    from ercfw.training import loop as train

    def full(conversations, rank, processes, parts):
        if parts < 2:
            raise MemoryError
        return share(conversations, rank, processes, parts)

    share = train.take_share
    monkeypatch.setattr(train, "take_share", full)
    cli("run", tiny_recipe()).check(1, "epoch 1, batch 1: out of memory (..on_out_of_memory")
    assert cli("run", tiny_recipe(), "train.on_out_of_memory=halve").code == 0


def test_one_conversation_that_does_not_fit_ends_it(cli, tiny_recipe, plugin_file):
    plugin_file(HUNGRY.format(most=0, what=NO_MORE))
    ended = cli("run", tiny_recipe(top=PLUGIN), *COUPLED, "train.on_out_of_memory=halve")
    ended.check(1, "out of memory, even with one conversation at a time")


REALLY = """
import resource, torch
from ercfw import Context, hookimpl

def may_take(more):
    used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    if resource.getrlimit(resource.RLIMIT_AS)[0] == resource.RLIM_INFINITY:
        resource.setrlimit(resource.RLIMIT_AS, (used + more, used + more))

class Hungry(Context):
    def __init__(self, dim, info):
        super().__init__(dim, info)
        self.out_dim = dim

    def forward(self, x, inputs):
        if torch.is_grad_enabled():
            may_take(1500 * 2**20)
            return x + 0 * torch.empty(len(inputs.layout.sizes), 2**26).numel()  # 256 MiB a conversation
        return x

@hookimpl
def provide_contexts():
    return {"hungry": Hungry}
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads its memory where Linux shows it")
def test_a_host_that_is_really_out_of_memory(tiny_recipe, plugin_file):
    """The process may take 1.5 GiB more than it has: eight conversations ask for 2, four of them for 1."""
    plugin_file(REALLY)
    words = ("run", tiny_recipe(top=PLUGIN), *COUPLED[:2], COUPLED[-1])
    for manner, code, expected in (
        ("stop", 1, "batch 1: out of memory (set train.on_out_of_memory"),
        ("halve", 0, "each batch is run in 2 parts"),
    ):
        ended, said = forked.run(*words, f"train.on_out_of_memory={manner}")
        assert ended == code, said
        assert expected in said
        assert "Traceback" not in said


def test_other_errors_are_not_taken_for_a_lack_of_memory():
    def fails():
        raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes do not match"):
        BatchParts(1, 8, halve=True).run(fails, print)


class Big:
    """Stands for what an attempt had made."""


def test_a_failed_attempt_holds_nothing_when_the_next_one_begins():
    made = []

    def attempt():
        assert not [big for big in made if big() is not None]
        big = Big()
        made.append(weakref.ref(big))
        if len(made) < 3:
            raise MemoryError
        return "done"

    reported = []
    assert BatchParts(1, 8, halve=True).run(attempt, reported.append) == "done"
    assert [text.split()[-6] for text in reported] == ["2", "4"]
