"""VisExtNet: faces described one by one, averaged as said, and weights that are always reported."""

import inspect
import shutil
from importlib import util
from pathlib import Path

import numpy as np
import pytest
import torch

import ercfw_multiemo.visextnet as visextnet
from ercfw.contract.conversation import Clip, Conversation
from ercfw.contract.interfaces import Broken
from ercfw.errors import InputError
from ercfw.registry.options import constructor_arguments, read_options
from ercfw_media.faces import FaceCrops, FaceDetector, face_crops
from ercfw_multiemo.resnet import random_resnet
from ercfw_multiemo.visextnet import VisExtNet

pytestmark = pytest.mark.skipif(
    not all(util.find_spec(name) for name in ("transformers", "av", "mtcnn")), reason="the faces extra is not installed"
)
CLIP = Clip(Path("made.mp4"))


@pytest.fixture(scope="module")
def network():
    return random_resnet(None)


@pytest.fixture
def faces(monkeypatch) -> FaceCrops:
    """Five faces in frames 0 and 3 of four, in place of those of any clip."""
    pixels = torch.rand(5, 3, 224, 224, generator=torch.Generator().manual_seed(1)) * 255
    found = FaceCrops(pixels, torch.tensor([0, 0, 3, 3, 3]), 4)
    monkeypatch.setattr(visextnet, "face_crops", lambda *args, **options: found)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("pool", ["frames", "faces"])
def test_the_average_of_faces_and_frames(faces, network, monkeypatch, pool):
    monkeypatch.setattr(visextnet, "random_resnet", lambda classes: network)
    monkeypatch.setattr(visextnet, "AT_ONCE", 2)
    vector = VisExtNet(weights="random", gives=2048, pool=pool).extract_clip(CLIP)
    with torch.inference_mode():
        each = [network(face[None])[0].double().numpy() for face in faces.pixels]
    both = [sum(each[:2]) / 2, sum(each[2:]) / 3]
    expected = sum(both) / 2 if pool == "frames" else sum(each) / 5
    assert (vector.shape, vector.dtype) == ((2048,), np.float32)
    np.testing.assert_allclose(vector, expected, rtol=1e-4, atol=1e-5)
    assert not np.allclose(sum(both) / 2, sum(each) / 5, rtol=1e-4, atol=1e-5)


def test_no_face_is_absent(monkeypatch):
    nobody = FaceCrops(torch.zeros(0, 3, 224, 224), torch.zeros(0, dtype=torch.long), 4)
    monkeypatch.setattr(visextnet, "face_crops", lambda *args, **options: nobody)
    assert VisExtNet(weights="random").extract_clip(CLIP) is None


@pytest.mark.slow
def test_a_real_clip(real_data):
    clip = Clip(real_data("meld_clips") / "dev" / "dia29_utt0.mp4")
    vector = VisExtNet(weights="random", frames=2).extract_clip(clip)
    crops = face_crops(clip, FaceDetector(), frames=2, width=640, size=224, margin=0.15)
    assert len(crops.pixels) >= 2
    full = random_resnet(1000)
    with torch.inference_mode():
        each = [full(face[None])[0] for face in crops.pixels]
    by_frame = [[x for x, here in zip(each, crops.frame, strict=True) if here == n] for n in crops.frame.unique()]
    expected = sum(sum(here) / len(here) for here in by_frame) / len(by_frame)
    np.testing.assert_allclose(vector, expected.numpy(), rtol=1e-3, atol=1e-4)
    assert vector.shape == (1000,)


def test_what_the_recipe_says_reaches_the_detector(monkeypatch):
    asked = {}

    def note(clip, detector, **options):
        asked.update(options)
        return FaceCrops(torch.zeros(0, 3, 224, 224), torch.zeros(0, dtype=torch.long), 0)

    monkeypatch.setattr(visextnet, "face_crops", note)
    VisExtNet(weights="random", frames=3, width=320, margin=0.5, faces="main").extract_clip(CLIP)
    assert asked == {"frames": 3, "width": 320, "margin": 0.5, "faces": "main", "size": 224}


