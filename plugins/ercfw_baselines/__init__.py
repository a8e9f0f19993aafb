"""The methods that MultiEMO's tables compare it with, one file per paper, on the same data under the same protocol."""

from ercfw import Context, Extractor, FusionBlock, Head, Loss, Model, hookimpl
from ercfw_baselines.bc_lstm import BCLSTMHead
from ercfw_baselines.dialogue_gcn import DialogueGCN
from ercfw_baselines.dialogue_gcn_released import DialogueGCNReleased
from ercfw_baselines.iterative_erc import IterativeHead
from ercfw_baselines.matching import MatchingHead
from ercfw_baselines.mmgcn import MMGCN, MMGCNFocal, MMGCNHead
from ercfw_baselines.mvn import MVN
from ercfw_baselines.pmf import InfoNCE
from ercfw_baselines.qmnn import QMNN
from ercfw_baselines.unimse import LabelLikelihood, UniMSE
from ercfw_baselines.unimse_lite import UniMSELite
from ercfw_baselines.words import Words


@hookimpl
def provide_extractors() -> dict[str, type[Extractor]]:
    """Return the extractor of words, which MVN and UniMSE-lite read."""
    return {"words": Words}


@hookimpl
def provide_models() -> dict[str, type[Model]]:
    """Return MVN, whose two views cannot be separated, and UniMSE and its light form, which adapt a text network."""
    return {"mvn": MVN, "unimse": UniMSE, "unimse-lite": UniMSELite}


@hookimpl
def provide_contexts() -> dict[str, type[Context]]:
    """Return the contexts of DialogueGCN, the paper's and the code's; ``basics`` offers that of DialogueRNN."""
    return {"dialogue-gcn": DialogueGCN, "dialogue-gcn-released": DialogueGCNReleased}


@hookimpl
def provide_fusions() -> dict[str, type[FusionBlock]]:
    """Return the fusions of MMGCN and QMNN."""
    return {"mmgcn": MMGCN, "qmnn": QMNN}


@hookimpl
def provide_heads() -> dict[str, type[Head]]:
    """Return the heads of BC-LSTM, of DialogueRNN and DialogueGCN (one for both), of IterativeERC, and of MMGCN."""
    return {
        "bc-lstm": BCLSTMHead,
        "matching-attention": MatchingHead,
        "iterative": IterativeHead,
        "mmgcn": MMGCNHead,
    }


@hookimpl
def provide_losses() -> dict[str, type[Loss]]:
    """Return the loss of MMGCN's released code and the two losses of UniMSE."""
    return {"mmgcn-focal": MMGCNFocal, "info-nce": InfoNCE, "label-likelihood": LabelLikelihood}
