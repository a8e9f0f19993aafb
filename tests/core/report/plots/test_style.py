"""Classes look the same everywhere, and can be distinguished by the colour-blind and in print."""

from itertools import combinations

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from ercfw.report.plots.style import looks

MELD = ("neutral", "surprise", "fear", "sadness", "joy", "disgust", "anger")
IEMOCAP = ("happiness", "sadness", "neutral", "anger", "excitement", "frustration")
EMORYNLP = ("Joyful", "Mad", "Neutral", "Peaceful", "Powerful", "Sad", "Scared")
SEEN_AS = {
    # Machado, Oliveira and Fernandes (2009), severity 1: linear RGB as each kind of colour-blindness sees it.
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
    "all colours": np.eye(3).tolist(),
}


def lab(colour, seen_as):
    """CIE L*a*b* of a colour, as somebody sees it."""
    rgb = np.array(to_rgb(colour))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    linear = np.clip(np.array(seen_as) @ linear, 0, 1)
    to_xyz = [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
    x, y, z = np.array(to_xyz) @ linear / np.array([0.95047, 1.0, 1.08883])
    f = [value ** (1 / 3) if value > 0.008856 else 7.787 * value + 16 / 116 for value in (x, y, z)]
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("seen_as", SEEN_AS.values(), ids=SEEN_AS)
@pytest.mark.parametrize("classes", [MELD, IEMOCAP, EMORYNLP], ids=["meld", "iemocap", "emorynlp"])
def test_colour_blind_readers_can_distinguish_the_colours(classes, seen_as):
    colours = {name: lab(look.colour, seen_as) for name, look in zip(classes, looks(classes), strict=True)}
    for one, other in combinations(colours, 2):
        assert np.linalg.norm(colours[one] - colours[other]) > 15, (one, other)


def test_markers_distinguish_classes_without_colour():
    assert len({look.marker for look in looks(MELD)}) == 7
    assert len({(look.colour, look.marker) for look in looks([f"c{n}" for n in range(24)])}) == 24


def test_an_emotion_has_its_colour_in_every_corpus():
    meld, iemocap = dict(zip(MELD, looks(MELD), strict=True)), dict(zip(IEMOCAP, looks(IEMOCAP), strict=True))
    assert meld["anger"].colour == iemocap["anger"].colour
    assert meld["joy"].colour == iemocap["happiness"].colour
    assert looks(("Anger",))[0].colour == meld["anger"].colour
    emorynlp = dict(zip(EMORYNLP, looks(EMORYNLP), strict=True))
    same = {"Joyful": "joy", "Mad": "anger", "Neutral": "neutral", "Sad": "sadness", "Scared": "fear"}
    assert {name: emorynlp[name].colour for name in same} == {name: meld[other].colour for name, other in same.items()}


def test_other_classes_take_colours_that_no_emotion_here_has():
    found = looks(("anger", "calm", "bored"))
    assert len({look.colour for look in found}) == 3
