"""ercfw: a plugin framework for multimodal emotion recognition in conversations.

The names here are what a plugin is made of, and the calls that train, compare and predict. They are loaded when
first used, so that the command line starts without torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ercfw.contract.batch import Batch, HeadOutput, Inputs, Layout, Outputs, Rows, Stream, labelled
    from ercfw.contract.conversation import UNLABELLED, Clip, Conversation, ConversationStream
    from ercfw.contract.data_info import DataInfo, ModalitySpec, TargetSpec
    from ercfw.contract.feature_table import FeatureTable
    from ercfw.contract.hooks import hookimpl
    from ercfw.contract.interfaces import (
        Broken,
        ClipExtractor,
        Context,
        Dataset,
        Encoder,
        Extractor,
        FileLayout,
        Fused,
        FusionBlock,
        Head,
        Loss,
        Metric,
        Model,
        Provenance,
    )
    from ercfw.errors import BrokenClipError, ErcfwError, InputError, Mistake, RunError
    from ercfw.exchange.published import Published
    from ercfw.experiment.api import ablate, compare, run, write_report
    from ercfw.predict import TrainedModel, load
    from ercfw.results.comparison.reported_scores import Quoted

__version__ = "0.1.0"

_HOME = {
    "contract.batch": ("Batch", "HeadOutput", "Inputs", "Layout", "Outputs", "Rows", "Stream", "labelled"),
    "contract.conversation": ("UNLABELLED", "Clip", "Conversation", "ConversationStream"),
    "errors": ("BrokenClipError", "ErcfwError", "InputError", "Mistake", "RunError"),
    "exchange.published": ("Published",),
    "experiment.api": ("ablate", "compare", "run", "write_report"),
    "contract.feature_table": ("FeatureTable",),
    "contract.hooks": ("hookimpl",),
    "contract.data_info": ("DataInfo", "ModalitySpec", "TargetSpec"),
    "contract.interfaces": (
        "Broken", "ClipExtractor", "Context", "Dataset", "Encoder", "Extractor", "FileLayout", "Fused",
        "FusionBlock", "Head", "Loss", "Metric", "Model", "Provenance",
    ),
    "predict": ("TrainedModel", "load"),
    "results.comparison.reported_scores": ("Quoted",),
}  # fmt: skip
_MODULE = {name: module for module, names in _HOME.items() for name in names}

__all__ = [
    "UNLABELLED", "Batch", "Broken", "BrokenClipError", "Clip", "ClipExtractor", "Context", "Conversation",
    "ConversationStream", "DataInfo", "Dataset", "Encoder", "ErcfwError", "Extractor", "FeatureTable", "FileLayout",
    "Fused", "FusionBlock", "Head", "HeadOutput", "InputError", "Inputs", "Layout", "Loss", "Metric", "Mistake",
    "ModalitySpec", "Model", "Outputs", "Provenance", "Published", "Quoted", "Rows", "RunError", "Stream", "TargetSpec",
    "TrainedModel", "ablate", "compare", "hookimpl", "labelled", "load", "run", "write_report",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _MODULE:
        raise AttributeError(f"module 'ercfw' has no attribute '{name}'")
    return getattr(import_module(f"ercfw.{_MODULE[name]}"), name)
