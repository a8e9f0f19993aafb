"""Model files as people find them: shared, older, or damaged."""

import shutil
from dataclasses import replace

import pytest
import torch

import ercfw
from ercfw.errors import InputError, RunError
from ercfw.results.model_file import load_model

from .conftest import changed, save_as, table_of


def test_weights_that_do_not_fit_are_one_message(shelf, tmp_path):
    run = changed(shelf, tmp_path, lambda about: about["recipe"]["head"]["emotion"].update(use="mlp"))
    with pytest.raises(InputError, match="its weights do not fit its parts"):
        ercfw.load(run)


def test_a_broken_network_is_one_message(shelf, tmp_path):
    run = changed(shelf, tmp_path, lambda about: None)
    weights, info, about = load_model(run / "model.safetensors")
    weights = {name: torch.full_like(x, torch.nan) for name, x in weights.items()}
    save_as(run / "model.safetensors", weights, info, about)
    with pytest.raises(RunError, match="gave a probability that is not a number, first of c6 0"):
        ercfw.load(run).predict(table_of(shelf))


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda run: shutil.rmtree(run), "holds no trained model"),
        (lambda run: (run / "model.safetensors").unlink(), "holds no trained model"),
        (lambda run: (run / "model.safetensors").write_bytes(b"junk"), "cannot be read"),
        (lambda run: shutil.rmtree(run / "plugins"), "there is no file .*shelf_"),
        (
            lambda run: next((run / "plugins").iterdir()).write_text("x ="),
            r"run/model.safetensors: .*/shelf_\w+.py cannot be loaded: SyntaxError",
        ),
    ],
)
def test_a_run_that_is_not_whole_is_one_message(shelf, tmp_path, make, says):
    run = tmp_path / "run"
    shutil.copytree(shelf.causal, run)
    make(run)
    with pytest.raises(InputError, match=says):
        ercfw.load(run, trust=True).predict(table_of(shelf))


def test_a_model_is_shared_with_its_plugin_copies(shelf, tmp_path, cli, monkeypatch):
    """As the page says: the model file and the folder ``plugins``, to a machine that does not trust them yet."""
    shared = tmp_path / "shared"
    shutil.copytree(shelf.causal / "plugins", shared / "plugins")
    shutil.copy(shelf.causal / "model.safetensors", shared)
    expected = ercfw.load(shelf.causal).predict(table_of(shelf)).answers
    monkeypatch.setenv("ERCFW_STATE", str(tmp_path / "state"))
    (plugin,) = (shared / "plugins").iterdir()
    cli("predict", shared, "an eel is here").check(2, f"is not trusted on this machine..ercfw trust {plugin}")
    assert cli("predict", shared, "an eel is here", "--trust").code == 0
    assert ercfw.load(shared).predict(table_of(shelf)).answers == expected


def test_an_older_model_file_needs_the_recipe_that_names_the_copies(shelf, tmp_path):
    run = changed(shelf, tmp_path, lambda about: about.pop("plugin_files"))
    assert ercfw.load(run).predict(table_of(shelf)).answers
    (run / "recipe.toml").unlink()
    with pytest.raises(InputError, match=r"recipe.toml: cannot be read"):
        ercfw.load(run)


def test_a_model_file_that_names_no_list_of_copies_is_damaged(shelf, tmp_path):
    with pytest.raises(InputError, match="is not a model of ercfw"):
        ercfw.load(changed(shelf, tmp_path, lambda about: about.update(plugin_files=3)))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda about: about["streams"]["text"].pop("made_by"), "is not a model of ercfw"),
        (lambda about: about.update(streams=["text"]), "is not a model of ercfw"),
        (lambda about: about.update(recipe=3), "is not a model of ercfw"),
        (
            lambda about: about["recipe"]["data"].update(modalities=["text", "smell"]),
            "does not describe modality 'smell' of its recipe",
        ),
    ],
)
def test_metadata_that_is_not_what_it_must_be_is_one_message(shelf, tmp_path, change, says):
    with pytest.raises(InputError, match=says):
        ercfw.load(changed(shelf, tmp_path, change))


@pytest.mark.parametrize("counts", [(1, 2), (1, 2, 3, 4), (1, 2, -3), (1, 2, 10**400)])
def test_a_model_whose_counts_are_not_one_per_class_is_damaged(shelf, tmp_path, counts):
    run = changed(shelf, tmp_path, lambda about: None)
    weights, info, about = load_model(run / "model.safetensors")
    info = replace(info, targets={"emotion": replace(info.targets["emotion"], counts=counts)})
    save_as(run / "model.safetensors", weights, info, about)
    with pytest.raises(InputError, match="is not a model of ercfw"):
        ercfw.load(run)
