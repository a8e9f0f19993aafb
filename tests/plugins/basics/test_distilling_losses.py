"""The losses that distil, beside loops over rows and pairs in float64; their gradients by finite differences."""

import math

import pytest
import torch

from ercfw import InputError, TeacherOutput, TeacherWidths, Widths
from ercfw_basics.feature_distillation import FeatureDistillation
from ercfw_basics.relation_distillation import RelationDistillation
from ercfw_basics.self_distillation import SelfDistillation
from tests.plugins.basics.made_outputs import (
    INFO,
    LABELS,
    ROWS,
    TEACHERS,
    WIDTHS,
    check_gradients,
    draw,
    made_teachers,
    outputs_of,
)

KNOWN = [row for row, label in enumerate(LABELS.tolist()) if label >= 0]
NOTHING = {"emotion": torch.full_like(LABELS, -100)}


def softmax(x, temperature):
    shares = [math.exp(each / temperature) for each in x]
    return [share / sum(shares) for share in shares]


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_self_distillation_is_the_divergence_by_hand(temperature):
    logits, auxiliary = draw(ROWS, 3), draw(ROWS, 2, 3, seed=1)
    total = 0.0
    for row in KNOWN:
        p = softmax(logits[row].tolist(), temperature)
        for answer in auxiliary[row].tolist():
            q = softmax(answer, temperature)
            total += sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))
    loss = SelfDistillation("emotion", INFO, temperature=temperature)
    found = loss(outputs_of(logits, auxiliary=auxiliary), {"emotion": LABELS})
    assert found.item() == pytest.approx(temperature**2 * total / len(KNOWN), abs=1e-9)
    assert torch.autograd.grad(found, [logits, auxiliary], allow_unused=True)[0] is None
    check_gradients(lambda x: loss(outputs_of(logits, auxiliary=x), {"emotion": LABELS}), auxiliary)


def test_self_distillation_is_done_where_all_answers_are_alike():
    logits = draw(ROWS, 3)
    auxiliary = torch.stack([logits, logits + 5], 1)
    found = SelfDistillation("emotion", INFO)(outputs_of(logits, auxiliary=auxiliary), {"emotion": LABELS})
    assert found.item() == pytest.approx(0.0, abs=1e-9)


def test_feature_distillation_is_the_distance_by_hand():
    loss = FeatureDistillation("emotion", INFO, WIDTHS).double()
    embedding, teachers = draw(ROWS, 5), made_teachers()
    total = 0.0
    for project, (run, width) in zip(loss.project, TEACHERS.items(), strict=True):
        for row in KNOWN:
            wanted = teachers[run].embeddings["emotion"][row].tolist()
            for unit in range(width):
                given = sum(w * x for w, x in zip(project.weight[unit].tolist(), embedding[row].tolist(), strict=True))
                total += (given + project.bias[unit].item() - wanted[unit]) ** 2 / width
    found = loss(outputs_of(draw(ROWS, 3), embedding, teachers=teachers), {"emotion": LABELS})
    assert found.item() == pytest.approx(total / len(KNOWN) / 2, abs=1e-9)
    weights = list(loss.parameters())

    def of(x, *_):
        return loss(outputs_of(draw(ROWS, 3), x, teachers=teachers), {"emotion": LABELS})

    check_gradients(of, embedding, *weights)


def test_a_teacher_of_another_target_has_no_embedding():
    widths = Widths(5, {}, {}, {"runs/far": TeacherWidths({"mood": 3}, {"mood": 4})})
    with pytest.raises(InputError, match="target: runs/far does not predict 'emotion'"):
        FeatureDistillation("emotion", INFO, widths)


def distance(a, b):
    return math.sqrt(sum((x - y) ** 2 for x, y in zip(a, b, strict=True)))


def relative(vectors):
    pairs = {(i, j): distance(vectors[i], vectors[j]) for i in KNOWN for j in KNOWN if i != j}
    mean = sum(pairs.values()) / len(pairs)
    return {pair: apart / mean for pair, apart in pairs.items()}


def test_relation_distillation_pair_by_pair():
    embedding, teachers = (3 * draw(ROWS, 5)).detach().requires_grad_(), made_teachers()
    total, mine = 0.0, relative(embedding.tolist())
    for teacher in teachers.values():
        wanted = relative(teacher.embeddings["emotion"].tolist())
        for pair, given in mine.items():
            apart = abs(given - wanted[pair])
            total += (apart**2 / 2 if apart <= 1 else apart - 0.5) / len(mine)
    loss = RelationDistillation("emotion", INFO)

    def of(x):
        return loss(outputs_of(draw(ROWS, 3), x, teachers=teachers), {"emotion": LABELS})

    assert of(embedding).item() == pytest.approx(total / 2, abs=1e-9)
    check_gradients(of, embedding)


def test_relations_do_not_depend_on_scale_and_rotation():
    """A student whose embeddings are the teacher's, turned and scaled, has nothing to learn."""
    teachers = {"runs/one": TeacherOutput({}, {"emotion": draw(ROWS, 5).detach()})}
    turn, _ = torch.linalg.qr(draw(5, 5, seed=3).detach())
    embedding = 7 * teachers["runs/one"].embeddings["emotion"] @ turn + 2
    loss = RelationDistillation("emotion", INFO)
    found = loss(outputs_of(draw(ROWS, 3), embedding, teachers=teachers), {"emotion": LABELS})
    assert found.item() == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("labels", [NOTHING, {"emotion": torch.where(torch.arange(ROWS) == 0, 1, -100)}])
def test_relations_of_fewer_than_two_utterances_are_none(labels):
    embedding = draw(ROWS, 5)
    found = RelationDistillation("emotion", INFO)(
        outputs_of(draw(ROWS, 3), embedding, teachers=made_teachers()), labels
    )
    (gradient,) = torch.autograd.grad(found, embedding)
    assert found.item() == 0.0
    assert not gradient.any()


@pytest.mark.parametrize(
    ("recipe", "options"),
    [
        ("baselines/mvn_meld", ()),  # a whole model
        ("baselines/bc_lstm_meld", ()),  # a head of a composed one
        ("multiemo_meld", ("head.emotion={use='auxiliary-linear'}",)),  # a head that reads the views of a fusion
    ],
)
def test_auxiliary_answers_of_any_model_are_distilled(recipe, options, cli):
    words = ("data.use=simulated", "data.conversations=12", "loss.self-distillation.weight=0.1", *options)
    ended = cli("validate", recipe, *words)
    assert ended.code == 0, ended.err
    assert "[loss.self-distillation] has no effect" not in ended.out + ended.err


def test_a_model_without_auxiliary_answers_is_refused(cli, tiny_recipe):
    cli("validate", tiny_recipe(), "loss.self-distillation={}").check(
        2, "[loss.self-distillation]: needs 'auxiliary', which this model does not return"
    )
