"""MMGCN against the dense matrix of all nodes, written as the paper has it."""

import math

import pytest
import torch

from ercfw import HeadOutput, InputError, Outputs, Rows
from ercfw_baselines.mmgcn import MMGCN, Graph, MMGCNFocal, MMGCNHead

from .rows import talks

DIM = 5


def nodes_of(xs, block, inputs):
    """The nodes of each modality, with what the speaker adds."""
    return {m: x + block.speakers[m](inputs.speakers) if m in block.speakers else x for m, x in xs.items()}


def dense_adjacency(nodes, here, gamma):
    """``[M * U, M * U]`` of one conversation: nodes ``[M][U, D]``, here ``[M][U]``."""
    count, size = len(nodes), len(nodes[0])
    matrix = torch.zeros(count * size, count * size, dtype=torch.float64)
    for a in range(count * size):
        for b in range(count * size):
            (m, i), (k, j) = divmod(a, size), divmod(b, size)
            if not (here[m][i] and here[k][j]) or (m != k and i != j):
                continue
            cosine = torch.cosine_similarity(nodes[m][i], nodes[k][j], dim=0)
            matrix[a, b] = (1 - math.acos(0.99999 * cosine.item()) / math.pi) * (gamma if m != k else 1)
    root = matrix.sum(1).clamp_min(1e-12).rsqrt()
    return root[:, None] * matrix * root[None, :]


def whole(block, xs, inputs, gamma):
    """The fusion, conversation by conversation, by one matrix over all nodes."""
    names, spoken = list(xs), nodes_of(xs, block, inputs)
    result = torch.zeros(len(xs[names[0]]), block.out_dim, dtype=torch.float64)
    for rows in talks(inputs):
        here = [inputs.streams[m].present[rows] for m in names]
        nodes = [spoken[m][rows] * h[:, None] for m, h in zip(names, here, strict=True)]
        matrix = dense_adjacency(nodes, here, gamma)
        stacked = torch.cat(nodes)  # [M * U, D]
        start = hidden = block.first(stacked).relu()
        for place, weight in enumerate(block.layers, 1):
            beta = math.log(0.5 / place + 1)
            spread = matrix @ hidden
            hidden = beta * torch.cat([spread, start], 1) @ weight + (1 - beta) * (0.9 * spread + 0.1 * start)
            hidden = hidden.relu()
        for i, row in enumerate(rows):
            parts = [torch.cat([nodes[m][i], hidden[m * len(rows) + i]]) * here[m][i] for m in range(len(names))]
            result[row] = torch.cat(parts)
    return result


def batch(made, **options):
    _, inputs, info = made(sizes=(4, 1, 3), **options)
    xs = {m: torch.randn(len(inputs.speakers), DIM, dtype=torch.float64) for m in inputs.streams}
    return {m: x * inputs.streams[m].present[:, None] for m, x in xs.items()}, inputs, info


@pytest.mark.parametrize("speakers_on", ["all", "text", "none"])
@pytest.mark.parametrize(("depth", "gamma"), [(1, 1.0), (4, 0.7)])
def test_every_conversation_by_one_dense_matrix(speakers_on, depth, gamma, made, drawn):
    torch.manual_seed(0)
    xs, inputs, info = batch(made, absent=0.3)
    block = MMGCN(dict.fromkeys(xs, DIM), info, width=6, depth=depth, gamma=gamma, speakers_on=speakers_on)
    block = drawn(block)
    torch.testing.assert_close(block(xs, inputs), whole(block, xs, inputs, gamma), atol=1e-10, rtol=1e-10)


