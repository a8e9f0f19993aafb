"""Jobs: one per variant, resolved, with a key that is the same where the result would be."""

from pathlib import Path

import pytest

from ercfw.errors import InputError, Mistake
from ercfw.experiment.plan import Selection, plan_jobs, with_new
from ercfw.recipe.overrides import parse_overrides
from ercfw.recipe.recipe_file import read_toml
from ercfw.registry.trust import PluginFiles

PLUGIN = """\
from ercfw import FusionBlock, hookimpl

class Mine(FusionBlock):
    def __init__(self, dims, info, *, width: int = 3) -> None:
        super().__init__(dims, info)

    def forward(self, xs, inputs): ...

@hookimpl
def provide_fusions():
    return {"mine": Mine}
"""


def plan(path: Path, *words: str, **choice: object):
    return plan_jobs(read_toml(path), Selection(overrides=parse_overrides(words), **choice))


def key(path: Path, *words: str) -> str:
    (job,) = plan(path, *words)
    return job.key


def test_every_default_is_written_out(tiny_recipe):
    (job,) = plan(tiny_recipe())
    assert job.tables["encoder"]["default"] == {"use": "linear", "width": 8, "standardise": False, "dropout": 0.0}
    assert job.tables["train"]["select"] == "emotion.weighted-f1"
    assert job.tables["loss"]["cross-entropy"]["class_weights"] == "none"
    assert "seeds" not in job.tables


def test_the_key_is_of_what_decides_the_result(tiny_recipe):
    base = key(tiny_recipe())
    assert base == key(tiny_recipe(name="other"))
    assert base == key(tiny_recipe(), "seeds=[5]")
    assert base == key(tiny_recipe(), "encoder.default.dropout=0.0")
    assert base != key(tiny_recipe(), "encoder.default.dropout=0.1")
    assert base != key(tiny_recipe(), "train.lr=0.5")


def test_the_key_follows_the_content_of_plugin_files_not_their_place(tiny_recipe, plugin_file):
    plugin_file(PLUGIN)
    first = key(tiny_recipe(), "plugins=['./mine.py']", "fusion.use=mine")
    plugin_file(PLUGIN + "# changed\n")
    assert key(tiny_recipe(), "plugins=['./mine.py']", "fusion.use=mine") != first


def test_the_key_does_not_follow_what_changes_no_number(tiny_recipe, plugin_file):
    plugin_file(PLUGIN)
    first = key(tiny_recipe(), "plugins=['mine.py']", "fusion.use=mine")
    for words in (["title='Mended'"], ["train.save_seconds=5.0"], ["plugins=['./mine.py']"], ["run.workers=3"]):
        assert key(tiny_recipe(), "plugins=['mine.py']", "fusion.use=mine", *words) == first


@pytest.mark.parametrize(
    "words",
    [
        ["train.init_from={}"],
        ["teacher.run={}"],
        ["features.text.use=trained-encoder", "features.text.run={}"],
        ["features.text.use=trained-encoder", "features.text.run={}/model.safetensors"],
    ],
)
def test_the_key_follows_the_weights_of_other_runs_not_their_place(tiny_recipe, tmp_path, words):
    for folder, content in (("one", b"weights"), ("moved", b"weights"), ("other", b"others")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "model.safetensors").write_bytes(content)
    one, moved, other = (
        key(tiny_recipe(), *(word.format(folder) for word in words)) for folder in ("one", "moved", "other")
    )
    assert one == moved
    assert one != other


def test_a_job_for_each_variant_with_the_chosen_seeds(tiny_recipe):
    path = tiny_recipe('[[variant]]\nname = "sum"\nset = { fusion = { use = "sum" } }\n')
    jobs = plan(path, variants=["base", "sum"], seeds=[3, 4])
    assert [(job.variant, job.recipe.fusion.use, job.recipe.seeds) for job in jobs] == [
        ("base", "concat", (3, 4)),
        ("sum", "sum", (3, 4)),
    ]
    assert jobs[0].shared_data == jobs[1].shared_data
    assert [job.where for job in jobs] == [str(path), f"{path} (variant 'sum')"]


def test_one_file_named_twice_is_one_plugin(tiny_recipe, plugin_file):
    plugin_file(PLUGIN)
    (job,) = plan(tiny_recipe(), "plugins=['./mine.py', 'mine.py']", "fusion.use=mine")
    assert len(job.plugin_files) == 1


def test_plugin_files_can_be_refused(tiny_recipe, plugin_file):
    plugin_file("raise SystemExit('this file was run')")
    with pytest.raises(InputError, match="forbids plugin files"):
        plan(tiny_recipe(), "plugins=['./mine.py']", plugin_files=PluginFiles.REFUSE)


def test_a_mistake_in_every_variant_is_reported_once():
    base = [Mistake("r.toml: [train] lr", "no")]
    again = [Mistake("r.toml (variant 'x'): [train] lr", "no"), Mistake("r.toml (variant 'x'): [fusion] use", "no")]
    assert with_new(base, again) == [base[0], again[1]]
