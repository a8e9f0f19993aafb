"""Runs with every kind of part of a training are killed at random moments, and end in the same bits when resumed."""

import random
import shutil
import time

import pytest

from tests import forked
from tests.promises.test_kills import kill, left

KILLS = 10
EVERYTHING = {
    "ema": "[callback.ema]\ndecay = 0.9",
    "swa": "[callback.swa]\nfrom_epoch = 3",
    "sam": "[callback.sam]",
    "early-stopping": '[callback.early-stopping]\npatience = 4\nscore = "loss"',
    "freeze": '[callback.freeze]\nparts = ["encoder.text"]\nuntil = 3',
    "gradient-noise": "[callback.gradient-noise]",
    "fgm": '[callback.fgm]\nstreams = ["text"]',
    "modality-dropout": "[callback.modality-dropout]",
    "balanced": '[train.sampler]\nuse = "balanced"',
    "curriculum": '[train.sampler]\nuse = "curriculum"\nby = "loss"\nbuckets = 3',
    "optimizer": '[train.optimizer]\nuse = "nadam"\nbetas = [0.8, 0.9]',
    "schedule by steps": '[train.schedule]\nuse = "onecyclelr"\nmax_lr = 0.05',
    "schedule by losses": '[train.schedule]\nuse = "reducelronplateau"\npatience = 0\nthreshold = 0.5',
}


@pytest.mark.slow
@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("name", EVERYTHING)
def test_killed_at_ten_random_moments(name, tiny_recipe, tmp_path, processes):
    recipe = tiny_recipe(f"save_seconds = 0\nclip = 1.0\n{EVERYTHING[name]}")
    recipe.write_text(recipe.read_text().replace("width = 8\n\n", "width = 8\ndropout = 0.3\n\n"))
    words = ["run", str(recipe), "train.epochs=6", "--resume", "--out"]
    for out in ("whole", "again"):  # the first time includes the server's imports
        began = time.monotonic()
        running = forked.start_world(processes, *words, out)
        for process in running:
            process.join(timeout=60)
        assert [process.exitcode for process in running] == [0] * processes
        lasted = time.monotonic() - began
    whole, folder = left(tmp_path / "whole/tiny/base/seed-0"), tmp_path / "killed/tiny/base/seed-0"
    moments, kills, in_training = random.Random(name), 0, 0
    while kills < KILLS or folder.exists():
        running = forked.start_world(processes, *words, "killed")
        if kills < KILLS:
            if kills % 2:
                wait_for_checkpoint(folder, running)
            time.sleep(moments.uniform(0, lasted / 2 if kills % 2 else lasted))
            victim = moments.choice(running)
            kills += victim.is_alive()
            lasted *= 1.0 if victim.is_alive() else 0.8  # the machine was busy when it was measured
            kill(victim, [process for process in running if process is not victim])
        for process in running:
            process.join(timeout=60)
        in_training += (folder / "state.safetensors").exists()
        if (folder / "metrics.json").exists():
            assert left(folder) == whole
            shutil.rmtree(folder)
    assert in_training >= KILLS // 4


def wait_for_checkpoint(folder, running):
    while not (folder / "state.safetensors").exists() and any(process.is_alive() for process in running):
        time.sleep(0.005)