@pytest.mark.parametrize("absent", [0.0, 0.4])
def test_the_adjacency_is_symmetric_and_its_spectrum_at_most_one(absent, made):
    torch.manual_seed(0)
    xs, inputs, _ = batch(made, absent=absent)
    here = torch.stack([inputs.layout.pad(inputs.streams[m].present) for m in xs], 1)
    nodes = torch.stack([inputs.layout.pad(x) for x in xs.values()], 1)
    graph = Graph.of(nodes, here, gamma=0.7)
    count, size = nodes.shape[1:3]
    eye = torch.eye(count * size, dtype=torch.float64).view(count * size, 1, count, size, 1)
    for b in range(len(nodes)):
        one = Graph(graph.within[b : b + 1], graph.across[b : b + 1])
        matrix = torch.stack([one.spread(column)[0].flatten() for column in eye], 1)  # [M * U, M * U]
        torch.testing.assert_close(matrix, matrix.T)
        assert torch.linalg.eigvalsh(matrix).abs().max() <= 1 + 1e-5
        assert (matrix >= 0).all()


def test_unlike_widths_are_refused(made):
    _, _, info = made()
    with pytest.raises(InputError, match=r"differ in width: \[3, 4\]"):
        MMGCN({"text": 3, "audio": 4}, info)


def test_the_released_head_number_by_number(made, drawn):
    """X has either sign, so the logits differ from those of a linear map alone."""
    _, inputs, info = made(sizes=(4, 1, 3))
    head = drawn(MMGCNHead(7, "emotion", info, dropout=0.4))
    x = torch.randn(8, 7, dtype=torch.float64)
    weight, bias = head.linear.weight.tolist(), head.linear.bias.tolist()
    wanted = torch.zeros(8, len(bias), dtype=torch.float64)
    for i, numbers in enumerate(x.tolist()):
        for c, row in enumerate(weight):
            wanted[i, c] = bias[c] + sum(w * max(number, 0.0) for w, number in zip(row, numbers, strict=True))
    given = head(x, inputs)
    torch.testing.assert_close(given.logits, wanted, atol=1e-12, rtol=0)
    torch.testing.assert_close(given.embedding, x.clamp_min(0))
    assert (head.linear(x) - given.logits).abs().max() > 0.1


def test_the_released_head_drops_before_the_relu(made):
    """Inputs that pass dropout are scaled; those below zero are zero whether or not they pass."""
    _, inputs, info = made(sizes=(4, 1, 3))
    torch.manual_seed(0)
    head = MMGCNHead(7, "emotion", info, dropout=0.5).double()
    x = torch.randn(8, 7, dtype=torch.float64)
    found = head(x, inputs).embedding
    assert (found[x < 0] == 0).all()
    assert set((found[x > 0] / x[x > 0]).round(decimals=9).tolist()) == {0.0, 2.0}


@pytest.mark.parametrize("gamma", [0.0, 2.5])
def test_the_released_focal_loss_entry_by_entry(gamma, made):
    _, _, info = made()
    logits = torch.randn(5, 4, dtype=torch.float64, requires_grad=True)
    labels = torch.tensor([0, 3, -100, 1, 1])
    total, rows = 0.0, [0, 1, 3, 4]
    for i in rows:
        for c in range(4):
            log_p = logits[i].log_softmax(0)[c]
            total = total - (1 - (log_p if c == labels[i] else 0)) ** gamma * log_p
    none = torch.zeros(5, dtype=torch.int64)
    outputs = Outputs({"emotion": HeadOutput(logits, logits)}, Rows(none, none, none, none))
    given = MMGCNFocal("emotion", info, gamma=gamma)(outputs, {"emotion": labels})
    torch.testing.assert_close(given, total / 16)


def test_the_released_focal_loss_would_have_about_half(made):
    """Of seven classes, the wrong ones alike."""
    loss, row = MMGCNFocal("emotion", made()[2]), torch.zeros(1, dtype=torch.int64)
    values = {}
    for percent in range(1, 100):
        p = torch.tensor([[percent / 100, *[(1 - percent / 100) / 6] * 6]], dtype=torch.float64)
        outputs = Outputs({"emotion": HeadOutput(p.log(), p)}, Rows(row, row, row, row))
        values[percent] = loss(outputs, {"emotion": row}).item()
    assert 52 <= min(values, key=values.__getitem__) <= 54
