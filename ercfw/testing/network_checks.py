"""The checks of every part of a network.

Each takes a ``Subject``, raises ``CheckFailed`` if the part breaks the promise, and ``CheckSkipped`` if the promise
does not apply to it.
"""

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ercfw.contract.batch import Inputs, map_tensors
from ercfw.contract.conversation import Conversation, ConversationStream
from ercfw.contract.targets import TargetKind
from ercfw.errors import InputError
from ercfw.testing.checked_part import ONE, Subject
from ercfw.testing.compare_results import same
from ercfw.testing.documented import check_documented
from ercfw.testing.fixtures import pack
from ercfw.testing.meta_device import META, run_on_meta
from ercfw.testing.optional_checks import explained, parameter_groups
from ercfw.testing.outcome import CheckFailed, CheckSkipped

STEPS, RATE = 6, 0.01
"""Number of training steps before a parameter counts as one without a gradient, and their size.

The first weights of an adapter have no gradient as long as its last ones are zero, as they are at the start.
"""
NAMED: Mapping[TargetKind, str] = {"classes": "classes", "regression": "numbers", "multilabel": "labels"}
"""What the names of a target of each kind name."""


def options_are_documented(subject: Subject) -> None:
    """Check that each option has a type that a recipe can hold, and is named in the docstring of the class."""
    check_documented(subject.factory)


def shapes(subject: Subject) -> None:
    """Check that the part returns finite ``[N, D]``, D being ``out_dim``, or for logits the number of classes.

    A target of numbers or of several labels has as many logits as names.
    """
    part, inputs = subject.make(), pack(subject.conversations).inputs
    pieces = subject.pieces(part, inputs)
    rows = len(inputs.speakers)
    for piece in pieces:
        if piece.dim() != 2 or len(piece) != rows or not piece.is_floating_point():
            what = f"it returns {piece.dtype} of shape {list(piece.shape)}"
            raise CheckFailed(f"{what} (it should return floats of shape [N, D], N = {rows})")
        if not piece.isfinite().all():
            raise CheckFailed("it returns NaN or infinity for ordinary inputs")
    answers = subject.kind in ("head", "model")
    wanted = len(subject.target.names) if answers else getattr(part, "out_dim", None)
    if pieces[0].shape[1] != wanted:
        promised = f"the number of {NAMED[subject.target.kind]}" if answers else "out_dim"
        raise CheckFailed(f"it returns a width of {pieces[0].shape[1]}, but {promised} is {wanted}")


def alone_and_batched(subject: Subject) -> None:
    """Check that a conversation gets the same result alone as in a batch with others."""
    part = subject.make()
    batched = subject.run(part, subject.conversations)
    alone = torch.cat([subject.run(part, [c]) for c in subject.conversations])
    same(batched, alone, "a conversation alone gets another result than in a batch: does the part read padding?")


def any_order(subject: Subject) -> None:
    """Check that the order of the conversations in a batch does not matter."""
    part = subject.make()
    straight = subject.run(part, subject.conversations)
    reversed_ = subject.run(part, subject.conversations[::-1])
    parts = torch.split(reversed_, [len(c) for c in subject.conversations[::-1]])
    same(straight, torch.cat(parts[::-1]), "the order of the conversations in a batch changes the result")


def other_conversations(subject: Subject) -> None:
    """Check that the content of other conversations in the batch does not matter."""
    part, first = subject.make(), subject.conversations[0]
    others = subject.others(seed=1)
    here = subject.run(part, subject.conversations)[: len(first)]
    there = subject.run(part, [first, *others[1:]])[: len(first)]
    same(here, there, "other conversations in the batch change the result")


def missing_modalities(subject: Subject) -> None:
    """Check that results and gradients are finite when utterances lack some modalities or all of them."""
    for absent in (0.5, 1.0):
        conversations = subject.others(absent)
        part, inputs = subject.make(), pack(conversations).inputs
        given = subject.run_inputs(part, inputs)
        share = "all modalities" if absent == 1 else "some modalities"
        if not given.isfinite().all():
            raise CheckFailed(f"it returns NaN or infinity where {share} are absent")
        _backward(given)
        wrong = [name for name, p in part.named_parameters() if p.grad is not None and not p.grad.isfinite().all()]
        if wrong:
            raise CheckFailed(f"where {share} are absent, the gradient of {wrong[0]} is NaN or infinite")


def one_modality(subject: Subject) -> None:
    """Check that a fusion or model also works with a single modality."""
    if subject.kind not in ("fusion", "model"):
        raise CheckSkipped("its kind reads one modality anyway")
    alone = replace(subject, dims={ONE: subject.dims[ONE]})
    try:
        part = alone.make()
    except InputError as error:
        raise CheckSkipped(f"it refuses a single modality: {error}") from error
    if not alone.run(part, alone.conversations).isfinite().all():
        raise CheckFailed("it returns NaN or infinity with a single modality")


