"""Explanations of a finished run: attention weights of its parts, and predictions from each modality alone."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ercfw.contract.batch import Inputs
from ercfw.contract.conversation import Conversation
from ercfw.contract.interfaces import Model
from ercfw.contract.optional_parts import SupportsExplain
from ercfw.contract.provenance import Provenance
from ercfw.data.collate import batches, collate
from ercfw.data.load import load_data, read_dataset
from ercfw.data.missing_modalities import mask_stream
from ercfw.errors import ErcfwError, InputError, RunError, cause_of, in_recipe
from ercfw.model.composed_model import ComposedModel
from ercfw.predict.inference import Values, check_finite, predicted_values
from ercfw.predict.saved_run import SavedRun, read_run
from ercfw.recipe.queries import extracted
from ercfw.registry.resolve import resolve_part
from ercfw.registry.trust import PluginFiles
from ercfw.results.run_folder import RunFolder
from ercfw.system.progress import Progress

T = TypeVar("T")

Maps = dict[str, NDArray[np.float32]]
"""Attention weights of a conversation, ``[U, H, U]``: for each utterance and each of H heads, the weight of every
utterance it reads. The key is a name such as ``fusion.layer-1.text.audio`` (in the first layer, text queries audio)."""


@dataclass(frozen=True)
class Reopened:
    """Finished run with its model and the data that it was scored on.

    Attributes:
        run: the run with its model.
        splits: the conversations of each split, with their streams.
    """

    run: SavedRun
    splits: Mapping[str, Sequence[Conversation]]

    def attention(self, conversations: Sequence[Conversation]) -> Iterator[Maps]:
        """Yield for each conversation the attention of every part that offers ``explain``; {} if no part does.

        Raises:
            RunError: the code of a part failed.
        """
        for batch in batches(conversations, self.run.recipe.data.batch_size):
            inputs = collate(batch).inputs.to(self.run.device)
            found = _as_run_error(partial(attention_of, self.run.network, inputs))
            whole = {name: weights.float().cpu().numpy() for name, weights in found.items()}  # [N, H, U] each
            row = 0
            for conversation in batch:
                rows = slice(row, row := row + len(conversation))
                yield {name: weights[rows, :, : len(conversation)] for name, weights in whole.items()}

    def alone(self, conversations: Sequence[Conversation], modality: str) -> Values:
        """Return the predictions with every other modality removed, ``[N, C]`` per target.

        Raises:
            RunError: the code of a part failed, or a prediction is not a number.
        """
        others = [name for name in self.run.recipe.data.modalities if name != modality]
        bare = [
            conversation.with_streams(
                {
                    name: mask_stream(stream, np.zeros(len(conversation), bool)) if name in others else stream
                    for name, stream in conversation.streams.items()
                }
            )
            for conversation in conversations
        ]
        size = self.run.recipe.data.batch_size
        found = _as_run_error(lambda: predicted_values(self.run, bare, size))
        check_finite(bare, found)
        return found


def reopen(folder: Path, progress: Progress, plugin_files: PluginFiles = PluginFiles.TRUSTED) -> Reopened:
    """Load a finished run together with the data that it was scored on.

    Args:
        folder: the folder of the run.
        progress: called with the progress of the extraction.
        plugin_files: what is done with the run's own plugin files.

    Raises:
        InputError: the run has no model, or the data is not the data that it was scored on.
        RunError: the code of a part failed.
    """
    run = read_run(folder, plugin_files)
    with in_recipe(run.where):
        data_part = resolve_part(run.catalog, "dataset", "data", run.recipe.data)
        dataset, _ = read_dataset(run.places.located_if_there(data_part))
        left = RunFolder(folder, "")

        def check(provenance: Provenance) -> None:
            source = run.places.source_as_written(data_part, provenance.source)
            if changed := left.data_changed(replace(provenance, source=source), run.places.find):
                raise InputError.at(
                    folder, f"was run on other data: {changed}", "start it in the folder in which the run was started"
                )

        check(dataset.provenance)
        extractors = {name: run.extractor(name) for name in extracted(run.recipe)}
        data = load_data(run.recipe, extractors, dataset, progress)
        check(data.provenance)
    return Reopened(run, data.splits)


@torch.inference_mode()
def attention_of(network: Model, inputs: Inputs) -> dict[str, Tensor]:
    """Return the attention weights ``[N, H, U]`` of every part that offers ``explain``, by its table's name."""
    if not isinstance(network, ComposedModel):
        return dict(network.explain(inputs)) if isinstance(network, SupportsExplain) else {}
    found: dict[str, Tensor] = {}

    def note(table: str, part: SupportsExplain, given: tuple[Any, ...]) -> None:
        found.update({f"{table}.{name}": weights for name, weights in part.explain(*given).items()})

    hooks = [
        part.register_forward_pre_hook(partial(note, table))
        for table, part in network.parts()
        if isinstance(part, SupportsExplain)
    ]
    try:
        network(inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return found


def _as_run_error(step: Callable[[], T]) -> T:
    try:
        return step()
    except ErcfwError:
        raise
    except Exception as error:
        raise RunError(f"the model failed: {cause_of(error)}") from error
