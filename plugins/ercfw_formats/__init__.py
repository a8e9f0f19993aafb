"""Formats of the feature files of well-known repositories, such as those of MultiEMO, MMGCN, SDT and COSMIC."""

from ercfw import FileFormat, hookimpl
from ercfw_formats.cosmic import Cosmic
from ercfw_formats.m2fnet import M2FNet
from ercfw_formats.m3net import M3Net
from ercfw_formats.mmgcn import Mmgcn
from ercfw_formats.mmsa import Mmsa
from ercfw_formats.multiemo import MultiEmo
from ercfw_formats.sdt import Sdt
from ercfw_formats.speechcuellm import SpeechCueLlm


@hookimpl
def provide_formats() -> dict[str, type[FileFormat]]:
    """Return the formats, each by the name of the project that made it known."""
    return {
        "multiemo": MultiEmo,
        "mmgcn": Mmgcn,
        "sdt": Sdt,
        "cosmic": Cosmic,
        "m3net": M3Net,
        "m2fnet": M2FNet,
        "mmsa": Mmsa,
        "speechcuellm": SpeechCueLlm,
    }
