"""The plugins of the cookbook compute what the page says; ``test_blocks.py`` runs its commands and recipes."""

import ast
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from torch import nn

import ercfw
from ercfw import UNLABELLED, Conversation, HeadOutput, Outputs, Rows
from ercfw.testing import conformance
from ercfw.testing.fixtures import data_info, make_conversations, pack
from ercfw_datasets.simulated import Simulated
from tests.project.conftest import COOKBOOK, rows_of
from tests.project.test_blocks import blocks_of

FILES = {block.title: block.text for block in blocks_of(COOKBOOK) if block.title}
PLUGINS = [title for title in FILES if title.endswith(".py")]
SMALL = ("data.conversations=12", "data.widths={ text = 8 }", "data.batch_size=4", "train.epochs=2", "train.device=cpu")
RECORD = '''
import json
import torch
from ercfw import Callback, hookimpl

class Record(Callback):
    """Keeps the weights before the training and after each step, and the learning rate of each parameter."""
    def start(self, view):
        self.weights = [self.copy(view)]
        rates = {id(p): group["lr"] for group in view.optimizer.param_groups for p in group["params"]}
        rates = {name: rates.get(id(p)) for name, p in view.model.named_parameters()}
        open("rates.json", "w").write(json.dumps(rates))

    def copy(self, view):
        return {name: p.detach().double().numpy().copy() for name, p in view.model.named_parameters()}

    def after_step(self, view):
        self.weights.append(self.copy(view))
        torch.save(self.weights, "weights.pt")

@hookimpl
def provide_callbacks():
    return {"record": Record}
'''


def run(name, *settings, record=False):
    """Train a recipe of the page on little data, once with the plugin that records it."""
    if record:
        Path("record.py").write_text(RECORD)
    recording = (f'plugins=["./{name}.py", "./record.py"]', "callback.record.use=record") if record else ()
    (finished,) = ercfw.run(f"{name}.toml", *SMALL, *settings, *recording, trust=True)
    return finished


@pytest.mark.parametrize("title", PLUGINS)
def test_a_plugin_has_at_most_60_lines_and_imports_public_names_only(title):
    assert len(FILES[title].splitlines()) <= 60
    modules, names = set(), set()
    for node in ast.walk(ast.parse(FILES[title])):
        if isinstance(node, ast.ImportFrom):
            modules.add(node.module)
            names |= {alias.name for alias in node.names if node.module == "ercfw"}
        elif isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.Attribute) and ast.unparse(node.value) == "ercfw":
            names.add(node.attr)
    others = {"torch", "numpy", "pydantic", *sys.stdlib_module_names}
    assert {module for module in modules if module.split(".")[0] not in others} == {"ercfw"}
    assert names
    assert names <= set(ercfw.__all__)


@pytest.mark.parametrize("title", PLUGINS)
def test_the_page_checks_every_plugin_and_runs_its_recipe(title):
    commands = "".join(block.text for block in blocks_of(COOKBOOK) if block.kind == "bash")
    assert f"--plugin {title}\n" in commands
    assert f"ercfw run {title.removesuffix('.py')}.toml --trust\n" in commands


def test_lion_takes_the_steps_of_the_paper(plugin):
    draw = np.random.default_rng(0)
    weights, gradients = draw.normal(size=6), draw.normal(size=(2, 6)) * [[1], [0.08]]
    p = nn.Parameter(torch.tensor(weights))
    optimizer = plugin("lion").Lion([p], lr=0.1, weight_decay=0.2, betas=(0.9, 0.99))
    wanted, average = list(weights), [0.0] * 6
    for gradient in gradients:
        p.grad = torch.tensor(gradient)
        optimizer.step()
        for n, g in enumerate(gradient.tolist()):
            sign = 1.0 if 0.9 * average[n] + 0.1 * g > 0 else -1.0
            wanted[n] -= 0.1 * (sign + 0.2 * wanted[n])
            average[n] = 0.99 * average[n] + 0.01 * g
    assert np.sign(gradients[0]).tolist() != np.sign(gradients[1]).tolist()
    np.testing.assert_allclose(p.detach().numpy(), wanted, rtol=1e-12)
    np.testing.assert_allclose(optimizer.state[p]["average"].numpy(), average, rtol=1e-12)


