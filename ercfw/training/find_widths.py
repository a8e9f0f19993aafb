"""Find the widths of a model's outputs, for losses with layers of their own."""

from collections.abc import Mapping

from ercfw.contract.data_info import DataInfo
from ercfw.contract.interfaces import Loss, Model
from ercfw.contract.widths import TeacherWidths, Widths
from ercfw.model.losses import takes_widths
from ercfw.registry.resolve import ResolvedPart
from ercfw.training.dry_run import NO_TEACHERS, made_up_outputs


def find_widths(
    model: Model,
    losses: Mapping[str, ResolvedPart[Loss]],
    info: DataInfo,
    teachers: Mapping[str, TeacherWidths] = NO_TEACHERS,
) -> dict[str, Widths]:
    """Return the widths that a loss of each target reads; nothing if no loss takes them.

    They are found with one pass of a copy of the model over made-up utterances. Torch's generator keeps its state.

    Raises:
        InputError: an output of the model does not have the declared shape.
        RunError: the code of a part failed.
    """
    if not any(takes_widths(loss.component.factory) for loss in losses.values()):
        return {}
    outputs = made_up_outputs(model, info)
    views = {name: view.shape[-1] for name, view in outputs.views.items()}
    extras = {name: tuple(extra.shape[1:]) for name, extra in outputs.extras.items()}
    return {target: Widths(head.embedding.shape[-1], views, extras, teachers) for target, head in outputs.heads.items()}
