"""Finished runs to be compared: two variants of a small simulated recipe, three seeds each."""

import pytest

from ercfw.experiment import Manner, run_jobs
from ercfw.jobs import Choice, plan_jobs
from ercfw.talk import Talk
from ercfw.variants import read_toml

RECIPE = """\
schema = 1
title = "Tiny & small_"

[data]
use = "simulated"
conversations = 12
modalities = ["text", "audio"]
widths = { text = 8, audio = 6, visual = 4 }
batch_size = 4

[encoder.default]
use = "linear"
width = 8

[fusion]
use = "concat"

[head.emotion]
use = "linear"

[loss.cross-entropy]

[train]
epochs = 2
lr = 1e-2
device = "cpu"

[[variant]]
name = "w/o audio"
set = { data = { modalities = ["text"] } }

[[variant]]
name = "release"
set = { train = { protocol = "release" } }

[[variant]]
name = "others"
set = { data = { seed = 5 } }
"""


@pytest.fixture(scope="session")
def runs(tmp_path_factory):
    """The folder of the recipe, with base, w-o-audio (three seeds), release and others (one)."""
    folder = tmp_path_factory.mktemp("compared")
    path = folder / "tiny.toml"
    path.write_text(RECIPE)
    source = read_toml(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ercfw.run.draw_run", lambda *_: [])  # most of a small run's time
        for variants, seeds in ((["base", "w/o audio"], [0, 1, 2]), (["release", "others"], [0])):
            jobs = plan_jobs(source, Choice(variants=variants, seeds=seeds))
            run_jobs(jobs, Manner(folder / "runs"), Talk(quiet=True, silent=True))
    return folder / "runs" / "tiny"
