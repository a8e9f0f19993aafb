"""ercfw: a plugin framework for multimodal emotion recognition in conversations.

The names here are what a plugin is made of. They are loaded when first used, so that the command line
starts without torch.
"""

import warnings
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ercfw.system.version import VERSION

if TYPE_CHECKING:
    from ercfw.contract.batch import (
        Batch,
        HeadOutput,
        Inputs,
        Layout,
        Outputs,
        Rows,
        Stream,
        TeacherOutput,
        labelled,
        values_of,
    )
    from ercfw.contract.conversation import (
        SPLITS,
        UNLABELLED,
        Clip,
        Conversation,
        ConversationStream,
        ConversationTeacher,
        Split,
        UtteranceId,
    )
    from ercfw.contract.data_info import DataInfo, ModalitySpec, StreamKind, TargetSpec
    from ercfw.contract.deprecated import ExperimentalWarning
    from ercfw.contract.feature_table import FeatureTable, FittedOn, read_features
    from ercfw.contract.file_format import FileFormat
    from ercfw.contract.hooks import PLUGIN_API, hookimpl
    from ercfw.contract.interfaces import (
        Broken,
        ClipExtractor,
        Context,
        Dataset,
        Encoder,
        Extractor,
        FusionBlock,
        Head,
        Loss,
        Model,
    )
    from ercfw.contract.metric import CORRELATION, ERROR, SHARE, Metric, Scale, ScoredRows, metric
    from ercfw.contract.option_types import Rate, Size
    from ercfw.contract.optional_parts import (
        SupportsCues,
        SupportsCutTexts,
        SupportsExplain,
        SupportsObserve,
        SupportsParameterGroups,
        SupportsParameterLayers,
        SupportsSilence,
        SupportsSource,
        SupportsTogether,
        SupportsViews,
    )
    from ercfw.contract.part_outputs import ContextOutput, Fused
    from ercfw.contract.provenance import Provenance
    from ercfw.contract.public_file import PublicFile
    from ercfw.contract.published_features import Key, Published, PublishedFrames, PublishedScores
    from ercfw.contract.reported_scores import Quoted
    from ercfw.contract.targets import Target, TargetForm, TargetKind, hard_labels, has_label
    from ercfw.contract.training_parts import Callback, Sampler, TrainingView
    from ercfw.contract.widths import TeacherWidths, Widths
    from ercfw.data.tables.rows import TableRow, read_table
    from ercfw.data.tables.text import read_text
    from ercfw.data.tables.utterances import Utterance, to_conversations
    from ercfw.errors import (
        BrokenClipError,
        ErcfwError,
        InputError,
        Mistake,
        RunError,
        cause_of,
        did_you_mean,
        missing_library,
    )
    from ercfw.experiment.api import ablate, compare, run, write_report
    from ercfw.predict import TrainedModel, load
    from ercfw.results.cross_fit_runs import runs_without_parts
    from ercfw.results.finished_run import FinishedRun
    from ercfw.results.run_metrics import RunMetrics
    from ercfw.system.files import is_file, is_folder, replacing, sha256
    from ercfw.system.user_folders import cache_folder

__version__ = VERSION

