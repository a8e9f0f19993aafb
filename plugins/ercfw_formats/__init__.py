"""Layouts of the feature files of well-known repositories: MultiEMO, MMGCN, SDT, COSMIC, M3Net and M2FNet."""

from ercfw import FileLayout, hookimpl
from ercfw_layouts.cosmic import Cosmic
from ercfw_layouts.m2fnet import M2FNet
from ercfw_layouts.m3net import M3Net
from ercfw_layouts.mmgcn import Mmgcn
from ercfw_layouts.multiemo import MultiEmo
from ercfw_layouts.sdt import Sdt


@hookimpl
def provide_layouts() -> dict[str, type[FileLayout]]:
    """Return the layouts, each by the name of the project that made it known."""
    return {"multiemo": MultiEmo, "mmgcn": Mmgcn, "sdt": Sdt, "cosmic": Cosmic, "m3net": M3Net, "m2fnet": M2FNet}
