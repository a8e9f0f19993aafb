"""Somebody else's parts: one file beside a recipe, an installed package, and parts swapped without code."""

import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]

GATED_SUM = '''\
"""Gated sum: each utterance weighs its own modalities."""
import torch
from torch import Tensor, nn
from ercfw import DataInfo, FusionBlock, Inputs, hookimpl


class GatedSum(FusionBlock):
    def __init__(self, dims: dict[str, int], info: DataInfo, *, width: int = 128) -> None:
        super().__init__(dims, info)
        self.out_dim = width
        self.project = nn.ModuleDict({m: nn.Linear(d, width) for m, d in dims.items()})
        self.score = nn.ModuleDict({m: nn.Linear(d, 1) for m, d in dims.items()})

    def forward(self, xs: dict[str, Tensor], inputs: Inputs) -> Tensor:
        here = torch.stack([inputs.streams[m].present for m in xs], -1)             # [N, M]
        score = torch.cat([self.score[m](x) for m, x in xs.items()], -1)            # [N, M]
        gate = score.masked_fill(~here, torch.finfo(score.dtype).min).softmax(-1)   # [N, M]
        parts = torch.stack([self.project[m](x) for m, x in xs.items()], -1)        # [N, D, M]
        return (parts * gate.unsqueeze(1)).sum(-1)                                  # [N, D]


@hookimpl
def provide_fusions() -> dict[str, type[FusionBlock]]:
    return {"my-gated-sum": GatedSum}
'''

PYPROJECT = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "erc-gated"
version = "0.3"

[project.entry-points.ercfw]
gated = "erc_gated"
"""

MODEL = """\
import torch
from torch import nn
from ercfw import HeadOutput, Model, Outputs, Rows, hookimpl

class Pooled(Model):
    def __init__(self, info, *, width: int = 4) -> None:
        super().__init__(info)
        self.hidden = nn.Linear(sum(spec.dim for spec in info.modalities.values()), width)
        self.answer = nn.ModuleDict({t: nn.Linear(width, len(s.classes)) for t, s in info.targets.items()})

    def forward(self, inputs):
        z = self.hidden(torch.cat([stream.values for stream in inputs.streams.values()], -1)).relu()
        return Outputs({t: HeadOutput(head(z), z) for t, head in self.answer.items()}, Rows.of(inputs))

@hookimpl
def provide_models():
    return {"pooled": Pooled}
