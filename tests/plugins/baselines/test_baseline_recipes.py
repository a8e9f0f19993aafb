"""Every recipe of a baseline trains on simulated conversations, variants too."""

import json

import pytest

from ercfw.recipe.shipped import shipped_recipes

NAMES = [name for name in shipped_recipes() if name.startswith("baselines/") and "comparison" not in name]
METHODS = ("bc_lstm", "dialogue_gcn", "dialogue_rnn", "iterative_erc", "mmgcn", "mvn", "qmnn", "unimse_lite")


def test_each_method_has_a_recipe_for_each_corpus():
    assert [f"baselines/{method}_{corpus}" for method in METHODS for corpus in ("iemocap", "meld")] == NAMES


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_it_trains(name, cli):
    small = ["data.use=simulated", "data.conversations=6", "train.epochs=1", "train.device=cpu"]
    ended = cli("run", name, "--variant", "all", *small, "--json", "--quiet")
    assert ended.code == 0, ended.err
    for metrics in json.loads(ended.out):
        assert metrics["stamps"] == ["SIMULATED"]
        assert 0 <= metrics["scores"]["test"]["emotion"]["accuracy"] <= 1
