"""Weights and states: written and read back, damaged, of another model."""

import pytest
import torch
from torch import nn

from ercfw.contract.data_info import DataInfo, ModalitySpec, TargetSpec
from ercfw.errors import InputError
from ercfw.results.model_file import load_model, save_model, start_from
from ercfw.training.checkpoint import load_state, save_state
from ercfw.training.seeds import seed_everything

INFO = DataInfo(
    {"emotion": TargetSpec(("a", "b"), (3, 4))}, {"text": ModalitySpec("vector", 2, 1, (0.1, 0.2), (1.0, 2.0))}, 2
)


def model(width=3):
    return nn.Sequential(nn.Linear(2, width), nn.Linear(width, 2))


def test_a_model_comes_back_with_its_settings(tmp_path):
    path = tmp_path / "model.safetensors"
    weights = model().state_dict()
    save_model(path, weights, INFO, {"stamps": ["SIMULATED"], "recipe": {"title": "x"}})
    tensors, info, about = load_model(path)
    assert info == INFO
    assert about["stamps"] == ["SIMULATED"]
    assert tensors.keys() == weights.keys()
    assert all(torch.equal(tensors[name], weights[name]) for name in weights)


def test_the_same_model_is_the_same_bytes(tmp_path):
    weights = model().state_dict()
    for name in ("a", "b"):
        save_model(tmp_path / name, weights, INFO, {"recipe": {"b": 1, "a": 2}, "stamps": []})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_model_can_be_read_by_those_who_can_read_other_files(tmp_path):
    save_model(tmp_path / "model", model().state_dict(), INFO, {})
    (tmp_path / "plain").write_text("")
    assert (tmp_path / "model").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_state_of_an_optimiser_comes_back_exactly(tmp_path):
    network = model()
    optimizer = torch.optim.Adam(network.parameters(), lr=0.1)
    network(torch.randn(4, 2)).sum().backward()
    optimizer.step()
    state = {"optimizer": optimizer.state_dict(), "history": [{"loss": 0.1 + 0.2, "n": 3}], "best": {}, "none": None}
    save_state(tmp_path / "state", state)
    back = load_state(tmp_path / "state")
    assert back["history"] == state["history"]
    assert back["best"] == {}
    assert back["none"] is None
    other = torch.optim.Adam(network.parameters(), lr=9.0)
    other.load_state_dict(back["optimizer"])
    assert other.param_groups[0]["lr"] == 0.1
    for number, of_parameter in optimizer.state_dict()["state"].items():
        for key, value in of_parameter.items():
            assert torch.equal(other.state_dict()["state"][number][key], value)


@pytest.mark.parametrize("content", [b"", b"not a tensor file", None])
def test_a_damaged_file_is_one_message(tmp_path, content):
    path = tmp_path / "model.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match="cannot be read"):
        load_model(path)


def test_a_cut_file_is_one_message(tmp_path):
    path = tmp_path / "state"
    save_state(path, {"x": torch.zeros(100)})
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(InputError, match="cannot be read"):
        load_state(path)


def test_a_state_is_no_model(tmp_path):
    save_state(tmp_path / "state", {"x": torch.zeros(1)})
    with pytest.raises(InputError, match="not a model of ercfw"):
        load_model(tmp_path / "state")


def test_start_from_takes_what_fits_and_leaves_the_rest(tmp_path):
    old, new = model(3), nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 5))
    save_model(tmp_path / "model.safetensors", old.state_dict(), INFO, {})
    before = new[1].weight.clone()
    assert start_from(new, tmp_path)[0].startswith("2 of 4 tensors")
    assert torch.equal(new[0].weight, old[0].weight)
    assert torch.equal(new[1].weight, before)
    with pytest.raises(InputError, match="init_from: no weight"):
        start_from(nn.Linear(7, 7), tmp_path)


def test_seeds_of_several_numbers_differ_and_repeat():
    drawn = {}
    for entropy in ((0, 1), (1, 0), (0, 2), (0, 1, 1)):
        seed_everything(*entropy)
        drawn[entropy] = torch.rand(3)
        seed_everything(*entropy)
        assert torch.equal(torch.rand(3), drawn[entropy])
    assert len({tuple(values.tolist()) for values in drawn.values()}) == len(drawn)
