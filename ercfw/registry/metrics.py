"""The metrics that score a run: those without options, and those that the recipe's ``[metric.NAME]`` tables name."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from ercfw.contract.metric import SHARE, Metric, Scale, traits_of
from ercfw.recipe.schema import MetricPart
from ercfw.registry.catalog import Catalog
from ercfw.registry.make import make_part
from ercfw.registry.resolve import ResolvedPart, resolve_part


def metrics_of(catalog: Catalog, tables: Mapping[str, MetricPart]) -> dict[str, Metric]:
    """Return every metric by name: the functions of all plugins, then the named ones, made with their options.

    Args:
        catalog: the catalog in which metrics are looked up.
        tables: the ``[metric.NAME]`` tables of a recipe.

    Raises:
        InputError: no plugin offers a metric, or an option is wrong.
    """
    functions = {name: catalog.find("metric", name, "metric").factory for name in plain_metrics(catalog)}
    named = {
        name: _make(resolve_part(catalog, "metric", f"metric.{name}", part), part) for name, part in tables.items()
    }
    return {**functions, **named}


def plain_metrics(catalog: Catalog) -> list[str]:
    """Return the names of the metrics that score every run: functions, which have no options."""
    return [c.name for c in catalog.components("metric") if not isinstance(c.factory, type)]


def scales_of(metrics: Mapping[str, Metric]) -> dict[str, Scale]:
    """Return the scale of each metric whose scores are no shares."""
    scales = {name: traits_of(metric).scale for name, metric in metrics.items()}
    return {name: scale for name, scale in scales.items() if scale != SHARE}


def _make(part: ResolvedPart[Any], table: MetricPart) -> Metric:
    factory: Any = part.component.factory
    made: Any = make_part(part) if isinstance(factory, type) else partial(factory)
    made.traits = replace(traits_of(factory), target=table.target)
    metric: Metric = made
    return metric
