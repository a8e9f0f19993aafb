"""A corpus is mapped, not loaded: the memory of a process that reads all of it does not grow by its files."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ercfw import FeatureTable

CONVERSATIONS, UTTERANCES, WIDTH = 1000, 10, 2_500

RECIPE = """
schema = 1
title = "Large"
[data]
use = "table"
root = "."
modalities = ["text", "audio"]
batch_size = 20
[features.default]
fitted_on = "nothing"
[encoder.default]
use = "linear"
[fusion]
use = "concat"
[head.emotion]
use = "linear"
[loss.cross-entropy]
[train]
epochs = 1
"""

READER = """
import json, threading, time
from pathlib import Path

import sklearn.preprocessing
from ercfw.data.collate import collate
from ercfw.data.train_statistics import make_data_info
from ercfw.data.load import load_data, make_dataset
from ercfw.training.evaluate import batches
from ercfw.experiment.plan import Selection, plan_jobs
from ercfw.recipe.recipe_file import read_toml


def own_memory():
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("RssAnon")]
    return int(line.split()[1]) / 1024


def watch():
    while not done:
        peak.append(own_memory())
        time.sleep(0.005)


(job,) = plan_jobs(read_toml(Path("large.toml")), Selection())
before, peak, done = own_memory(), [], False
watcher = threading.Thread(target=watch, daemon=True)
watcher.start()
dataset = make_dataset(job.parts.dataset)
data = load_data(job.recipe, job.parts.extractors, dataset, lambda *_: None)
info = make_data_info(data.splits["train"], data.targets)
sums = {}
for part in batches(data.splits["train"], job.recipe.data.batch_size):
    for name, stream in collate(part).inputs.streams.items():
        sums[name] = sums.get(name, 0) + float(stream.values.double().sum())
done = True
watcher.join()
means = {name: spec.mean[0] for name, spec in info.modalities.items()}
print(json.dumps({"grown": max(peak) - before, "sums": sums, "means": means}))
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="Linux shows what memory is a process' own")
def test_memory_does_not_grow_by_the_size_of_the_features(tmp_path):
    ids = [(f"c{c}", str(u)) for c in range(CONVERSATIONS) for u in range(UTTERANCES)]
    splits = ["train"] * 900 + ["dev"] * 50 + ["test"] * 50
    lines = [f"{c},{u},{splits[int(c[1:])]},joy" for c, u in ids]
    (tmp_path / "utterances.csv").write_text("\n".join(["conversation,utterance,split,label", *lines]))
    (tmp_path / "large.toml").write_text(RECIPE)
    values = np.repeat(np.arange(len(ids), dtype=np.float32)[:, None], WIDTH, axis=1)  # 100 MB
    np.save(tmp_path / "text.npy", values)
    FeatureTable(tuple(ids[::-1]), -values[::-1], np.ones(len(ids), bool)).save(tmp_path / "audio.safetensors")
    ended = subprocess.run([sys.executable, "-c", READER], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout)
    total = WIDTH * sum(range(900 * UTTERANCES))
    assert found["sums"] == {"text": total, "audio": -total}
    assert found["means"] == {"text": pytest.approx(4499.5), "audio": pytest.approx(-4499.5)}
    assert found["grown"] < 50  # of 200 MB