_HOME = {
    "contract.batch": (
        "Batch", "HeadOutput", "Inputs", "Layout", "Outputs", "Rows", "Stream", "TeacherOutput",
        "labelled", "values_of",
    ),
    "contract.conversation": (
        "SPLITS", "UNLABELLED", "Clip", "Conversation", "ConversationStream", "ConversationTeacher", "Split",
        "UtteranceId",
    ),
    "contract.data_info": ("DataInfo", "ModalitySpec", "StreamKind", "TargetSpec"),
    "contract.deprecated": ("ExperimentalWarning",),
    "contract.feature_table": ("FeatureTable", "FittedOn", "read_features"),
    "contract.file_format": ("FileFormat",),
    "contract.hooks": ("PLUGIN_API", "hookimpl"),
    "contract.interfaces": (
        "Broken", "ClipExtractor", "Context", "Dataset", "Encoder", "Extractor", "FusionBlock", "Head", "Loss",
        "Model",
    ),
    "contract.metric": ("CORRELATION", "ERROR", "SHARE", "Metric", "Scale", "ScoredRows", "metric"),
    "contract.option_types": ("Rate", "Size"),
    "contract.optional_parts": (
        "SupportsCues", "SupportsCutTexts", "SupportsExplain", "SupportsObserve", "SupportsParameterGroups",
        "SupportsParameterLayers", "SupportsSilence", "SupportsSource", "SupportsTogether", "SupportsViews",
    ),
    "contract.part_outputs": ("ContextOutput", "Fused"),
    "contract.provenance": ("Provenance",),
    "contract.public_file": ("PublicFile",),
    "contract.published_features": ("Key", "Published", "PublishedFrames", "PublishedScores"),
    "contract.reported_scores": ("Quoted",),
    "contract.targets": ("Target", "TargetForm", "TargetKind", "hard_labels", "has_label"),
    "contract.training_parts": ("Callback", "Sampler", "TrainingView"),
    "contract.widths": ("TeacherWidths", "Widths"),
    "data.tables.rows": ("TableRow", "read_table"),
    "data.tables.text": ("read_text",),
    "data.tables.utterances": ("Utterance", "to_conversations"),
    "errors": (
        "BrokenClipError", "ErcfwError", "InputError", "Mistake", "RunError", "cause_of", "did_you_mean",
        "missing_library",
    ),
    "experiment.api": ("ablate", "compare", "run", "write_report"),
    "predict": ("TrainedModel", "load"),
    "results.cross_fit_runs": ("runs_without_parts",),
    "results.finished_run": ("FinishedRun",),
    "results.run_metrics": ("RunMetrics",),
    "system.files": ("is_file", "is_folder", "replacing", "sha256"),
    "system.user_folders": ("cache_folder",),
}  # fmt: skip
_MODULE = {name: module for module, names in _HOME.items() for name in names}

__all__ = [
    "CORRELATION", "ERROR", "PLUGIN_API", "SHARE", "SPLITS", "UNLABELLED", "Batch", "Broken", "BrokenClipError",
    "Callback", "Clip", "ClipExtractor", "Context", "ContextOutput", "Conversation", "ConversationStream",
    "ConversationTeacher", "DataInfo", "Dataset", "Encoder", "ErcfwError", "ExperimentalWarning", "Extractor",
    "FeatureTable", "FileFormat", "FinishedRun", "FittedOn", "Fused", "FusionBlock", "Head", "HeadOutput", "InputError",
    "Inputs", "Key", "Layout", "Loss", "Metric", "Mistake", "ModalitySpec", "Model", "Outputs", "Provenance",
    "PublicFile", "Published", "PublishedFrames", "PublishedScores", "Quoted", "Rate", "Rows", "RunError", "RunMetrics",
    "Sampler", "Scale", "ScoredRows", "Size", "Split", "Stream", "StreamKind", "SupportsCues", "SupportsCutTexts",
    "SupportsExplain", "SupportsObserve", "SupportsParameterGroups", "SupportsParameterLayers", "SupportsSilence",
    "SupportsSource", "SupportsTogether", "SupportsViews", "TableRow", "Target", "TargetForm", "TargetKind",
    "TargetSpec", "TeacherOutput", "TeacherWidths", "TrainedModel", "TrainingView", "Utterance", "UtteranceId",
    "Widths", "ablate", "cache_folder", "cause_of", "compare", "did_you_mean", "hard_labels", "has_label", "hookimpl",
    "is_file", "is_folder", "labelled", "load", "metric", "missing_library", "read_features", "read_table", "read_text",
    "replacing", "run", "runs_without_parts", "sha256", "to_conversations", "values_of", "write_report",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name == "FileLayout":
        from ercfw.contract.former_names import former_name

        name = "FileFormat"
        warnings.warn(former_name("ercfw.FileLayout", instead="ercfw.FileFormat"), stacklevel=2)
    if name not in _MODULE:
        raise AttributeError(f"module 'ercfw' has no attribute '{name}'")
    return getattr(import_module(f"ercfw.{_MODULE[name]}"), name)


def __dir__() -> list[str]:
    """Return the public names, whether they are loaded yet or not; completion shows these."""
    return sorted([*__all__, *(name for name in globals() if name.startswith("__"))])