def test_each_layer_has_its_decayed_rate(cookbook):
    run("layers", record=True)
    rates = json.loads(Path("rates.json").read_text())
    of_layers = {f"layers.{n}.": rate for n, rate in enumerate((0.001024, 0.00128, 0.0016, 0.002))}
    for name, rate in rates.items():
        (wanted,) = [r for layer, r in of_layers.items() if layer in name] or [0.001]
        assert rate == pytest.approx(wanted, rel=1e-12), name
    assert {round(rate, 9) for rate in rates.values()} == {0.001024, 0.00128, 0.0016, 0.002, 0.001}


def test_the_average_of_the_weights_is_scored_and_kept(cookbook):
    finished = run("averaged", "callback.averaged.decay=0.8", "train.lr=0.05", record=True)
    steps = torch.load("weights.pt", weights_only=False)
    per_epoch = len(steps) // finished.metrics.epochs
    average = steps[0]
    for weights in steps[1 : 1 + per_epoch * finished.metrics.best_epoch]:
        average = {name: 0.8 * average[name] + 0.2 * weights[name] for name in average}
    kept = load_file(finished.files.model)
    last = steps[per_epoch * finished.metrics.best_epoch]
    for name, weights in average.items():
        np.testing.assert_allclose(kept[name], weights, atol=1e-6)
        assert np.abs(kept[name] - last[name]).max() > 1e-3
    probabilities, true = predicted(finished, average)
    shown = np.array([[float(row[f"emotion.p.{c}"]) for c in CLASSES] for row in rows_of(finished, "dev")])
    np.testing.assert_allclose(shown, probabilities, atol=2e-6)
    assert np.abs(shown - predicted(finished, last)[0]).max() > 1e-3
    best = json.loads(finished.files.history.read_text().splitlines()[finished.metrics.best_epoch - 1])
    assert best["watched"]["emotion"]["accuracy"] == pytest.approx((probabilities.argmax(1) == true).mean())


CLASSES = ("neutral", "surprise", "fear", "sadness", "joy", "disgust", "anger")


def predicted(finished, weights):
    """The probabilities of dev by two linear maps with these weights, and its classes."""
    data = Simulated(conversations=12, widths={"text": 8})
    table = data.features("text")
    row_of = {id: row for row, id in enumerate(table.ids)}
    rows = rows_of(finished, "dev")
    x = np.array([table.values[row_of[row["conversation"], row["utterance"]]] for row in rows], np.float64)
    for part in ("encoders.text.linear", "heads.emotion.linear"):
        x = x @ weights[f"{part}.weight"].T + weights[f"{part}.bias"]
    p = np.exp(x - x.max(1, keepdims=True))
    return p / p.sum(1, keepdims=True), np.array([CLASSES.index(row["emotion"]) for row in rows])


def talk(name, speakers, labels):
    count = len(labels)
    return Conversation(
        id=name, split="train", utterances=tuple(map(str, range(count))), speakers=tuple(speakers),
        texts=("",) * count, labels={"emotion": np.array(labels, np.int64)},
    )  # fmt: skip


def test_the_curriculum_begins_with_the_fewest_shifts(plugin):
    module, none = plugin("few_shifts_first"), UNLABELLED
    talks = [
        talk("3 of 4", "AAAA", [0, 1, 0, 1]),
        talk("none: only the speakers differ", "ABAB", [0, 1, 0, 1]),
        talk("1 of 4, across one without a label", "AAAA", [0, none, 2, 2]),
        talk("2 of 5", "ABABA", [0, 1, 2, 3, 2]),
        talk("none", "A", [3]),
    ]
    assert [module.shifts_of(c, "emotion") for c in talks] == [3, 0, 1, 2, 0]
    sampler = module.FewShiftsFirst(talks, data_info(make_conversations({})), first=0.4, epochs=4)
    easiest = [1, 4, 2, 3, 0]
    for number, size in enumerate((2, 3, 4, 5, 5), 1):
        order = sampler.epoch(number, np.random.default_rng(number))
        assert sampler.size(number) == size
        assert sorted(order) == sorted(easiest[:size])
    assert len({tuple(sampler.epoch(9, np.random.default_rng(n))) for n in range(5)}) > 1


