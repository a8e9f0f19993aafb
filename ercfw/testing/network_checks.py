"""What every part of a network promises."""

import logging
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor

from ercfw.contract.batch import Inputs, map_tensors
from ercfw.contract.conversation import Conversation, ConversationStream
from ercfw.errors import InputError
from ercfw.testing.documented import check_documented
from ercfw.testing.elsewhere import ELSEWHERE, run_elsewhere
from ercfw.testing.material import CLASSES, pack
from ercfw.testing.outcome import NotAsked, NotMet
from ercfw.testing.subject import ONE, Subject

CLOSE = 1e-4
"""Relative difference that the order of sums in float32 explains."""
DRAWS = 4


def options_are_documented(subject: Subject) -> None:
    """Every option has a type that a recipe can hold, and is named in the docstring of its class."""
    check_documented(subject.made_by)


def shapes(subject: Subject) -> None:
    """A finite row an utterance, as wide as ``out_dim``, or logits as many as classes."""
    part, inputs = subject.make(), pack(subject.conversations).inputs
    pieces = subject.pieces(part, inputs)
    rows = len(inputs.speakers)
    for piece in pieces:
        if piece.dim() != 2 or len(piece) != rows or not piece.is_floating_point():
            raise NotMet(f"it gives {piece.dtype} of shape {list(piece.shape)}; [N, D] of floats is needed, N = {rows}")
        if not piece.isfinite().all():
            raise NotMet("it gives NaN or infinity for ordinary inputs")
    wanted = len(CLASSES) if subject.kind in ("head", "model") else getattr(part, "out_dim", None)
    if pieces[0].shape[1] != wanted:
        promised = "classes" if subject.kind in ("head", "model") else "out_dim"
        raise NotMet(f"it gives a width of {pieces[0].shape[1]}, but {promised} is {wanted}")


def alone_and_batched(subject: Subject) -> None:
    """A conversation by itself gets the answer that it gets among others."""
    part = subject.make()
    together = subject.run(part, subject.conversations)
    alone = torch.cat([subject.run(part, [c]) for c in subject.conversations])
    _same(together, alone, "a conversation alone gets another answer than among others: is an empty place read?")


def any_order(subject: Subject) -> None:
    """The order of the conversations in a batch decides nothing."""
    part = subject.make()
    straight = subject.run(part, subject.conversations)
    turned = subject.run(part, subject.conversations[::-1])
    parts = torch.split(turned, [len(c) for c in subject.conversations[::-1]])
    _same(straight, torch.cat(parts[::-1]), "the order of the conversations in a batch changes the answer")


def other_conversations(subject: Subject) -> None:
    """What others in the batch say decides nothing."""
    part, first = subject.make(), subject.conversations[0]
    others = subject.others(seed=1)
    here = subject.run(part, subject.conversations)[: len(first)]
    there = subject.run(part, [first, *others[1:]])[: len(first)]
    _same(here, there, "other conversations of the batch change the answer")


def missing_modalities(subject: Subject) -> None:
    """Finite, with finite gradients, when utterances lack some modalities or all of them."""
    for absent in (0.5, 1.0):
        conversations = subject.others(absent)
        part, inputs = subject.make(), pack(conversations).inputs
        given = subject.run_inputs(part, inputs)
        share = "all modalities" if absent == 1 else "some modalities"
        if not given.isfinite().all():
            raise NotMet(f"it gives NaN or infinity where {share} are absent")
        _backward(given)
        wrong = [name for name, p in part.named_parameters() if p.grad is not None and not p.grad.isfinite().all()]
        if wrong:
            raise NotMet(f"where {share} are absent, the gradient of {wrong[0]} is NaN or infinite")


def one_modality(subject: Subject) -> None:
    """It works with a single modality too."""
    if subject.kind not in ("fusion", "model"):
        raise NotAsked("it reads one modality anyway")
    alone = replace(subject, dims={ONE: subject.dims[ONE]})
    try:
        part = alone.make()
    except InputError as error:
        raise NotAsked(f"it says that one modality is too few: {error}") from error
    if not alone.run(part, alone.conversations).isfinite().all():
        raise NotMet("it gives NaN or infinity with a single modality")


