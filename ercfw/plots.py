"""The pictures of a run or a variant, each as one call: the public face of ``ercfw.report.plots``."""

from ercfw.report.plots import (
    attention,
    calibration,
    case_card,
    class_distribution,
    class_f1,
    confusion,
    embeddings,
    forest,
    learning_curves,
    save,
)  # fmt: skip

__all__ = [
    "attention", "calibration", "case_card", "class_distribution", "class_f1", "confusion", "embeddings", "forest",
    "learning_curves", "save",
]  # fmt: skip
