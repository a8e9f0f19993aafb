"""Trained model of a finished run, restored from its folder."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from ercfw.contract.data_info import DataInfo
from ercfw.contract.interfaces import Extractor, Model
from ercfw.errors import InputError, in_recipe
from ercfw.model.build import build_model
from ercfw.predict.places import Places
from ercfw.recipe.queries import refuse_plugin_files
from ercfw.recipe.recipe_file import read_toml
from ercfw.recipe.schema import Recipe, parse_recipe
from ercfw.registry.catalog import Catalog, load_catalog
from ercfw.registry.plugin_file import plugin_files
from ercfw.registry.resolve import ResolvedPart, resolve_extractor, resolve_network
from ercfw.registry.trust import PluginFiles, admit
from ercfw.results.model_file import load_model
from ercfw.results.run_files import RunFiles
from ercfw.system.files import is_file, is_folder


@dataclass(frozen=True)
class SavedRun:
    """Trained model with the settings that it was trained with.

    Attributes:
        network: the network with its weights, in evaluation mode, on the device that it runs on.
        recipe: the recipe as it was resolved for training.
        catalog: the plugins installed now, with the run's own copies of its plugin files.
        info: the description of the data that the model was built with.
        stamps: words that must appear on everything made by the model.
        provenance: the provenance of each modality that did not come with the conversations.
        trained_on: the fingerprint of each conversation in the training split.
        where: the model's file, for messages.
        places: finds the files and folders that the recipe names.
    """

    network: Model
    recipe: Recipe
    catalog: Catalog
    info: DataInfo
    stamps: tuple[str, ...]
    provenance: Mapping[str, Mapping[str, Any]]
    trained_on: frozenset[str]
    where: str
    places: Places = field(default_factory=lambda: Places(Path()))

    @property
    def device(self) -> torch.device:
        """Return the device of the network; the CPU if it has no weights."""
        return next((x.device for x in self.network.parameters()), torch.device("cpu"))

    def extractor(self, modality: str) -> ResolvedPart[Extractor]:
        """Return the extractor of a modality, as the run's recipe sets it.

        It is resolved only when it is needed, because a model that is given features works without its extractors.

        Raises:
            InputError: no installed plugin offers it, its options are wrong, or a file that it needs is missing.
        """
        return self.places.located(resolve_extractor(self.recipe, self.catalog, modality))


def read_run(path: Path, policy: PluginFiles) -> SavedRun:
    """Load the model of a run.

    Args:
        path: the folder of a finished run, or the ``model.safetensors`` in it.
        policy: what is done with the run's own copies of its plugin files.

    Raises:
        InputError: there is no such model, it is damaged, its parts differ from those in training, or its plugin files
            may not run.
        RunError: the code of a part failed.
    """
    weights = RunFiles(path).model if is_folder(path) else path
    if not is_file(weights):
        raise InputError.at(path, "holds no trained model", "name the folder of a finished run")
    tensors, info, about = load_model(weights)
    recipe, mistakes = parse_recipe(about.get("recipe", {}), str(weights))
    if recipe is None or mistakes:
        raise InputError(mistakes)
    info = _in_order_of_training(info, recipe.data.modalities, weights)
    files = _plugin_files(weights, about) if recipe.plugins else []
    if policy is PluginFiles.REFUSE:
        if files:
            hint = "plugin_files = true in a recipe's table allows them, --no-plugin-files forbids them"
            raise InputError.at(weights, f"needs plugin file {files[0]}, but plugin files may not run", hint)
        refuse_plugin_files(recipe, str(weights))
    catalog = load_catalog(admit(files, policy, str(weights), _trusted_by_folder(weights.parent)))
    if broken := catalog.broken_files(str(weights)):
        raise InputError(broken)
    places = Places.read(weights.parent, about)
    with in_recipe(str(weights)):
        network = build_model(places.located_network(resolve_network(recipe, catalog)), info)
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        what = "its weights do not fit its parts in the installed versions"
        raise InputError.at(weights, what, "install the versions that environment.json names") from error
    return SavedRun(
        network=network.eval().to("cuda" if torch.cuda.is_available() else "cpu"),
        recipe=places.with_feature_files(recipe),
        catalog=catalog,
        info=info,
        stamps=tuple(about.get("stamps", ())),
        provenance={name: stream["made_by"] for name, stream in about.get("streams", {}).items()},
        trained_on=frozenset(about.get("trained_on", ())),
        where=str(weights),
        places=places,
    )


def _in_order_of_training(info: DataInfo, modalities: Sequence[str], weights: Path) -> DataInfo:
    """Return the description of the data with the recipe's order of modalities, which the model may depend on.

    The metadata of a file is sorted.

    Raises:
        InputError: a modality of the recipe is not described.
    """
    if missing := [name for name in modalities if name not in info.modalities]:
        raise InputError.at(weights, f"does not describe modality '{missing[0]}' of its recipe")
    return replace(info, modalities={name: info.modalities[name] for name in modalities})


def _plugin_files(weights: Path, about: Mapping[str, Any]) -> list[Path]:
    """Return the run's copies of its plugin files, as the model file names them, so that it can be shared with them.

    The model file of an older ercfw does not name them; then the recipe beside it does.

    Raises:
        InputError: a plugin file is missing, or the recipe that must name them.
    """
    if "plugin_files" in about:
        return plugin_files(about["plugin_files"], weights.parent, f"{weights}: plugins")
    place = RunFiles(weights.parent).recipe
    return plugin_files(read_toml(place).tables.get("plugins", []), weights.parent, f"{place}: plugins")


def _trusted_by_folder(folder: Path) -> Path | None:
    """Return the folder if ``ercfw trust`` finds the plugin files in it, which a recipe there must name; else None."""
    return folder if is_file(RunFiles(folder).recipe) else None
