"""Two processes train what one does, with every sampler and callback; in parts too."""

import pytest

from tests import forked
from tests.promises.test_two_processes import compare, read

RECIPE = """
schema = 1
title = "Shared"
[data]
use = "simulated"
conversations = 11  # in fives: the last batch is one conversation, and so is all of dev
modalities = ["text", "audio"]
widths = {{ text = 8, audio = 6, visual = 4 }}
batch_size = 5
[encoder.default]
use = "linear"
width = 8
[context.default]
use = "dialogue-rnn"
width = 8
[fusion]
use = "concat"
[head.emotion]
use = "mlp"
hidden = 8
[loss.swfc]
weight = 0.2
[loss.soft-hgr]
weight = 0.2
[loss.supcon]
weight = 0.1
[loss.cross-entropy]
weight = "rest"
[train]
epochs = 3
lr = 1e-2
clip = 1.0
device = "cpu"
{table}
"""
TABLES = {
    "averages": "[callback.swa]\nfrom_epoch = 2\n[callback.ema]\ndecay = 0.8",
    "gradients again": '[callback.sam]\nrho = 0.1\n[callback.freeze]\nparts = ["encoder.text"]\nuntil = 2',
    "inputs": '[callback.modality-dropout]\nrate = 0.4\n[callback.fgm]\nstreams = ["text"]\nepsilon = 0.5',
    "noise": "[callback.gradient-noise]\neta = 0.001",
    "stopping": '[callback.early-stopping]\npatience = 1\nscore = "emotion.accuracy"',
    "balanced": '[train.sampler]\nuse = "balanced"',
    "curriculum": '[train.sampler]\nuse = "curriculum"\nby = "loss"\nbuckets = 2',
    "optimizer and schedule": '[train.optimizer]\nuse = "nadam"\n[train.schedule]\nuse = "onecyclelr"\nmax_lr = 0.02',
}


@pytest.mark.slow
@pytest.mark.parametrize("name", TABLES)
def test_two_processes_train_what_one_does(cli, tmp_path, name):
    path = tmp_path / "shared.toml"
    path.write_text(RECIPE.format(table=TABLES[name]))
    code, said = forked.run("run", path, "--out", "two", "--processes", "2")
    assert code == 0, said
    code, said = forked.run(
        "run", path, "--out", "parts", "--processes", "2", "data.batch_size=1", "train.accumulate=5"
    )
    assert code == 0, said
    alone = cli("run", path, "--out", "one")
    assert alone.code == 0, alone.err
    one = read(tmp_path / "one/shared/base/seed-0")
    for out in ("two", "parts"):
        compare(one, read(tmp_path / out / "shared/base/seed-0"))
