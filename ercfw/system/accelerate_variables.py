"""Hide the variables by which Accelerate changes how a run computes: the recipe alone decides that."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

PREFIXES = ("ACCELERATE_", "FSDP_", "MEGATRON_LM_", "PARALLELISM_CONFIG_")
WHOLE_MODEL = "each process holds the whole model"
INSTEAD = {
    "ACCELERATE_GRADIENT_ACCUMULATION_STEPS": "set train.accumulate",
    "ACCELERATE_GRADIENT_CLIPPING": "set train.clip",
    "ACCELERATE_MIXED_PRECISION": "set train.precision",
    "ACCELERATE_USE_CPU": "set train.device",
    "ACCELERATE_TORCH_DEVICE": "set train.device",
    "ACCELERATE_DYNAMO_BACKEND": "ercfw does not compile models",
    "ACCELERATE_USE_DEEPSPEED": WHOLE_MODEL,
    "ACCELERATE_USE_FSDP": WHOLE_MODEL,
    "ACCELERATE_USE_MEGATRON_LM": WHOLE_MODEL,
    "ACCELERATE_USE_PARALLELISM_CONFIG": WHOLE_MODEL,
}
"""Variables that ask for another computation, and what to do instead; other variables only refine these."""
ASK_FOR_NOTHING = {"", "no", "none", "auto", "0", "false", "f", "n", "off"}


@contextmanager
def only_the_recipe_decides(warn: Callable[[str], None]) -> Iterator[None]:
    """Hide the variables during the block, and warn about each that would have changed how a run computes.

    ``accelerate launch`` sets many of them, from its options and from the file that ``accelerate config`` wrote. Its
    choice of processes is in other variables, which torchrun sets too.
    """
    hidden = {name: os.environ.pop(name) for name in [*os.environ] if name.startswith(PREFIXES)}
    for name, instead in INSTEAD.items():
        value = hidden.get(name, "")
        one_step = name == "ACCELERATE_GRADIENT_ACCUMULATION_STEPS" and value == "1"
        if value.lower() not in ASK_FOR_NOTHING and not one_step:
            warn(f"{name}={value} has no effect ({instead})")
    try:
        yield
    finally:
        os.environ.update(hidden)
