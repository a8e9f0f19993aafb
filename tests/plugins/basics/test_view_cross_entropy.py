"""Cross-entropy of the loss's own classifiers of views, beside a loop; head ``auxiliary-linear`` beside its maps."""

import math

import pytest
import torch

from ercfw import InputError
from ercfw_basics.heads import AuxiliaryLinearHead
from ercfw_basics.view_cross_entropy import ViewCrossEntropy
from tests.plugins.basics.made_outputs import INFO, LABELS, ROWS, VIEWS, WIDTHS, check_gradients, draw, outputs_of

PRESENT = {"text": torch.arange(ROWS) != 0, "audio": torch.arange(ROWS) > 3}
BALANCED = [100 / (3 * count) for count in (50, 30, 20)]


def made_views():
    return {name: draw(ROWS, dim, seed=dim) for name, dim in VIEWS.items()}


@pytest.mark.parametrize("class_weights", ["none", "balanced"])
def test_it_is_the_sum_over_modalities_by_hand(class_weights):
    torch.manual_seed(0)
    loss = ViewCrossEntropy("emotion", INFO, WIDTHS, class_weights=class_weights).double()
    views, total = made_views(), 0.0
    for name, view in views.items():
        weight, bias = loss.classify[name].weight.tolist(), loss.classify[name].bias.tolist()
        losses, weights = [], []
        for row, label in enumerate(LABELS.tolist()):
            if label < 0 or not PRESENT[name][row]:
                continue
            logits = [
                sum(a * b for a, b in zip(w, view[row].tolist(), strict=True)) + c
                for w, c in zip(weight, bias, strict=True)
            ]
            weights.append(1.0 if class_weights == "none" else BALANCED[label])
            losses.append(weights[-1] * (math.log(sum(map(math.exp, logits))) - logits[label]))
        total += sum(losses) / sum(weights)

    def of(text, audio, *_):
        outputs = outputs_of(draw(ROWS, 3), views={"text": text, "audio": audio}, present=PRESENT)
        return loss(outputs, {"emotion": LABELS})

    assert of(*views.values()).item() == pytest.approx(total, abs=1e-6)  # class weights are float32
    check_gradients(of, *views.values(), *loss.parameters())


def test_an_utterance_without_a_modality_moves_no_view():
    views = made_views()
    outputs = outputs_of(draw(ROWS, 3), views=views, present=PRESENT)
    ViewCrossEntropy("emotion", INFO, WIDTHS).double()(outputs, {"emotion": LABELS}).backward()
    for name, view in views.items():
        assert not view.grad[~PRESENT[name]].any()
        assert view.grad[PRESENT[name] & (LABELS >= 0)].any(-1).all()


def test_class_weights_of_another_number_are_refused():
    with pytest.raises(InputError, match="class_weights: has 2 numbers for 3 classes"):
        ViewCrossEntropy("emotion", INFO, WIDTHS, class_weights=[1.0, 2.0])


def test_the_head_has_one_map_for_each_view(batch, info):
    torch.manual_seed(0)
    views = {name: stream.values for name, stream in batch.inputs.streams.items()}
    widths = {name: view.shape[1] for name, view in views.items()}
    head = AuxiliaryLinearHead(7, "emotion", info, widths).eval()
    joint = torch.randn(len(batch.ids), 7)
    output = head(joint, batch.inputs, {name: view + 5 for name, view in views.items()})
    torch.testing.assert_close(output.logits, joint @ head.linear.weight.T + head.linear.bias)
    assert torch.equal(output.embedding, joint)
    for place, (name, view) in enumerate(views.items()):
        linear, here = head.auxiliary[name], batch.inputs.streams[name].present.unsqueeze(-1)
        wanted = ((view + 5) * here) @ linear.weight.T + linear.bias
        torch.testing.assert_close(output.auxiliary[:, place], wanted)
