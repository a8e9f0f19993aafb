"""The encoders of numbers against numpy."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ercfw import Batch, ConversationStream, DataInfo, InputError, ModalitySpec
from ercfw.data.collate import collate
from ercfw.data.train_statistics import make_data_info
from ercfw_basics.encoders import LinearEncoder, MLPEncoder

ENCODERS = (LinearEncoder, MLPEncoder)


def test_linear_is_a_linear_map(batch: Batch, info: DataInfo) -> None:
    encoder = LinearEncoder(info.modalities["text"], info, width=7)
    stream = batch.inputs.streams["text"]
    expected = stream.values.numpy() @ encoder.linear.weight.detach().numpy().T
    expected += encoder.linear.bias.detach().numpy()
    assert encoder.out_dim == 7
    np.testing.assert_allclose(encoder(stream, batch.inputs).detach(), expected, atol=1e-6)


def test_mlp_has_the_hidden_layers_asked_for(batch: Batch, info: DataInfo) -> None:
    encoder = MLPEncoder(info.modalities["text"], info, width=7, hidden=9, layers=3)
    x = batch.inputs.streams["text"].values.numpy()
    maps = [layer for layer in encoder.hidden if isinstance(layer, torch.nn.Linear)]
    assert [(layer.in_features, layer.out_features) for layer in maps] == [(6, 9), (9, 9), (9, 9)]
    for layer in maps:
        x = np.maximum(x @ layer.weight.detach().numpy().T + layer.bias.detach().numpy(), 0)
    expected = x @ encoder.linear.weight.detach().numpy().T + encoder.linear.bias.detach().numpy()
    given = encoder(batch.inputs.streams["text"], batch.inputs)
    np.testing.assert_allclose(given.detach(), expected, atol=1e-6)


@pytest.mark.parametrize("encoder", ENCODERS)
def test_standardise_is_by_the_present_values_of_train(encoder, conversations) -> None:
    for conversation in conversations:
        text = conversation.streams["text"]
        np.copyto(
            text.values,
            text.values * [1, 10, 1e4, 1, 1, 1] + [0, 5, -1e5, 0, 0, 0],
            where=text.present[:, None],
        )
    info = make_data_info(conversations, {"emotion": ("neutral", "joy", "anger", "fear")})
    inputs = collate(conversations).inputs
    stream = inputs.streams["text"]
    values = stream.values.numpy().astype(np.float64)
    train = values[stream.present.numpy()]
    scaled = torch.from_numpy(((values - train.mean(0)) / train.std(0)).astype(np.float32))
    torch.manual_seed(0)
    one = encoder(info.modalities["text"], info, width=7, standardise=True)
    torch.manual_seed(0)
    plain = encoder(info.modalities["text"], info, width=7)
    expected = plain(replace(stream, values=scaled), inputs)
    torch.testing.assert_close(one(stream, inputs), expected, atol=2e-3, rtol=1e-4)
    assert {"standardise.mean", "standardise.deviation"} <= one.state_dict().keys()


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("standardise", [False, True])
def test_frames_are_averaged_over_the_real_ones(encoder, standardise, converse) -> None:
    conversation = converse(4, 0)
    rng = np.random.default_rng(1)
    lengths = np.array([3, 1, 0, 2])
    values = rng.normal(size=(4, 3, 6)).astype(np.float32)
    values[np.arange(3) >= lengths[:, None]] = 777  # what stands behind the real frames must not matter
    frames = ConversationStream(values, lengths > 0, lengths)
    conversation = conversation.with_streams({"audio": frames})
    info = make_data_info([conversation], {"emotion": ("neutral", "joy", "anger", "fear")})
    inputs = collate([conversation]).inputs
    made = encoder(info.modalities["audio"], info, width=5, standardise=standardise)
    given = made(inputs.streams["audio"], inputs)
    real = np.concatenate([values[u, :n] for u, n in enumerate(lengths)]).astype(np.float64)
    for row, length in enumerate(lengths):
        mean = values[row, :length].astype(np.float64).mean(0) if length else np.zeros(6)
        if standardise:
            mean = (mean - real.mean(0)) / real.std(0)
        x = torch.from_numpy(mean[None].astype(np.float32))
        hidden = made.hidden(x) if isinstance(made, MLPEncoder) else x
        torch.testing.assert_close(given[row], made.linear(hidden)[0], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("encoder", ENCODERS)
def test_token_ids_are_refused(encoder, info: DataInfo) -> None:
    with pytest.raises(InputError, match="reads numbers"):
        encoder(ModalitySpec("tokens", 100, 20), info)
