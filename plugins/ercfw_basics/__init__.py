"""Basic parts that ship with ercfw and that most recipes use."""

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from ercfw import Callback, Context, Encoder, Extractor, FusionBlock, Head, Loss, Metric, Sampler, hookimpl
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
from ercfw_basics.extra_loss import ExtraLoss
from ercfw_basics.feature_distillation import FeatureDistillation
from ercfw_basics.fusions import Concat, GatedSum, Sum
from ercfw_basics.heads import AuxiliaryLinearHead, LinearHead, MLPHead
from ercfw_basics.identity import NoContext
from ercfw_basics.label_losses import BCE, SoftCrossEntropy
from ercfw_basics.metrics import classes, labels, numbers, sentiment, soft
from ercfw_basics.metrics.with_options import Kappa, MicroF1
from ercfw_basics.mixup import Mixup, MixupCrossEntropy
from ercfw_basics.number_losses import CCC, MAE, MSE, Huber
from ercfw_basics.ordinal import Ordinal, OrdinalHead
from ercfw_basics.r_drop import RDrop
from ercfw_basics.recurrent import GRUContext, LSTMContext
from ercfw_basics.relation_distillation import RelationDistillation
from ercfw_basics.self_distillation import SelfDistillation
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
from ercfw_basics.vib import VariationalBottleneck
from ercfw_basics.view_cross_entropy import ViewCrossEntropy

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
    """Return the contexts: none, recurrent networks, a transformer, DialogueRNN, and mixup."""
    return {
        "none": NoContext,
        "gru": GRUContext,
        "lstm": LSTMContext,
        "transformer": TransformerContext,
        "dialogue-rnn": DialogueRNN,
        "mixup": Mixup,
    }


@hookimpl
def provide_fusions() -> dict[str, type[FusionBlock]]:
    """Return the fusions: per utterance, and across the conversation."""
    return {
        "concat": Concat,
        "sum": Sum,
        "gated-sum": GatedSum,
        "cross-modal-transformer": CrossModalTransformer,
        "vib": VariationalBottleneck,
    }


@hookimpl
def provide_heads() -> dict[str, type[Head]]:
    """Return the heads for all kinds of targets, and that for classes with an order."""
    return {"linear": LinearHead, "mlp": MLPHead, "ordinal": OrdinalHead, "auxiliary-linear": AuxiliaryLinearHead}


@hookimpl
def provide_losses() -> dict[str, type[Loss]]:
    """Return the losses on logits, on embeddings and on extras."""
    return {
        "cross-entropy": CrossEntropy,
        "distillation": Distillation,
        "auxiliary-cross-entropy": AuxiliaryCrossEntropy,
        "extra": ExtraLoss,
        "feature-distillation": FeatureDistillation,
        "focal": Focal,
        "mixup-cross-entropy": MixupCrossEntropy,
        "r-drop": RDrop,
        "relation-distillation": RelationDistillation,
        "self-distillation": SelfDistillation,
        "supcon": SupCon,
        "view-cross-entropy": ViewCrossEntropy,
        "ordinal": Ordinal,
        "soft-cross-entropy": SoftCrossEntropy,
        "bce": BCE,
        "mse": MSE,
        "mae": MAE,
        "huber": Huber,
        "ccc": CCC,
    }


@hookimpl
def provide_metrics() -> dict[str, Metric | type[Metric]]:
    """Return the metrics that the field reports."""
    return {
        "weighted-f1": classes.weighted_f1,
        "macro-f1": classes.macro_f1,
        "f1": classes.f1,
        "accuracy": classes.accuracy,
        "unweighted-accuracy": classes.unweighted_accuracy,
        "micro-f1": MicroF1,
        "kappa": Kappa,
        "mae": numbers.mae,
        "rmse": numbers.rmse,
        "pearson": numbers.pearson,
        "ccc": numbers.ccc,
        "acc-7": sentiment.acc_7,
        "acc-5": sentiment.acc_5,
        "acc-3": sentiment.acc_3,
        "acc-2-has0": sentiment.acc_2_has0,
        "acc-2-non0": sentiment.acc_2_non0,
        "f1-has0": sentiment.f1_has0,
        "f1-non0": sentiment.f1_non0,
        "label-f1": labels.label_f1,
        "label-macro-f1": labels.label_macro_f1,
        "label-micro-f1": labels.label_micro_f1,
        "exact-match": labels.exact_match,
        "map": labels.mean_average_precision,
        "soft-cross-entropy": soft.soft_cross_entropy,
        "jensen-shannon": soft.jensen_shannon,
        "share-error": soft.share_error,
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
