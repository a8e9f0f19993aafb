"""MultiEMO (Shi and Huang, ACL 2023): its visual features, fusion, classifier and losses.

Its context is ``dialogue-rnn`` of the plugin ``basics``, because the baseline DialogueRNN uses it too.
"""

from ercfw import Extractor, FusionBlock, Head, Loss, Quoted, hookimpl
from ercfw_multiemo.head import MultiEMOHead
from ercfw_multiemo.multiattn import MultiAttn
from ercfw_multiemo.reported import BY_MODALITIES, REPORTED
from ercfw_multiemo.soft_hgr import SoftHGR
from ercfw_multiemo.swfc import SWFC
from ercfw_multiemo.visextnet import VisExtNet


@hookimpl
def provide_extractors() -> dict[str, type[Extractor]]:
    """Return VisExtNet, section 3.1 of the paper."""
    return {"visextnet": VisExtNet}


@hookimpl
def provide_fusions() -> dict[str, type[FusionBlock]]:
    """Return MultiAttn, equations 2-13 of the paper."""
    return {"multiattn": MultiAttn}


@hookimpl
def provide_heads() -> dict[str, type[Head]]:
    """Return the classifier, equations 14-16 of the paper."""
    return {"multiemo": MultiEMOHead}


@hookimpl
def provide_losses() -> dict[str, type[Loss]]:
    """Return SWFC, equations 18-19 of the paper, and Soft-HGR, equation 20."""
    return {"soft-hgr": SoftHGR, "swfc": SWFC}


@hookimpl
def quote_scores() -> tuple[Quoted, ...]:
    """Return the scores of tables 1 to 3 of the paper."""
    return (*REPORTED, *BY_MODALITIES)
