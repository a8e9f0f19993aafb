"""A training that stands at its beginning."""

import pytest

from ercfw.data.load import load_data, make_dataset
from ercfw.data.train_statistics import make_data_info
from ercfw.experiment.plan import Selection, plan_jobs
from ercfw.experiment.run_all import make_accelerator
from ercfw.model.build import build_model
from ercfw.model.losses import build_losses
from ercfw.recipe.overrides import parse_overrides
from ercfw.recipe.recipe_file import read_toml
from ercfw.training.find_widths import find_widths
from ercfw.training.seeds import seed_everything
from ercfw.training.start import start
from ercfw.training.state import Plan, Watched


@pytest.fixture
def training(tiny_recipe, tmp_path):
    """A training of the tiny recipe that stands at its beginning, its plan, and the conversations."""

    def begin(*words, metrics=None, change=lambda c: c, later_wins=False, loss=None, modules=None):
        (job,) = plan_jobs(read_toml(tiny_recipe()), Selection(overrides=parse_overrides(words)))
        data = load_data(job.recipe, job.parts.extractors, make_dataset(job.parts.dataset), lambda *_: None)
        train = [change(c) for c in data.splits["train"]]
        seed_everything(0)
        model = build_model(job.parts.network, make_data_info(data.splits["train"], data.targets))
        info = make_data_info(data.splits["train"], data.targets)
        losses = build_losses(job.recipe, job.parts.losses, info, find_widths(model, job.parts.losses, info))
        if loss is not None:
            losses.losses["cross-entropy"] = loss
        if modules is not None:
            modules(model)
        plan = Plan(
            settings=job.recipe.train,
            watched=Watched(train, data.splits["dev"], data.splits["dev"], later_wins),
            batch_size=job.recipe.data.batch_size,
            select="emotion.mine",
            metrics={"mine": metrics or (lambda *_: 0.5)},
            info=make_data_info(data.splits["train"], data.targets),
            seed=0,
            state=tmp_path / "state.safetensors",
            parts=job.parts.training,
        )
        return start(make_accelerator([job.recipe]), model, losses, plan), plan

    return begin
