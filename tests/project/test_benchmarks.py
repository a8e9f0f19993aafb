"""The benchmarks run, and what they measure ercfw against is fair: it computes the same."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from ercfw.data.collate import collate
from ercfw.data.train_statistics import make_data_info
from ercfw.model.build import build_model
from ercfw.model.losses import build_losses

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
COMMANDS = {
    "epoch": 2,
    "losses": 5,
    "parts": 4,
    "data": 2,
    "inference": 2,
    "media": 14,
    "every_extractor": 2,
    "texts": 2,
    "finetuning": 7,
    "growth": 2,
    "precision": 1,
    "startup": 4,
    "report": 1,
    "baselines": 1,
}
"""How many ratios each prints at least."""


@pytest.fixture
def small(monkeypatch):
    """MultiEMO in float64, its losses, some conversations of MELD's lengths, and what it was given of them."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    import product

    job = product.multiemo("cpu", True, "data.conversations=7")
    data = product.data_of(job)
    info = make_data_info(data.splits["train"], data.targets)
    torch.manual_seed(0)
    model, losses = build_model(job.parts.network, info), build_losses(job.recipe, job.parts.losses, info)
    return model.double(), losses.double(), data.splits["train"], info


def doubled(x):
    return x.double() if x.is_floating_point() else x


def padded(conversations, parties):
    import plain

    (batch,) = plain.load(conversations, parties, len(conversations), shuffle=False)
    streams = {name: x.double() for name, x in batch.streams.items()}
    return plain.Padded(streams, batch.speakers.double(), batch.labels, batch.real)


@pytest.mark.slow
def test_the_transcription_computes_what_ercfw_computes(small):
    import plain

    model, losses, conversations, info = small
    transcription = plain.transcribe(model, info)
    assert sum(p.numel() for p in transcription.parameters()) == sum(p.numel() for p in model.parameters())

    batch = collate(conversations)
    outputs = model(batch.inputs.map(doubled))
    mine = losses(outputs, batch.targets)
    weights = plain.class_weights(info.targets["emotion"].counts)
    other = padded(conversations, info.speakers)
    logits, embedding, views = transcription(other)
    theirs = plain.losses(transcription, other, weights.double())
    torch.testing.assert_close(logits, outputs.heads["emotion"].logits)
    torch.testing.assert_close(embedding, outputs.heads["emotion"].embedding)
    torch.testing.assert_close(views, outputs.views)
    torch.testing.assert_close(theirs, mine, rtol=1e-6, atol=1e-9, check_dtype=False)  # some of it is in float32

    sum(mine.values()).backward()
    sum(theirs.values()).backward()
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(p.grad)
    gradients = plain.transcribe(model, info)  # a weight's gradient in the place of the weight
    for own, (name, p) in zip(gradients.parameters(), transcription.named_parameters(), strict=True):
        torch.testing.assert_close(p.grad, own, rtol=1e-5, atol=1e-8, msg=lambda text, name=name: f"{name}: {text}")


@pytest.mark.slow
def test_the_floor_counts_what_torch_counts_where_nothing_is_padded(small):
    """One conversation of one speaker: all that the transcription computes is needed."""
    import floor
    import plain

    model, _, conversations, info = small
    longest = max(conversations, key=len)
    alone = replace(longest, speakers=("somebody",) * len(longest))
    transcription, batch = plain.transcribe(model, info), padded([alone], 1)
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        with torch.no_grad():
            transcription(batch)
        forward = counter.get_total_flops() / 2
        logits, _, views = transcription(batch)
        torch.stack([logits.sum(), *(view.sum() for view in views.values())]).sum().backward()
    both = counter.get_total_flops() / 2 - forward
    assert forward == pytest.approx(floor.inference(transcription, [len(alone)]), rel=0.02)
    assert both == pytest.approx(floor.network(transcription, [len(alone)]), rel=0.02)


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_command_names_the_machine_and_prints_positive_ratios(name, tmp_path, tmp_path_factory):
    if name == "report" and shutil.which("chromium") is None:
        pytest.skip("no Chromium on this machine: make browser")
    options = {"precision": ["--seeds", "1"], "growth": ["--plot", str(tmp_path / "growth.png")]}.get(name, [])
    done = subprocess.run(
        [sys.executable, BENCHMARKS / f"{name}.py", "--quick", *options],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "TMPDIR": str(tmp_path_factory.mktemp("b"))},  # sockets: short
        timeout=600,  # minutes on a busy machine; only an endless command reaches it
    )
    assert done.returncode == 0, done.stderr
    assert re.match(r"machine: .+, \d+ cores, 1 threads, torch ", done.stdout)
    ratios = re.findall(r"^  ratio .+ / .+? +([\d.]+)(?:   \(aim: .+\))?$", done.stdout, re.MULTILINE)
    assert len(ratios) >= COMMANDS[name], done.stdout
    assert all(float(ratio) > 0 for ratio in ratios)