def bf16(subject: Subject) -> None:
    """Finite in bf16 autocast, its gradients too."""
    part, inputs = subject.make().train(), pack(subject.conversations).inputs
    with torch.autocast("cpu", dtype=torch.bfloat16):
        given = subject.run_inputs(part, inputs).float()
    _backward(given)
    if not given.isfinite().all() or any(p.grad is not None and not p.grad.isfinite().all() for p in part.parameters()):
        raise NotMet("it gives NaN or infinity in bf16 autocast: do sums and softmax in float32")


def gradients(subject: Subject) -> None:
    """A gradient reaches every parameter that asks for one."""
    part = subject.make().train()
    wanted = {name for name, parameter in part.named_parameters() if parameter.requires_grad}
    for draw in range(DRAWS):
        torch.manual_seed(draw)
        conversations = subject.others(seed=draw)
        part.zero_grad()
        _backward(subject.run(part, conversations))
        wanted -= {name for name, p in part.named_parameters() if p.grad is not None and p.grad.any()}
    if wanted:
        raise NotMet(f"no gradient reaches {', '.join(sorted(wanted))}: is the parameter used?")


def causal(subject: Subject) -> None:
    """Where it says ``causal = True``, a row never reads what comes later."""
    part = subject.make()
    if not getattr(part, "causal", False):
        raise NotAsked("it does not say causal = True")
    conversation = max(subject.conversations, key=len)
    later = subject.others(sizes=(len(conversation),), seed=5)[0]
    for place in range(1, len(conversation)):
        changed = _spliced(conversation, later, place)
        before = subject.run(part, [conversation])[:place]
        _same(before, subject.run(part, [changed])[:place], f"row {place - 1} reads what comes after it")


def same_seed(subject: Subject) -> None:
    """The same seed gives the same weights, and evaluation the same answer twice."""
    one, other = subject.make(seed=3), subject.make(seed=3)
    for (name, weight), again in zip(one.state_dict().items(), other.state_dict().values(), strict=True):
        if not torch.equal(weight, again):
            raise NotMet(f"{name} differs between two parts made with one seed: draw with torch's generator")
    first, second = (subject.run(one, subject.conversations) for _ in range(2))
    if not torch.equal(first, second):
        raise NotMet("it answers differently twice: is something drawn, or kept, in evaluation?")


def saved_and_loaded(subject: Subject) -> None:
    """Its state goes through safetensors, and nothing that decides the answer is left out of it."""
    part, other = subject.make(seed=0), subject.make(seed=1)
    subject.run(part.train(), subject.conversations)  # what it learns of the data must be in its state, too
    with TemporaryDirectory() as folder, torch.no_grad():
        path = Path(folder) / "state.safetensors"
        save_file({name: tensor.contiguous() for name, tensor in part.state_dict().items()}, path)
        other.load_state_dict(load_file(path))
    _same(
        subject.run(part.eval(), subject.conversations),
        subject.run(other.eval(), subject.conversations),
        "loaded weights give another answer: is a tensor neither a parameter nor a buffer?",
    )


def compiled(subject: Subject) -> None:
    """It runs under ``torch.compile``, with the same answer."""
    part, inputs = subject.make(), pack(subject.conversations).inputs
    torch.compiler.reset()
    logging.disable()  # torch writes pages of its own on what fails; the error that it raises says enough
    try:
        given = torch.cat(subject.pieces(torch.compile(part, backend="eager"), inputs), -1)  # type: ignore[arg-type]
    except Exception as error:
        raise NotMet(f"torch.compile fails: {type(error).__name__}: {str(error).splitlines()[0]}") from error
    finally:
        logging.disable(logging.NOTSET)
    _same(subject.run_inputs(part, inputs), given, "torch.compile changes the answer")


