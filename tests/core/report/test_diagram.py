"""The diagram of a network has its parts, what they read, and the shapes that the network really gives."""

import json
import re

import pytest
import torch

from ercfw.data.collate import collate
from ercfw.data.load import load_data, make_dataset
from ercfw.data.train_statistics import make_data_info
from ercfw.experiment.plan import Selection, plan_jobs
from ercfw.model.build import build_model
from ercfw.recipe.recipe_file import read_toml
from ercfw.recipe.shipped import find_recipe, shipped_recipes
from ercfw.report.diagram import mermaid


def graph_of(recipe, **choice):
    (job,) = plan_jobs(read_toml(find_recipe(str(recipe))), Selection(**choice))
    return mermaid(job.recipe, job.parts), job


def nodes(graph):
    """What stands in each node, by its id."""
    return dict(re.findall(r'(\w+)(?:\(\[|\[|\{\{)"(.*?)"', graph))


def arrows(graph):
    return set(re.findall(r"^  (\w+) --> (\w+)", graph, re.MULTILINE))


def test_the_model_of_the_paper():
    graph, _ = graph_of("multiemo_meld")
    found = nodes(graph)
    assert found["text"] == "text<br>[N, D]", "the width that only the data knows"
    assert found["fusion"] == "fusion: multiattn<br>[N, 768]"
    assert found["head_emotion"] == "head.emotion: multiemo<br>logits [N, 7]"
    assert found["context_audio"] == "context.audio: dialogue-rnn<br>[N, 256]"
    assert {("text", "encoder_text"), ("encoder_text", "fusion"), ("context_audio", "fusion")} < arrows(graph)
    assert ("encoder_audio", "fusion") not in arrows(graph)
    assert "fusion -. views .-> loss_soft_hgr" in graph
    assert "head_emotion -. embedding .-> loss_swfc" in graph
    assert 'loss_cross_entropy{{"cross-entropy × 0.4"}}' in graph


def test_what_losses_read_of_parts_and_of_the_core(tiny_recipe):
    more = """
[context.joint]
use = "mixup"
[teacher]
run = ["gone", "lost"]
[loss.kl]
use = "extra"
name = "fusion.kl"
[loss.mixup-cross-entropy]
[loss.feature-distillation]
[loss.r-drop]
"""
    path = tiny_recipe(more)
    path.write_text(path.read_text().replace('use = "concat"', 'use = "vib"\nwidth = 6'))
    graph, _ = graph_of(path)
    assert "fusion -. fusion.kl .-> loss_kl" in graph
    assert "context_joint -. context.joint.partner .-> loss_mixup_cross_entropy" in graph
    assert "head_emotion -. teacher.embedding .-> loss_feature_distillation" in graph
    assert "head_emotion -. second_pass .-> loss_r_drop" in graph


def test_the_shapes_are_those_that_a_batch_has(tiny_recipe):
    more = '[context.text]\nuse = "gru"\nwidth = 6\n[context.joint]\nuse = "transformer"\nwidth = 12\nheads = 2\n'
    graph, job = graph_of(tiny_recipe(more))
    dataset = make_dataset(job.parts.dataset)
    data = load_data(job.recipe, job.parts.extractors, dataset, lambda *_: None)
    model = build_model(job.parts.network, make_data_info(data.splits["train"], data.targets))
    shapes = {}
    for table, part in model.parts():
        part.register_forward_hook(lambda _, __, given, table=table: shapes.update({table: given}))
    with torch.no_grad():
        model(collate(data.splits["train"][:2]).inputs)
    found = nodes(graph)
    assert len(shapes) == 6
    for table, given in shapes.items():
        shape = getattr(given, "logits", given).shape
        assert found[table.replace(".", "_")].endswith(f"[N, {shape[1]}]"), table
    assert {("fusion", "context_joint"), ("context_joint", "head_emotion")} < arrows(graph)


def test_without_a_fusion_the_only_modality_goes_on(tiny_recipe):
    graph, _ = graph_of(tiny_recipe(), overrides={"data": {"modalities": ["text"]}}, dropped=["fusion"])
    assert arrows(graph) == {("text", "encoder_text"), ("encoder_text", "head_emotion")}


def test_without_the_data_classes_are_a_letter(tiny_recipe):
    path = tiny_recipe()
    path.write_text(path.read_text().replace('use = "simulated"\nconversations = 12', 'use = "table"\nroot = "nowhere"')
                    .replace("widths = { text = 8, audio = 6, visual = 4 }", ""))  # fmt: skip
    graph, _ = graph_of(path)
    assert nodes(graph)["head_emotion"] == "head.emotion: linear<br>logits [N, C]"


LARGE = ("emorynlp_mpnet_finetuned", "meld_minilm_finetuned", "meld_mpnet_finetuned")
"""They build a whole language model."""


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] if name in LARGE else []) for name in shipped_recipes()]
)
def test_every_shipped_recipe_has_a_diagram(name):
    graph, job = graph_of(name)
    ends = {end for arrow in arrows(graph) for end in arrow}
    assert ends <= set(nodes(graph))
    assert all(re.sub(r"\W", "_", f"loss.{loss}") in nodes(graph) for loss in job.recipe.loss)


def test_the_command(cli, tiny_recipe):
    ended = cli("show", tiny_recipe(), "--graph")
    assert ended.code == 0
    assert ended.out.startswith("flowchart LR\n")
    assert json.loads(cli("show", tiny_recipe(), "--graph", "--json").out)["graph"] == ended.out.rstrip("\n")
    cli("show", tiny_recipe(), "--graph", "fusion.use=none").check(2, "[fusion] use: there is no fusion named 'none'")
