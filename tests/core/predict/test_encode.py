"""A run's encoders in a program: against its weights by hand, with what is absent or broken, and what is refused."""

import numpy as np
import pytest
from safetensors.numpy import load_file

import ercfw
from ercfw import Broken, Clip, Conversation, InputError


def talk(shelf, name="new", split="test"):
    """Three utterances: the second has no text, the third has an unreadable clip."""
    (shelf.root / "empty.wav").write_bytes(b"")
    clips = (Clip(shelf.root / shelf.rows[0]["clip"]), None, Clip(shelf.root / "empty.wav"))
    return Conversation(name, split, ("0", "1", "2"), ("A", "B", "A"), ("oh, a tree", "", "no"), {}, clips=clips)


def by_hand(folder, modality, raw):
    weights = load_file(folder / "model.safetensors")
    (matrix,) = [
        x for name, x in weights.items() if name.startswith(f"encoders.{modality}.") and name.endswith("weight")
    ]
    (bias,) = [x for name, x in weights.items() if name.startswith(f"encoders.{modality}.") and name.endswith("bias")]
    return raw.astype(np.float64) @ matrix.T.astype(np.float64) + bias


@pytest.mark.parametrize(("modality", "absent"), [("text", [1]), ("audio", [1, 2])])
def test_vectors_are_those_of_the_saved_weights(shelf, modality, absent):
    model, conversation = ercfw.load(shelf.causal), talk(shelf)
    raw = model.extractor(modality).extract(conversation)
    (vectors,) = model.encode(modality, [conversation])
    assert [place for place, x in enumerate(vectors) if not isinstance(x, np.ndarray)] == absent
    for vector, array in zip(vectors, raw, strict=True):
        if isinstance(array, np.ndarray):
            assert vector.shape == (model.encoder_width(modality),) == (6,)
            np.testing.assert_allclose(vector, by_hand(shelf.causal, modality, array), atol=1e-5)
    (again,) = model.encode(modality, [conversation], [raw])
    assert all(np.array_equal(a, b) for a, b in zip(again, vectors, strict=True) if isinstance(a, np.ndarray))


def test_what_the_extractor_could_not_read_says_so(shelf):
    (vectors,) = ercfw.load(shelf.causal).encode("audio", [talk(shelf)])
    assert vectors[1] is None
    assert isinstance(vectors[2], Broken)
    assert "is empty" in vectors[2].why


def test_labels_and_neighbours_do_not_matter(shelf):
    model, conversation = ercfw.load(shelf.causal), talk(shelf)
    (alone,) = model.encode("text", [conversation])
    (_, beside) = model.encode("text", [talk(shelf, "other"), conversation])
    np.testing.assert_array_equal(alone[0], beside[0])


@pytest.mark.parametrize("modality", ["visual", "smell"])
def test_what_no_extractor_makes(shelf, modality):
    model = ercfw.load(shelf.causal)
    assert model.extracted_modalities == ("text", "audio")
    with pytest.raises(InputError, match=f"no extractor of the run computes '{modality}'.*available: text, audio"):
        model.encode(modality, [talk(shelf)])


def test_what_it_was_trained_on(shelf):
    model = ercfw.load(shelf.causal)
    rows = [row for row in shelf.rows if row["conversation"] == "c0"]
    said = [tuple(row[key] for row in rows) for key in ("utterance", "speaker", "text")]
    assert model.was_trained_on(Conversation("c0", "train", *said, {}))
    assert not model.was_trained_on(Conversation("c1", "train", *said, {}))