def leaves_inputs_alone(subject: Subject) -> None:
    """What it is handed is as it was: other parts read it too."""
    inputs = pack(subject.conversations).inputs
    before: Inputs = map_tensors(inputs, torch.clone)
    subject.run_inputs(subject.make(), inputs)
    for name, stream in inputs.streams.items():
        if not torch.equal(stream.values, before.streams[name].values):
            raise NotMet(f"it changes the values of '{name}' in place")


def explained(subject: Subject) -> None:
    """What ``explain`` gives are weights ``[N, H, U]`` within each conversation, which add up to 1, or to 0."""
    part = subject.make()
    if not hasattr(part, "explain"):
        raise NotAsked("it does not offer explain")
    layout = pack(subject.conversations).inputs.layout
    longest = max(layout.sizes)
    alone = [_explain(subject, part, [conversation]) for conversation in subject.conversations]
    for name, weights in _explain(subject, part, subject.conversations).items():
        if weights.dim() != 3 or (len(weights), weights.shape[2]) != (sum(layout.sizes), longest):
            raise NotMet(f"explain: {name} has shape {list(weights.shape)}, not [N, H, U]")
        totals = weights.sum(-1)  # [N, H]
        if (weights < 0).any() or not ((totals - 1).abs().minimum(totals.abs()) < CLOSE).all():
            raise NotMet(f"explain: weights of {name} are negative, or add up to neither 1 nor 0")
        outside = torch.arange(longest) >= layout.lengths[layout.conversation].unsqueeze(-1)  # [N, U]
        if weights[outside.unsqueeze(1).expand_as(weights)].any():
            raise NotMet(f"explain: {name} has weights beyond the end of a conversation")
        parts = torch.split(weights, list(layout.sizes))
        for together, by_itself in zip(parts, alone, strict=True):
            inside = together[..., : len(together)]
            _same(inside, by_itself[name], f"explain: {name} is another one for a conversation alone")


def any_device(subject: Subject) -> None:
    """It computes where its inputs are, and never reads a value there, for which the host would wait."""
    part = subject.make().train().to(ELSEWHERE)
    inputs = pack(subject.conversations).inputs.to(ELSEWHERE)
    run_elsewhere(lambda: _backward(subject.run_inputs(part, inputs)))


def _explain(subject: Subject, part: Any, conversations: list[Conversation]) -> dict[str, Tensor]:
    found: dict[str, Tensor] = part.explain(*subject.arguments(pack(conversations).inputs))
    return found


def _same(one: Tensor, other: Tensor, otherwise: str) -> None:
    scale = max(1.0, float(one.detach().abs().max()))
    apart = float((one - other).detach().abs().max())
    if not apart <= CLOSE * scale:
        raise NotMet(f"{otherwise} (by {apart:.2g})")


def _backward(given: Tensor) -> None:
    """Gradients of a random sum of all that was given."""
    if given.requires_grad:
        weights = torch.randn(given.shape, generator=torch.Generator().manual_seed(0))
        torch.autograd.backward((given * weights.to(given.device)).sum())


def _spliced(conversation: Conversation, later: Conversation, place: int) -> Conversation:
    """The same up to ``place``, and another one's values from there on."""
    streams = {
        name: _spliced_stream(stream, later.streams[name], place) for name, stream in conversation.streams.items()
    }
    speakers = (*conversation.speakers[:place], *later.speakers[place:])
    return replace(conversation.with_streams(streams), speakers=speakers)


def _spliced_stream(stream: ConversationStream, later: ConversationStream, place: int) -> ConversationStream:
    def join(one: NDArray[Any], other: NDArray[Any]) -> NDArray[Any]:
        return np.concatenate([one[:place], other[place:]])

    lengths = None if stream.lengths is None or later.lengths is None else join(stream.lengths, later.lengths)
    return ConversationStream(join(stream.values, later.values), join(stream.present, later.present), lengths)


CHECKS = (
    options_are_documented, shapes, alone_and_batched, any_order, other_conversations, missing_modalities, one_modality,
    bf16, gradients, causal, same_seed, saved_and_loaded, compiled, leaves_inputs_alone,
    explained, any_device,
)  # fmt: skip