@pytest.mark.parametrize("same_speaker", [True, False])
def test_the_loss_of_shifts_is_that_of_loops(plugin, same_speaker):
    speakers, labels = [0, 1, 0, 0, 1, 0, 1, 0], [0, 1, 2, UNLABELLED, 1, 2, 0, 0]
    conversation = [0] * 5 + [1] * 3
    logits = torch.tensor(np.random.default_rng(0).normal(size=(8, 3)), dtype=torch.float64, requires_grad=True)
    p, total, pairs = logits.softmax(-1), torch.zeros((), dtype=torch.float64), 0
    before = {"any": [-1] * 8, "own": [-1] * 8}
    for n in range(8):
        earlier = [m for m in range(n) if conversation[m] == conversation[n]]
        before["any"][n] = max(earlier, default=-1)
        before["own"][n] = max((m for m in earlier if speakers[m] == speakers[n]), default=-1)
        m = before["own" if same_speaker else "any"][n]
        if m >= 0 and UNLABELLED not in (labels[m], labels[n]):
            same = sum(p[n, c] * p[m, c] for c in range(3))
            total = total - torch.log(same if labels[m] == labels[n] else 1 - same)
            pairs += 1
    (wanted,) = torch.autograd.grad(total / pairs, logits)
    rows = Rows(*map(torch.tensor, (conversation, before["any"], before["own"], speakers)))
    single = logits.detach().float().requires_grad_()
    info = data_info(make_conversations({}))
    loss = plugin("emotion_shift").EmotionShift("emotion", info, same_speaker=same_speaker)
    given = loss(Outputs({"emotion": HeadOutput(single, single)}, rows), {"emotion": torch.tensor(labels)})
    given.backward()
    assert pairs >= 3
    assert given.item() == pytest.approx((total / pairs).item(), rel=1e-6)
    np.testing.assert_allclose(single.grad.numpy(), wanted.numpy(), atol=1e-6)


def test_adapters_begin_as_the_frozen_layer_and_are_all_that_learns(plugin):
    module, conversations = plugin("lora"), make_conversations({"text": "vector"})
    info, inputs = data_info(conversations), pack(conversations).inputs
    arguments = info.modalities["text"], info
    tiny, adapted = module.Tiny(*arguments), module.TinyLoRA(*arguments, rank=2, scale=3.0)
    adapted.load_state_dict(tiny.state_dict(), strict=False)
    assert torch.equal(adapted(inputs.streams["text"], inputs), tiny(inputs.streams["text"], inputs))
    x = torch.randn(4, tiny.lower.in_features)  # [N, D]
    assert torch.equal(module.LoRA(tiny.lower, 2, 3.0)(x), tiny.lower(x))
    trained = {name for name, p in adapted.named_parameters() if p.requires_grad}
    assert trained == {"lower.a", "lower.b", "upper.a", "upper.b"}
    optimizer = torch.optim.SGD([p for p in adapted.parameters() if p.requires_grad], lr=0.1)
    for _ in range(2):
        optimizer.zero_grad()
        adapted(inputs.streams["text"], inputs).square().mean().backward()
        optimizer.step()
    assert {name for name, p in adapted.named_parameters() if p.grad is not None and p.grad.any()} == trained
    x = inputs.streams["text"].values.double().numpy()
    state = {name: value.double().numpy() for name, value in adapted.state_dict().items()}
    merged = state["lower.weight"] + 3 * state["lower.b"] @ state["lower.a"]
    given = adapted.lower(inputs.streams["text"].values).detach().numpy()
    np.testing.assert_allclose(given, x @ merged.T + state["lower.bias"], atol=1e-5)
    conformance("encoder", module.Tiny)


def test_the_variant_keeps_the_weights_of_the_first_run(cookbook):
    before = load_file(run("lora").files.model)
    (adapted,) = ercfw.run("lora.toml", *SMALL, variants="adapted", trust=True)
    after = load_file(adapted.files.model)
    for name in ("lower.weight", "lower.bias", "upper.weight", "upper.bias"):
        assert np.array_equal(before[f"encoders.text.{name}"], after[f"encoders.text.{name}"])
    assert all(after[f"encoders.text.{name}.b"].any() for name in ("lower", "upper"))
