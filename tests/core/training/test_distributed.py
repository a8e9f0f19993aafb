"""Sharing conversations out, and gathering outputs with exact gradients in two real processes."""

import os
import socket
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ercfw.contract.conversation import Conversation
from ercfw.training.distributed import partition, take_share

SIZES = st.lists(st.integers(1, 40), min_size=1, max_size=30)


@given(SIZES, st.integers(1, 6))
def test_every_conversation_once_and_no_process_has_much_more(sizes, processes):
    shares = partition(sizes, processes)
    assert sorted(n for share in shares for n in share) == list(range(len(sizes)))
    assert all(share == sorted(share) for share in shares)
    loads = [sum(sizes[n] for n in share) for share in shares]
    assert max(loads) - min(loads) <= max(sizes)
    assert shares == partition(sizes, processes)


def conversation(name, size):
    ids = tuple(map(str, range(size)))
    return Conversation(name, "train", ids, ("x",) * size, ("",) * size, {"emotion": np.zeros(size, np.int64)})


@given(SIZES, st.integers(1, 4), st.integers(1, 5))
def test_the_shares_after_one_another_are_the_batch_in_another_order(sizes, processes, parts):
    conversations = [conversation(f"c{n}", size) for n, size in enumerate(sizes)]
    gathered = []
    for rank in range(processes):
        share = take_share(conversations, rank, processes, parts)
        assert len(share.parts) == len(share.rows) == parts
        assert sum(share.rows) == share.counts[rank]
        for part, rows in zip(share.parts, share.rows, strict=True):
            assert rows in (0, len(part.ids))
            assert len(part.ids) > 0
            gathered += part.ids[:rows]
    assert tuple(gathered[row] for row in share.order) == share.whole.ids
    assert len(gathered) == sum(sizes)


GATHER = """
import os, sys, numpy as np, torch, torch.distributed as dist
from ercfw.contract.batch import HeadOutput, Outputs, Rows
from ercfw.contract.conversation import Conversation
from ercfw.training.distributed import gather_outputs, take_share

dist.init_process_group("gloo")
rank = dist.get_rank()

def made(n, size):
    ids = tuple(map(str, range(size)))
    return Conversation(f"c{n}", "train", ids, ("x",) * size, ("",) * size, {"emotion": np.zeros(size, np.int64)})

def coupled(outputs):
    x, view = outputs.heads["emotion"].logits, outputs.views["text"]
    pairs = (x @ view.T).tanh()
    weight = torch.linspace(0.5, 2, len(x), dtype=x.dtype)
    return (pairs * weight).sum() + x.square().mean() + (outputs.extras["k"].sum((1, 2)) * weight).sum()

def answer(rows):
    values = torch.randn(rows, 3, dtype=torch.bfloat16).double().float()
    here = torch.arange(rows) % 2 == 0
    return values, here

cases = [([3, 1, 4, 2, 2], 1), ([3, 1, 4, 2, 2], 2), ([5], 1), ([5], 3), ([1, 1], 1), ([2, 7, 1], 1), ([2, 7, 1], 2)]
for sizes, parts in cases:
    torch.manual_seed(len(sizes))
    conversations = [made(n, size) for n, size in enumerate(sizes)]
    share = take_share(conversations, rank, 2, parts)
    values, here = answer(sum(sizes))
    row = {id: n for n, id in enumerate(share.whole.ids)}
    own_rows = [torch.tensor([row[id] for id in part.ids]) for part in share.parts]

    def outputs(x, rows, present):
        return Outputs({"emotion": HeadOutput(x, 2 * x)}, rows, {"text": x.sin()}, {"text": present},
                       {"k": x.unsqueeze(1).expand(-1, 2, -1)})

    whole = values.clone().requires_grad_()
    expected = coupled(outputs(whole, Rows.of(share.whole.inputs), here))
    expected.backward()
    own = [values[rows].clone().requires_grad_() for rows in own_rows]

    def given(xs):
        return [outputs(x, Rows.of(p.inputs), here[r]) for x, p, r in zip(xs, share.parts, own_rows, strict=True)]

    gathered = gather_outputs(given(own), share, rank)
    loss = coupled(gathered)
    loss.backward()
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(gathered.heads["emotion"].embedding, 2 * values)
    assert torch.equal(gathered.present["text"], here)
    assert torch.equal(gathered.rows.previous, share.whole.inputs.layout.previous)
    for x, rows, count in zip(own, own_rows, share.rows, strict=True):
        torch.testing.assert_close(x.grad[:count], 2 * whole.grad[rows][:count])  # DDP will halve it
        assert not x.grad[count:].any()
    half = gather_outputs(given([x.bfloat16() for x in own]), share, rank)
    assert half.heads["emotion"].logits.dtype == torch.float32
dist.barrier()
dist.destroy_process_group()
print("rank", rank, "agrees")
"""


@pytest.mark.slow
def test_the_gather_and_its_gradient_are_exact_in_two_processes(tmp_path):
    script = tmp_path / "gather.py"
    script.write_text(GATHER)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    place = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"}
    started = [
        subprocess.Popen(
            [sys.executable, script], env={**os.environ, **place, "RANK": str(rank)}, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )
        for rank in range(2)
    ]  # fmt: skip
    said = [process.communicate(timeout=120)[0] for process in started]
    assert [process.returncode for process in started] == [0, 0], "\n".join(said)
    assert all("agrees" in text for text in said)


def test_one_process_has_the_whole_batch_as_it_is():
    share = take_share([conversation("c", 2)], 0, 1)
    assert share.parts == (share.whole,)
    assert share.undivided
    assert torch.equal(share.order, torch.arange(2))
