"""Basic parts that ship with ercfw and that most recipes use."""

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from ercfw import Callback, Context, Encoder, Extractor, FusionBlock, Head, Loss, Metric, Sampler, hookimpl
from ercfw_basics import metrics
from ercfw_basics.blocks.attention import ConversationAttention, FeedForward
from ercfw_basics.blocks.attention_mask import AttentionMask
from ercfw_basics.blocks.class_weights import ClassWeights, class_weights, weighted_mean
from ercfw_basics.blocks.contrastive import contrast
from ercfw_basics.blocks.mlp import mlp
from ercfw_basics.blocks.precision import at_least_float32
from ercfw_basics.blocks.products import Linear, fill_up, multiply, multiply_rows
from ercfw_basics.blocks.transformer_layer import TransformerLayer, sinusoids
from ercfw_basics.cross_entropy import AuxiliaryCrossEntropy, CrossEntropy, Focal
from ercfw_basics.cross_modal import CrossModalTransformer
from ercfw_basics.dialogue_rnn import DialogueRNN
from ercfw_basics.distillation import Distillation
from ercfw_basics.encoders import IdentityEncoder, LinearEncoder, MLPEncoder
from ercfw_basics.fusions import Concat, GatedSum, Sum
from ercfw_basics.heads import LinearHead, MLPHead
from ercfw_basics.identity import NoContext
from ercfw_basics.recurrent import GRUContext, LSTMContext
from ercfw_basics.supcon import SupCon
from ercfw_basics.trained_encoder import TrainedEncoder
from ercfw_basics.training.early_stopping import EarlyStopping
from ercfw_basics.training.fgm import FGM
from ercfw_basics.training.freeze import Freeze
from ercfw_basics.training.gradient_noise import GradientNoise
from ercfw_basics.training.modality_dropout import ModalityDropout
from ercfw_basics.training.sam import SAM
from ercfw_basics.training.samplers import Balanced, Curriculum, Shuffle
from ercfw_basics.training.torch_optimizers import torch_optimizers
from ercfw_basics.training.torch_schedules import torch_schedules
from ercfw_basics.training.weight_averages import EMA, SWA
from ercfw_basics.transformer import SpeakerEmbedding, TransformerContext

__all__ = [
    "AttentionMask",
    "ClassWeights",
    "ConversationAttention",
    "FeedForward",
    "GRUContext",
    "LSTMContext",
    "Linear",
    "SpeakerEmbedding",
    "TransformerLayer",
    "at_least_float32",
    "class_weights",
    "contrast",
    "fill_up",
    "mlp",
    "multiply",
    "multiply_rows",
    "sinusoids",
    "weighted_mean",
]
"""Building blocks for other plugins; recipes refer to the parts themselves by name."""


@hookimpl
def provide_extractors() -> dict[str, type[Extractor]]:
    """Return the extractor that reuses the encoder of a finished run."""
    return {"trained-encoder": TrainedEncoder}


@hookimpl
def provide_encoders() -> dict[str, type[Encoder]]:
    """Return the encoders of numeric features."""
    return {"identity": IdentityEncoder, "linear": LinearEncoder, "mlp": MLPEncoder}


@hookimpl
def provide_contexts() -> dict[str, type[Context]]:
    """Return the contexts: none, recurrent networks, a transformer, and DialogueRNN."""
    return {
        "none": NoContext,
        "gru": GRUContext,
        "lstm": LSTMContext,
        "transformer": TransformerContext,
        "dialogue-rnn": DialogueRNN,
    }


@hookimpl
def provide_fusions() -> dict[str, type[FusionBlock]]:
    """Return the fusions: per utterance, and across the conversation."""
    return {
        "concat": Concat,
        "sum": Sum,
        "gated-sum": GatedSum,
        "cross-modal-transformer": CrossModalTransformer,
    }


@hookimpl
def provide_heads() -> dict[str, type[Head]]:
    """Return the classification heads."""
    return {"linear": LinearHead, "mlp": MLPHead}


@hookimpl
def provide_losses() -> dict[str, type[Loss]]:
    """Return the losses on logits and on embeddings."""
    return {
        "cross-entropy": CrossEntropy,
        "distillation": Distillation,
        "auxiliary-cross-entropy": AuxiliaryCrossEntropy,
        "focal": Focal,
        "supcon": SupCon,
    }


@hookimpl
def provide_metrics() -> dict[str, Metric]:
    """Return the metrics that the field reports."""
    return {
        "weighted-f1": metrics.weighted_f1,
        "macro-f1": metrics.macro_f1,
        "f1": metrics.f1,
        "accuracy": metrics.accuracy,
        "unweighted-accuracy": metrics.unweighted_accuracy,
    }


@hookimpl
def provide_optimizers() -> dict[str, type[Optimizer]]:
    """Return the optimisers of torch."""
    return torch_optimizers()


@hookimpl
def provide_schedules() -> dict[str, type[LRScheduler]]:
    """Return the schedules of torch."""
    return torch_schedules()


@hookimpl
def provide_samplers() -> dict[str, type[Sampler]]:
    """Return the samplers: random order, rare classes more often, and easy conversations first."""
    return {"shuffle": Shuffle, "balanced": Balanced, "curriculum": Curriculum}


@hookimpl
def provide_callbacks() -> dict[str, type[Callback]]:
    """Return the callbacks."""
    return {
        "ema": EMA,
        "swa": SWA,
        "sam": SAM,
        "early-stopping": EarlyStopping,
        "freeze": Freeze,
        "gradient-noise": GradientNoise,
        "fgm": FGM,
        "modality-dropout": ModalityDropout,
    }
