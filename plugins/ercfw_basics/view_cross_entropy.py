"""Cross-entropy of classifiers that the loss itself has, one for the view of each modality."""

import torch
from torch import Tensor, nn

from ercfw import DataInfo, Outputs, Widths
from ercfw_basics.blocks.class_weights import ClassWeights, weighted_mean
from ercfw_basics.blocks.products import Linear
from ercfw_basics.cross_entropy import WeighedLoss


class ViewCrossEntropy(WeighedLoss):
    """Sum over the modalities of the cross-entropy of a linear classifier of the modality's view.

    An auxiliary task (Caruana, 1997): each view alone must predict the label. The classifiers belong to the loss, and
    are not needed for predictions. The cross-entropy of a modality is averaged over labelled rows that have it; with
    class weights, it is the weighted mean::

        loss = sum_m mean over i of -log softmax(W_m view_m,i + b_m)[label_i]

    Options:
        class_weights: ``none``; ``balanced``, which is N / (C n_c) of the training split; or one number per class, in
            the order of the classes.

    Raises:
        InputError: if there is not one class weight per class, or all are zero.
    """

    requires = ("views",)

    def __init__(self, target: str, info: DataInfo, widths: Widths, *, class_weights: ClassWeights = "none") -> None:
        super().__init__(target, info, class_weights)
        classes = len(info.targets[target].classes)
        self.classify = nn.ModuleDict({name: Linear(dim, classes) for name, dim in widths.views.items()})

    def forward(self, outputs: Outputs, targets: dict[str, Tensor]) -> Tensor:
        """Return the loss ``[]``; 0 if nothing is labelled."""
        label = targets[self.target].clamp_min(0).unsqueeze(-1)  # [N, 1]
        of_row = self.row_weights(targets)  # [N]
        found = []
        for name, classify in self.classify.items():
            logits = classify(outputs.views[name].to(next(classify.parameters()).dtype))  # [N, C]
            losses = -logits.log_softmax(-1).gather(-1, label).squeeze(-1)  # [N]
            weights = (of_row * outputs.present[name]).to(losses.dtype)  # [N]
            found.append(weighted_mean(weights * losses, weights))
        return torch.stack(found).sum()  # []