def bf16(subject: Subject) -> None:
    """Check that results and gradients are finite in bf16 autocast."""
    part, inputs = subject.make().train(), pack(subject.conversations).inputs
    with torch.autocast("cpu", dtype=torch.bfloat16):
        given = subject.run_inputs(part, inputs).float()
    _backward(given)
    if not given.isfinite().all() or any(p.grad is not None and not p.grad.isfinite().all() for p in part.parameters()):
        raise CheckFailed("it returns NaN or infinity in bf16 autocast: compute sums and softmax in float32")


def gradients(subject: Subject) -> None:
    """Check that a gradient reaches every trainable parameter in the first steps of a training."""
    part = subject.make().train()
    wanted = {name for name, parameter in part.named_parameters() if parameter.requires_grad}
    for step in range(STEPS):
        torch.manual_seed(step)
        conversations = subject.others(seed=step)
        part.zero_grad()
        _backward(subject.run(part, conversations))
        wanted -= {name for name, p in part.named_parameters() if p.grad is not None and p.grad.any()}
        if not wanted:
            return
        _step(part)
    raise CheckFailed(f"no gradient reaches {', '.join(sorted(wanted))}: is the parameter used?")


def causal(subject: Subject) -> None:
    """Check that a part with ``causal = True`` reads no later utterance of a conversation."""
    part = subject.make()
    if not getattr(part, "causal", False):
        raise CheckSkipped("it does not set causal = True")
    conversation = max(subject.conversations, key=len)
    later = subject.others(sizes=(len(conversation),), seed=5)[0]
    for place in range(1, len(conversation)):
        changed = _spliced(conversation, later, place)
        before = subject.run(part, [conversation])[:place]
        same(
            before,
            subject.run(part, [changed])[:place],
            f"it sets causal = True, but row {place - 1} reads later utterances",
        )


def same_seed(subject: Subject) -> None:
    """Check that the same seed gives the same weights, and that evaluation is deterministic."""
    one, other = subject.make(seed=3), subject.make(seed=3)
    for (name, weight), again in zip(one.state_dict().items(), other.state_dict().values(), strict=True):
        if not torch.equal(weight, again):
            raise CheckFailed(f"{name} differs between two parts made with the same seed: draw with torch's generator")
    first, second = (subject.run(one, subject.conversations) for _ in range(2))
    if not torch.equal(first, second):
        raise CheckFailed("two evaluations differ: does the part draw numbers or keep state in evaluation mode?")


def saved_and_loaded(subject: Subject) -> None:
    """Check that the part, saved with safetensors and loaded into a new one, gives the same result."""
    part, other = subject.make(seed=0), subject.make(seed=1)
    subject.run(part.train(), subject.conversations)  # what it learns from data must be in its state, too
    with TemporaryDirectory() as folder, torch.no_grad():
        path = Path(folder) / "state.safetensors"
        save_file({name: tensor.contiguous() for name, tensor in part.state_dict().items()}, path)
        other.load_state_dict(load_file(path))
    same(
        subject.run(part.eval(), subject.conversations),
        subject.run(other.eval(), subject.conversations),
        "loaded weights give another result: is a tensor neither a parameter nor a buffer?",
    )


def compiled(subject: Subject) -> None:
    """Check that the part runs under ``torch.compile``, with the same result."""
    part, inputs = subject.make(), pack(subject.conversations).inputs
    torch.compiler.reset()
    logging.disable()  # torch logs pages about a failure; the error that it raises is enough
    try:
        given = torch.cat(subject.pieces(torch.compile(part, backend="eager"), inputs), -1)  # type: ignore[arg-type]
    except Exception as error:
        raise CheckFailed(f"torch.compile fails: {type(error).__name__}: {str(error).splitlines()[0]}") from error
    finally:
        logging.disable(logging.NOTSET)
    same(subject.run_inputs(part, inputs), given, "torch.compile changes the result")


def leaves_inputs_alone(subject: Subject) -> None:
    """Check that the part does not change its inputs in place, since other parts read them too."""
    inputs = pack(subject.conversations).inputs
    before: Inputs = map_tensors(inputs, torch.clone)
    subject.run_inputs(subject.make(), inputs)
    for name, stream in inputs.streams.items():
        if not torch.equal(stream.values, before.streams[name].values):
            raise CheckFailed(f"it changes the values of '{name}' in place")


def any_device(subject: Subject) -> None:
    """Check that the part computes on the device of its inputs, and reads no value, which would make the CPU wait."""
    part = subject.make().train().to(META)
    inputs = pack(subject.conversations).inputs.to(META)
    run_on_meta(lambda: _backward(subject.run_inputs(part, inputs)))


def _backward(given: Tensor) -> None:
    """Compute the gradients of a random sum of all values."""
    if given.requires_grad:
        weights = torch.randn(given.shape, generator=torch.Generator().manual_seed(0))
        torch.autograd.backward((given * weights.to(given.device)).sum())


@torch.no_grad()
def _step(part: nn.Module) -> None:
    """Change each parameter by ``RATE`` against its gradient."""
    for parameter in part.parameters():
        if parameter.grad is not None:
            parameter.sub_(RATE * parameter.grad.sign())


def _spliced(conversation: Conversation, later: Conversation, place: int) -> Conversation:
    """Return the conversation with the values of another one from ``place`` on."""
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
    explained, parameter_groups, any_device,
)  # fmt: skip
