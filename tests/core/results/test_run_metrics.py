"""``metrics.json`` and ``environment.json``: read as written, older ones too, newer ones refused."""

import json

import pytest

from ercfw import InputError
from ercfw.results.environment import read_environment
from ercfw.results.run_metrics import read_metrics

READ = {"metrics.json": read_metrics, "environment.json": read_environment}


@pytest.fixture
def folder(cli, tiny_recipe, tmp_path):
    assert cli("run", tiny_recipe()).code == 0
    return tmp_path / "runs/tiny/base/seed-0"


def test_files_are_read_as_they_are_written(folder):
    for name, read in READ.items():
        written = json.loads((folder / name).read_text())
        assert next(iter(written)) == "schema"
        assert written["schema"] == 1
        assert read(folder).as_json() == written


def test_files_without_a_schema_are_of_the_first(folder):
    for name, read in READ.items():
        written = json.loads((folder / name).read_text())
        del written["schema"]
        (folder / name).write_text(json.dumps(written))
        assert read(folder).version == 1


def test_fields_that_older_runs_lack_have_defaults(folder):
    written = json.loads((folder / "metrics.json").read_text())
    for name in ("schema", "warnings", "pictures", "peak_memory", "dataset"):
        del written[name]
    (folder / "metrics.json").write_text(json.dumps(written))
    metrics = read_metrics(folder)
    assert (metrics.warnings, metrics.pictures, metrics.peak_memory, metrics.dataset) == ([], [], 0, None)


@pytest.mark.parametrize("name", READ)
def test_a_newer_format_is_refused_by_name(folder, name, cli):
    written = json.loads((folder / name).read_text())
    (folder / name).write_text(json.dumps({**written, "schema": 2, "seed": "in words"}))
    with pytest.raises(InputError, match=f"{name}: has format 2; this version of ercfw reads formats up to 1"):
        READ[name](folder)


def test_metrics_cannot_be_changed(folder):
    metrics = read_metrics(folder)
    with pytest.raises(ValueError, match="frozen"):
        metrics.seed = 3


def test_a_score_is_found_by_its_name(folder):
    metrics = read_metrics(folder)
    assert metrics.score("test", "emotion", "accuracy") == metrics.scores["test"]["emotion"]["accuracy"]
    assert metrics.score("test", "emotion", "f1") is None, "one number per class"
    assert metrics.score("train", "emotion", "accuracy") is None


FROZEN = """
import torch
from ercfw import FusionBlock, hookimpl
class Frozen(FusionBlock):
    def __init__(self, dims, info):
        super().__init__(dims, info)
        self.out_dim = 3
        self.own = torch.nn.Linear(16, 3)  # 51 parameters
        self.base = torch.nn.Linear(16, 3, bias=False).requires_grad_(False)  # 48 parameters
    def forward(self, xs, inputs):
        x = torch.cat(list(xs.values()), -1)
        return self.own(x) + self.base(x)
@hookimpl
def provide_fusions():
    return {"frozen": Frozen}
"""


def test_trainable_and_all_parameters_are_counted(cli, tiny_recipe, plugin_file, tmp_path):
    """Two encoders of 8 and 6 by 8 with biases, and a head of 7 classes."""
    encoders, head = (8 * 8 + 8) + (6 * 8 + 8), lambda width: 7 * width + 7
    assert cli("run", tiny_recipe()).code == 0
    plugin_file(FROZEN)
    assert (
        cli("run", tiny_recipe(), "plugins=['./mine.py']", "fusion.use=frozen", "--name", "frozen", "--trust").code == 0
    )
    for name, trained, frozen in (("base", encoders + head(16), 0), ("frozen", encoders + 51 + head(3), 48)):
        folder = tmp_path / "runs/tiny" / name / "seed-0"
        metrics = read_metrics(folder)
        assert (metrics.parameters, metrics.frozen) == (trained, frozen)
        assert ("all_parameters" in json.loads((folder / "metrics.json").read_text())) == bool(frozen)
        said = f"{trained:,} trainable parameters of {trained + frozen:,}; run time"
        assert said in (folder / "report.md").read_text()
    assert cli("ensemble", "runs/tiny/base", "runs/tiny/frozen", "--out", "both").code == 0
    both = read_metrics(tmp_path / "both")
    assert both.parameters == 2 * encoders + head(16) + head(3) + 51
    assert both.all_parameters == both.parameters + 48
