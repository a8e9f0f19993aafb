"""Weight files that do not fit a ResNet, are damaged, or would run code, are refused."""

import pickle
from collections.abc import Callable
from importlib import util
from pathlib import Path

import pytest
import torch

from ercfw.errors import InputError
from ercfw_multiemo.resnet import load_resnet
from ercfw_multiemo.resnet_weights import read_weights
from tests.plugins.multiemo.tiny_resnet import CLASSES, TINY, Weights, saved

pytestmark = pytest.mark.skipif(util.find_spec("transformers") is None, reason="transformers is not installed")


MISFITS: dict[str, tuple[Callable[[Weights], object], str]] = {
    "missing": (
        lambda w: {name: x for name, x in w.items() if not name.startswith("layer2.0.conv")},
        r"another network; tensors: 3 missing \(layer2.0.conv1.weight, layer2.0.conv2.weight, ",
    ),
    "left over": (
        lambda w: w | {f"layer4.{n}.weight": torch.zeros(2) for n in range(4)},
        r"tensors: 4 unexpected \(layer4.0.weight, layer4.1.weight, layer4.2.weight, \.\.\.\)",
    ),
    "shape": (
        lambda w: w | {"conv1.weight": torch.zeros(4, 1, 7, 7)},
        r"1 of another shape \(conv1.weight \[4, 1, 7, 7\] instead of \[4, 3, 7, 7\]\)",
    ),
    "no ResNet": (
        lambda w: {"blocks.0.weight": torch.zeros(2)},
        r"its first tensors are blocks.0.weight \(give a ResNet ",
    ),
    "not finite": (lambda w: w | {"bn1.bias": torch.full((4,), torch.nan)}, "bn1.bias has values that are not finite"),
    "no last layer": (
        lambda w: {name: x for name, x in w.items() if not name.startswith("fc")},
        r"has no last layer with 5 outputs \(set gives = 24 to",
    ),
    "identities": (
        lambda w: w | {"fc.weight": torch.zeros(9, 24), "fc.bias": torch.zeros(9)},
        r"its last layer has 9 outputs, not 5 \(set gives = 24 to",
    ),
    "no tensors": (lambda w: {"conv1.weight": 3}, "is not a file of weights"),
    "a list": (lambda w: [*w.values()], "is not a file of weights"),
    "empty": (lambda w: {}, "is not a file of weights"),
}


@pytest.mark.parametrize("misfit", MISFITS)
def test_what_does_not_fit_is_reported(weights, tmp_path, misfit):
    change, message = MISFITS[misfit]
    path = tmp_path / "resnet.pth"
    torch.save(change(weights), path)
    with pytest.raises(InputError, match=message) as error:
        load_resnet(path, CLASSES, size=TINY)
    assert str(error.value).startswith(f"{path}: ")
    assert len(error.value.mistakes) == 1
    assert error.value.mistakes[0].hint


def test_a_last_layer_that_is_not_wanted_may_be_any(weights, pixels, tmp_path):
    change, _ = MISFITS["identities"]
    path = saved(tmp_path / "resnet.pth", change(weights))
    assert load_resnet(path, None, size=TINY)(pixels).shape == (2, 24)


class Trap:
    """A pickle that makes a file when it is opened."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., None], tuple[Path]]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("write", [torch.save, lambda what, path: path.write_bytes(pickle.dumps(what))])
def test_a_pickle_that_runs_code_is_refused_and_nothing_ran(weights, tmp_path, write):
    path, sprung = tmp_path / "resnet.pth", tmp_path / "sprung"
    write({**weights, "trap": Trap(sprung)}, path)
    with pytest.raises(InputError, match=r"resnet\.pth: holds more than tensors or is damaged; it was not read"):
        read_weights(path)
    assert not sprung.exists()
    pickle.loads(pickle.dumps(Trap(sprung)))
    assert sprung.exists()  # the trap is one


@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
@pytest.mark.parametrize("cut", [0, 1, 100, 5000])
def test_a_file_that_was_cut_off(weights, tmp_path, suffix, cut):
    path = saved(tmp_path / f"resnet.{suffix}", weights)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(InputError, match="damaged"):
        read_weights(path)


@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_something_else(tmp_path, suffix):
    path = tmp_path / f"resnet.{suffix}"
    path.write_text("<html>not found</html>")
    with pytest.raises(InputError, match=r"damaged.* \((save its|download it)"):
        read_weights(path)
    with pytest.raises(InputError, match=rf"there is no such file \(did you mean 'resnet.{suffix}'\?"):
        read_weights(tmp_path / f"resnt.{suffix}")