@pytest.mark.parametrize(("gives", "classes"), [(1000, 1000), (2048, None)])
def test_what_the_recipe_says_reaches_the_network(monkeypatch, tmp_path, faces, gives, classes):
    asked = []
    path = tmp_path / "resnet.pth"
    path.touch()
    monkeypatch.setattr(visextnet, "load_resnet", lambda *args: asked.append(args) or torch.nn.Flatten())
    VisExtNet(weights=str(path), gives=gives).extract_clip(CLIP)
    extractor = VisExtNet(weights=str(path), gives=gives, style="caffe", normalise="imagenet")
    extractor.extract_clip(CLIP)
    assert asked == [(path, classes, None, None), (path, classes, "caffe", "imagenet")]
    assert extractor.dim == gives
    assert extractor.stamps == ()


def test_a_file_of_another_network_is_reported(tmp_path, faces):
    path = tmp_path / "resnet.pth"
    torch.save({"conv1.weight": torch.zeros(64, 3, 7, 7), "fc.weight": torch.zeros(1000, 512)}, path)
    with pytest.raises(InputError, match=r"resnet\.pth: is a weight file of another network; tensors: 519 mis"):
        VisExtNet(weights=str(path)).extract_clip(CLIP)


def test_broken_and_missing_clips(tmp_path):
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"no video at all")
    conversation = Conversation("c", "train", ("0", "1"), ("A", "B"), ("", ""), {}, clips=(Clip(path), None))
    broken, absent = VisExtNet(weights="random").extract(conversation)
    assert isinstance(broken, Broken)
    assert absent is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "weights: is not set .*trained on VGGFace2.*weights = 'random' for a trial"),
        ({"weights": "nowhere.pth"}, "weights: there is no file nowhere.pth .*VGGFace2"),
        ({"weights": "random", "style": "caffe"}, "weights: are random, so style and normalise cannot"),
        ({"weights": "random", "normalise": "imagenet"}, "weights: are random, so style and normalise cannot"),
    ],
)
def test_weights_that_are_not_there(options, message):
    with pytest.raises(InputError, match=message):
        VisExtNet(**options)


def test_random_weights_are_stamped():
    assert VisExtNet(weights="random").stamps == ("RANDOM VISEXTNET WEIGHTS",)


def test_the_fingerprint_depends_on_everything(tmp_path):
    path = tmp_path / "resnet.pth"
    path.write_bytes(b"some")
    other, same = tmp_path / "other.pth", tmp_path / "same.pth"
    other.write_bytes(b"others")
    shutil.copy(path, same)
    changes = [
        {}, {"weights": "random"}, {"weights": str(other)}, {"gives": 2048}, {"style": "caffe"}, {"frames": 4},
        {"normalise": "vggface2"}, {"faces": "main"}, {"pool": "faces"}, {"width": 320}, {"margin": 0.0},
        {"smallest": 30}, {"probability": 0.7},
    ]  # fmt: skip
    prints = [VisExtNet(**{"weights": str(path), **change}).fingerprint for change in changes]
    assert len(set(prints)) == len(changes)
    # The content of what identity leads to is pinned, so its path changes nothing.
    options = set(inspect.signature(VisExtNet).parameters) - {"identity"}
    assert {key for change in changes for key in change} == options
    follows = VisExtNet(weights=str(path), faces="speaker", identity=tmp_path)
    assert follows.fingerprint not in prints
    shutil.copytree(tmp_path, tmp_path / "again")
    assert VisExtNet(weights=str(path), faces="speaker", identity=tmp_path / "again").fingerprint == follows.fingerprint
    assert VisExtNet(weights=str(same)).fingerprint == prints[0]


def test_without_transformers(monkeypatch):
    monkeypatch.setattr(util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"transformers: .*pip install 'ercfw\[faces\]'"):
        _ = VisExtNet(weights="random").fingerprint


@pytest.mark.parametrize(
    ("option", "wrong"),
    [("gives", 512), ("frames", 0), ("width", 8), ("margin", -0.1), ("pool", "mean"), ("style", "x"), ("faces", "one")],
)
def test_what_a_recipe_may_say(option, wrong):
    right = {"weights": "random", "gives": 2048, "style": "caffe", "normalise": "auto", "frames": 5, "pool": "faces"}
    options = constructor_arguments(read_options(VisExtNet, right, "[features.visual]"))
    assert options.items() >= right.items()
    with pytest.raises(InputError) as raised:
        read_options(VisExtNet, right | {option: wrong}, "[features.visual]")
    assert [mistake.where for mistake in raised.value.mistakes] == [f"[features.visual] {option}"]


def test_every_option_is_explained():
    explained = inspect.getdoc(VisExtNet).split("Options:")[1]
    for option in inspect.signature(VisExtNet).parameters:
        assert f"\n    {option}: " in explained
