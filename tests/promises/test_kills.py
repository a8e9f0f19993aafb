"""A run that is killed at random moments and resumed ends in the same bits as one that was never stopped."""

import json
import random
import shutil
import time

import pytest

from tests import forked

MORE = 'save_seconds = 0\nschedule = "plateau"\nplateau_patience = 0\nclip = 1.0'
KILLS = 20


def kill(victim, others):
    """As torchrun: the others are asked to end, and killed where they wait for the victim without hearing it."""
    victim.kill()
    for process in others:
        process.terminate()
        process.join(timeout=0.5)
        process.kill()


def left(folder):
    lines = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
    metrics = json.loads((folder / "metrics.json").read_text())
    for changing in (*lines, metrics):
        changing.pop("seconds")
    metrics.pop("folder")
    metrics.pop("peak_memory")
    files = {name: (folder / name).read_bytes() for name in ("model.safetensors", "predictions.csv", "recipe.toml")}
    return lines, metrics, files


@pytest.mark.slow
@pytest.mark.parametrize("processes", [1, 2])
def test_killed_at_twenty_random_moments(tiny_recipe, tmp_path, processes):
    """A run that ends before it has been killed often enough is compared too, and begun again."""
    recipe = tiny_recipe(MORE)
    recipe.write_text(recipe.read_text().replace("width = 8\n\n", "width = 8\ndropout = 0.3\n\n"))
    words = ["run", str(recipe), "train.epochs=8", "--resume", "--out"]
    for out in ("whole", "again"):  # the first time includes the server's imports
        began = time.monotonic()
        running = forked.start_world(processes, *words, out)
        for process in running:
            process.join(timeout=60)
        assert [process.exitcode for process in running] == [0] * processes
        lasted = time.monotonic() - began
    whole, folder = left(tmp_path / "whole/tiny/base/seed-0"), tmp_path / "killed/tiny/base/seed-0"

    moments, kills, in_training = random.Random(0), 0, 0
    while kills < KILLS or folder.exists():
        running = forked.start_world(processes, *words, "killed")
        if kills < KILLS:
            time.sleep(moments.uniform(0, lasted))
            victim = moments.choice(running)
            kills += victim.is_alive()
            kill(victim, [process for process in running if process is not victim])
        for process in running:
            process.join(timeout=60)
        in_training += (folder / "state.safetensors").exists()
        if (folder / "metrics.json").exists():
            assert left(folder) == whole
            shutil.rmtree(folder)
    assert in_training >= KILLS // 4
