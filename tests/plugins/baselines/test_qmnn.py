"""QMNN against its density matrices, evolved one utterance after another."""

import math

import pytest
import torch

from ercfw_baselines.qmnn import QMNN, Unitary

from .rows import talks, values

SIZE = 6


def states_of(block, inputs):
    psi, weights = block.states(values(inputs), inputs)
    return psi, weights


def density_loops(block, inputs):
    """The state after each utterance, ``[N, n, n]``."""
    psi, weights = states_of(block, inputs)
    enter, carry, gate = block.enter(), block.carry(), block.gate.sigmoid()
    mixed = torch.eye(SIZE, dtype=enter.dtype) / SIZE
    after = {}
    for rows in talks(inputs):
        state = mixed
        for i in rows:
            pure = sum(w * torch.outer(p, p.conj()) for w, p in zip(weights[i], psi[i], strict=True))
            rho = pure if weights[i].sum() > 0 else mixed
            state = gate * enter @ rho @ enter.conj().T + (1 - gate) * carry @ state @ carry.conj().T
            after[i] = state
    return torch.stack([after[i] for i in range(len(psi))])


@pytest.fixture
def qmnn(made, drawn):
    def make(absent=0.3, phases="trained", sizes=(5, 1, 8)):
        _, inputs, info = made(absent=absent, sizes=sizes)
        dims = {m: stream.values.shape[1] for m, stream in inputs.streams.items()}
        return drawn(QMNN(dims, info, size=SIZE, phases=phases)), inputs

    return make


@pytest.mark.parametrize("absent", [0.0, 0.5])
@pytest.mark.parametrize("phases", ["trained", "fixed", "none"])
def test_outcomes_are_those_of_the_density_matrices(absent, phases, qmnn):
    block, inputs = qmnn(absent, phases)
    after, measure = density_loops(block, inputs), block.measure()
    expected = torch.einsum("jn,tnm,jm->tj", measure, after, measure.conj()).real
    psi, weights = states_of(block, inputs)
    given = block._measure(psi, weights, inputs)
    torch.testing.assert_close(given, expected, atol=1e-12, rtol=0)
    torch.testing.assert_close(given.sum(1), torch.ones(len(given), dtype=given.dtype))


def test_states_stay_hermitian_positive_and_of_trace_one_through_many_utterances(qmnn):
    block, inputs = qmnn(absent=0.2, sizes=(60,))
    after = density_loops(block, inputs)
    torch.testing.assert_close(after, after.mH, atol=1e-12, rtol=0)
    torch.testing.assert_close(torch.einsum("tnn->t", after).real, torch.ones(60, dtype=torch.float64))
    assert torch.linalg.eigvalsh(after).min() > -1e-12


def test_evolution_is_unitary_after_many_steps_of_an_optimiser():
    torch.manual_seed(0)
    unitary, target = Unitary(5), torch.linalg.qr(torch.randn(5, 5, dtype=torch.complex64)).Q
    optimiser = torch.optim.RMSprop(unitary.parameters(), lr=0.05)
    apart = []
    for _ in range(300):
        optimiser.zero_grad()
        loss = (unitary() - target).abs().square().sum()
        loss.backward()
        optimiser.step()
        apart.append(float(loss.detach()))
    u = unitary().detach()
    torch.testing.assert_close(u @ u.mH, torch.eye(5, dtype=u.dtype), atol=1e-5, rtol=0)
    assert apart[-1] < apart[0] / 2


def test_a_state_is_the_paper_s(qmnn):
    block, inputs = qmnn(absent=0.0)
    psi, weights = states_of(block, inputs)
    i = 7  # the second utterance of the last conversation
    grown = {m: block.amplitude[m](s.values[i]).relu() + 1e-6 for m, s in inputs.streams.items()}
    lengths = torch.stack([r.norm() for r in grown.values()])
    torch.testing.assert_close(weights[i], lengths.softmax(0))
    phase = block.speakers.table.weight[inputs.speakers[i]].sigmoid()
    for k, r in enumerate(grown.values()):
        for c in range(SIZE):
            angle = 1 * 10000 ** (-c / SIZE) + 2 * math.pi * phase[c].item()
            wanted = complex(math.cos(angle), math.sin(angle)) * (r[c] / r.norm()).item()
            assert psi[i, k, c].item() == pytest.approx(wanted, abs=1e-6)


def outcomes_by_numbers(block, inputs):
    """The outcomes from the inputs alone: every state and matrix as complex numbers, component by component."""
    n = SIZE
    enter, carry, measure = (u().detach().tolist() for u in (block.enter, block.carry, block.measure))
    gate, identity = block.gate.sigmoid().item(), [[(a == b) / n for b in range(n)] for a in range(n)]

    def turned(u, rho):
        left = [[sum(u[a][k] * rho[k][b] for k in range(n)) for b in range(n)] for a in range(n)]
        return [[sum(left[a][k] * u[b][k].conjugate() for k in range(n)) for b in range(n)] for a in range(n)]

    result = {}
    for rows in talks(inputs):
        state = identity
        for t, i in enumerate(rows):
            grown = {m: [max(v, 0.0) + 1e-6 for v in block.amplitude[m](s.values[i]).tolist()]
                     for m, s in inputs.streams.items() if s.present[i]}  # fmt: skip
            lengths = {m: math.sqrt(sum(v * v for v in r)) for m, r in grown.items()}
            phase = block.speakers.table.weight[inputs.speakers[i]].sigmoid().tolist()
            angles = [t / 10000 ** (c / n) + 2 * math.pi * phase[c] for c in range(n)]
            rho = [[0.0] * n for _ in range(n)] if grown else identity
            for m, r in grown.items():
                psi = [v / lengths[m] * complex(math.cos(w), math.sin(w)) for v, w in zip(r, angles, strict=True)]
                share = math.exp(lengths[m]) / sum(map(math.exp, lengths.values()))
                rho = [[rho[a][b] + share * psi[a] * psi[b].conjugate() for b in range(n)] for a in range(n)]
            new, old = turned(enter, rho), turned(carry, state)
            state = [[gate * new[a][b] + (1 - gate) * old[a][b] for b in range(n)] for a in range(n)]
            result[i] = [turned(measure, state)[j][j].real for j in range(n)]
    return torch.tensor([result[i] for i in range(len(result))], dtype=torch.float64)


@pytest.fixture
def exact_tables():
    """The table of frequencies is made in float64; a part makes it in the default precision."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.usefixtures("exact_tables")
@pytest.mark.parametrize("absent", [0.0, 0.5])
def test_outcomes_are_those_of_the_equations_number_by_number(absent, qmnn):
    block, inputs = qmnn(absent)
    given = block(values(inputs), inputs)
    torch.testing.assert_close(given, outcomes_by_numbers(block, inputs), atol=1e-12, rtol=0)


@pytest.mark.usefixtures("exact_tables")
def test_the_first_component_turns_by_one_radian_an_utterance(qmnn):
    block, _ = qmnn()
    assert block.frequencies.tolist() == pytest.approx([10000 ** (-c / SIZE) for c in range(SIZE)], abs=1e-12)


def test_the_unitary_matrices_are_a_group_of_their_own(qmnn):
    block, _ = qmnn()
    assert {name: len(group) for name, group in block.parameter_groups().items()} == {"unitary": 6}


def test_fixed_phases_are_not_trained(made):
    _, _, info = made()
    for phases in ("trained", "fixed"):
        block = QMNN({"text": 3}, info, phases=phases)
        assert block.speakers.table.weight.requires_grad is (phases == "trained")
