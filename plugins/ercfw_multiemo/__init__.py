"""MultiEMO (Shi and Huang, ACL 2023): its visual features, fusion, classifier and losses.

Its context, DialogueRNN, is ``dialogue-rnn`` of the basics, for the baseline of that name uses it too.
"""

from ercfw import Extractor, FusionBlock, Head, Loss, Quoted, hookimpl
from ercfw_multiemo.head import MultiEMOHead
from ercfw_multiemo.multiattn import MultiAttn
from ercfw_multiemo.reported import REPORTED
from ercfw_multiemo.soft_hgr import SoftHGR
from ercfw_multiemo.swfc import SWFC
from ercfw_multiemo.visextnet import VisExtNet


@hookimpl
def provide_extractors() -> dict[str, type[Extractor]]:
    """VisExtNet, section 3.1."""
    return {"visextnet": VisExtNet}


@hookimpl
def provide_fusions() -> dict[str, type[FusionBlock]]:
    """MultiAttn, equations 2-13."""
    return {"multiattn": MultiAttn}


@hookimpl
def provide_heads() -> dict[str, type[Head]]:
    """The classifier, equations 14-16."""
    return {"multiemo": MultiEMOHead}


@hookimpl
def provide_losses() -> dict[str, type[Loss]]:
    """SWFC, equations 18-19, and Soft-HGR, equation 20."""
    return {"soft-hgr": SoftHGR, "swfc": SWFC}


@hookimpl
def quote_scores() -> tuple[Quoted, ...]:
    """Tables 1 and 2."""
    return REPORTED
