"""Define ``[train]`` and the tables in it."""

from typing import Annotated, Literal

from pydantic import Field

from ercfw.recipe.part_table import Count, Part
from ercfw.system.validation import Strict

SHORT_SCHEDULES = ("constant", "cosine", "plateau")
"""The schedules that ``schedule = "NAME"`` and the keys of ``[train]`` set; no plugin may offer these names."""


class ParameterGroup(Strict):
    """``[train.groups.NAME]``: settings of the parameters that a part puts in this group."""

    lr: Annotated[float, Field(gt=0)] | None = None
    weight_decay: Annotated[float, Field(ge=0)] | None = None
    layer_decay: Annotated[float, Field(gt=0, le=1)] | None = None


class SchedulePart(Part):
    """``[train.schedule]``: a schedule of a plugin, and what it is stepped after; None = as the schedule says."""

    each: Literal["step", "epoch"] | None = None


class Train(Strict):
    """``[train]``: the optimiser, its schedule, the sampler, and the protocol.

    A string in place of the table of an optimiser or schedule names it, without options.
    """

    epochs: Count = 20
    lr: Annotated[float, Field(gt=0)] = 1e-3
    optimizer: str | Part = "adam"
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.0
    schedule: str | SchedulePart = "constant"
    warmup: Annotated[float, Field(ge=0, le=1e6)] = 0.0
    plateau_factor: Annotated[float, Field(gt=0, lt=1)] = 0.95
    plateau_patience: Annotated[int, Field(ge=0)] = 10
    plateau_threshold: Annotated[float, Field(ge=0)] = 1e-6
    clip: Annotated[float, Field(gt=0)] | None = None
    accumulate: Count = 1
    on_out_of_memory: Literal["stop", "halve"] = "stop"
    save_seconds: Annotated[float, Field(ge=0)] = 30.0
    precision: Literal["no", "bf16", "fp16"] = "no"
    device: Literal["auto", "cpu"] = "auto"
    patience: Count | None = None
    protocol: Literal["dev", "release"] = "dev"
    select: str | None = None
    init_from: str | None = None
    groups: dict[str, ParameterGroup] = Field(default_factory=dict)
    sampler: Part | None = None