"""
WHOLE = ["--drop", "encoder", "--drop", "fusion", "--drop", "head", "model.use=pooled", "model.width=6"]


def scores(ended) -> dict:
    assert ended.code == 0, ended.err
    (metrics,) = json.loads(ended.out)
    return metrics["scores"]


def test_a_fusion_in_one_file_and_its_run_again_from_its_own_recipe(cli, tiny_recipe, plugin_file, tmp_path):
    path = plugin_file(GATED_SUM, "gated_sum")
    recipe = tiny_recipe(top='plugins = ["./gated_sum.py"]\n')
    ended = cli("run", recipe, "fusion.use=my-gated-sum", "fusion.width=5", "--json")
    first = scores(ended)
    assert f"ran plugin file {path}" in ended.err
    folder = tmp_path / "runs/tiny/base/seed-0"
    path.unlink()  # the run keeps a copy
    assert scores(cli("run", folder / "recipe.toml", "--json", "--out", "again")) == first


@pytest.mark.slow
def test_a_fusion_in_an_installed_package(tiny_recipe, tmp_path):
    source, target = tmp_path / "source", tmp_path / "installed"
    (source / "erc_gated").mkdir(parents=True)
    (source / "erc_gated/__init__.py").write_text(GATED_SUM)
    (source / "pyproject.toml").write_text(PYPROJECT)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, "--target", str(target), str(source)], check=True, capture_output=True)
    command = [sys.executable, "-m", "ercfw", "run", str(tiny_recipe()), "fusion.use=my-gated-sum", "--json"]
    environment = {**os.environ, "PYTHONPATH": str(target)}
    ended = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    about = json.loads((tmp_path / "runs/tiny/base/seed-0/environment.json").read_text())
    assert about["plugins"]["gated"] == "0.3"


def test_the_tutorial_s_package_installs(tmp_path):
    page = (CHECKOUT / "docs/plugin_author.md").read_text(encoding="utf-8")
    (block,) = re.findall(r'^```toml title="pyproject.toml"\n(.*?)^```$', page, re.MULTILINE | re.DOTALL)
    (tmp_path / "pyproject.toml").write_text(block)
    (tmp_path / "weighted.py").write_text(GATED_SUM)
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, "--wheel-dir", "built", "."], check=True, capture_output=True, cwd=tmp_path)
    with zipfile.ZipFile(next((tmp_path / "built").glob("*.whl"))) as wheel:
        assert "weighted.py" in wheel.namelist()


def test_a_whole_model_in_ten_lines(cli, tiny_recipe, plugin_file):
    plugin_file(MODEL, "pooled")
    recipe = tiny_recipe(top='plugins = ["./pooled.py"]\n')
    assert "emotion" in scores(cli("run", recipe, *WHOLE, "--json"))["test"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "for t, head in self.answer.items()}, Rows",
            "for t, head in ()}, Rows",
            "[model]: returns no head for target",
        ),
        ("HeadOutput(head(z), z)", "HeadOutput(head(z)[:1], z)", "[head.emotion]: returns logits of shape (1, 7)"),
        (", Rows.of(inputs))", ", Rows.of(inputs), extras={'x': z[:1]})", "extra 'x': has 1 rows"),
        ("return Outputs(", "return list(", "the model fails on six made-up utterances: TypeError"),
    ],
)
def test_a_model_that_breaks_its_word_is_reported(old, new, message, cli, tiny_recipe, plugin_file):
    assert MODEL.count(old) == 1
    plugin_file(MODEL.replace(old, new), "pooled")
    ended = cli("run", tiny_recipe(top='plugins = ["./pooled.py"]\n'), *WHOLE)
    assert ended.code in (1, 2)
    assert message in ended.err
    assert not Path("runs").exists()


def test_the_targets_of_a_model_are_the_data_s(cli, tiny_recipe, plugin_file):
    plugin_file(MODEL, "pooled")
    recipe = tiny_recipe(top='plugins = ["./pooled.py"]\n')
    ended = cli("run", recipe, *WHOLE, "train.select=mood.accuracy", "loss.cross-entropy.target=mood")
    assert ended.code == 2
    assert "[train] select: the data has no target 'mood'" in ended.err
    assert "[loss.cross-entropy] target: the data has no target 'mood'" in ended.err


@pytest.mark.parametrize("loss", ["focal", "supcon", "cross-entropy"])
def test_a_loss_is_swapped_on_the_command_line(loss, cli, tiny_recipe):
    recipe = tiny_recipe("[loss.swfc]\nweight = 0.3\nfocus = 3.0\n")
    ended = cli("run", recipe, f"loss.swfc.use={loss}", "--json")
    scores(ended)
    (metrics,) = json.loads(ended.out)
    text = (Path(metrics["folder"]) / "recipe.toml").read_text()
    table = text[text.index("[loss.swfc]") :].split("[", 2)[1]
    assert f'use = "{loss}"' in table
    assert "weight = 0.3" in table
    assert "focus" not in table


def test_a_loss_is_swapped_by_three_lines_of_a_variant(cli, tiny_recipe):
    lines = '[[variant]]\nname = "focal"\nset = { loss = { cross-entropy = { use = "focal", gamma = 0.5 } } }\n'
    shown = cli("show", tiny_recipe(lines), "--variant", "focal", "--json")
    assert json.loads(shown.out)["loss"] == {
        "cross-entropy": {"use": "focal", "weight": 1.0, "gamma": 0.5, "class_weights": "none"}
    }
    both = json.loads(cli("run", tiny_recipe(lines), "--variant", "all", "--json").out)
    assert [metrics["variant"] for metrics in both] == ["base", "focal"]
    assert both[0]["losses"] != both[1]["losses"]
