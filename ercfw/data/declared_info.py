"""Describe the data of a recipe without reading its streams, and without the data if it is missing."""

from collections.abc import Mapping
from dataclasses import replace

from ercfw.contract.data_info import DataInfo, ModalitySpec, StreamKind, TargetSpec
from ercfw.contract.interfaces import Dataset, Extractor
from ercfw.data.label_form import check_label_form, declared_targets
from ercfw.data.load import read_dataset
from ercfw.data.train_statistics import make_data_info
from ercfw.errors import with_warnings
from ercfw.recipe.schema import Recipe
from ercfw.registry.make import make_part
from ercfw.registry.resolve import ResolvedPart

STAND_IN_WIDTHS = (8, 12)
STAND_IN_CLASSES = (("a", "b", "c"), ("a", "b", "c", "d", "e"))


def training_info(part: ResolvedPart[Dataset]) -> tuple[Dataset, DataInfo, tuple[str, ...]]:
    """Return the dataset of a recipe, the data info without streams, and the warnings of reading it.

    Raises:
        InputError: the data is missing or damaged.
    """
    dataset, warnings = read_dataset(part)
    with with_warnings(warnings):
        targets = declared_targets(dataset.targets)
        train = dataset.split("train")
        check_label_form(train, targets)
        info = make_data_info([replace(c, streams={}) for c in train], targets)
    return dataset, info, warnings


def stand_in_info(
    recipe: Recipe, extractors: Mapping[str, ResolvedPart[Extractor]], width: int, classes: tuple[str, ...]
) -> DataInfo:
    """Return made-up data info, for when the data is missing."""
    spec = TargetSpec(classes, (1,) * len(classes))
    targets = dict.fromkeys(recipe.head or ("emotion",), spec)
    return DataInfo(targets, promised_streams(recipe, extractors, width), 2)


def promised_streams(
    recipe: Recipe, extractors: Mapping[str, ResolvedPart[Extractor]], stand_in: int
) -> dict[str, ModalitySpec]:
    """Return streams with the widths that their extractors promise, or with the stand-in's width."""
    streams = {}
    for name in recipe.data.modalities:
        if name in extractors:
            extractor = make_part(extractors[name])
            streams[name] = _without_statistics(extractor.kind, extractor.dim)
        else:
            streams[name] = _without_statistics("vector", stand_in)
    return streams


def _without_statistics(kind: StreamKind, dim: int) -> ModalitySpec:
    """Return the description of a stream with a mean of 0 and a standard deviation of 1; tokens have neither."""
    if kind == "tokens":
        return ModalitySpec(kind, dim)
    return ModalitySpec(kind, dim, 1, (0.0,) * dim, (1.0,) * dim)
