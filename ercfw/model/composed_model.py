"""Compose encoders, contexts, fusion and heads into one module."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from ercfw.contract.batch import HeadOutput, Inputs, Outputs, Rows
from ercfw.contract.interfaces import Context, Encoder, FusionBlock, Head, Model
from ercfw.contract.optional_parts import SupportsTogether, supports_views
from ercfw.contract.part_outputs import ContextOutput, Fused
from ercfw.recipe.queries import JOINT


class ComposedModel(Model):
    """A network composed of parts; a missing context or fusion is the identity.

    Args:
        encoders: the encoder of each modality, in the order of the recipe.
        contexts: the context of each modality that has one.
        fusion: the fusion; None is allowed only with a single modality.
        joint_context: the context between the fusion and the heads.
        heads: the head of each target.
    """

    def __init__(
        self,
        encoders: Mapping[str, Encoder],
        contexts: Mapping[str, Context],
        fusion: FusionBlock | None,
        joint_context: Context | None,
        heads: Mapping[str, Head],
    ) -> None:
        nn.Module.__init__(self)
        self.encoders = nn.ModuleDict(dict(encoders))
        self.contexts = nn.ModuleDict(dict(contexts))
        self.fusion = fusion
        self.joint_context = joint_context
        self.heads = nn.ModuleDict(dict(heads))
        self._reading_views = {target for target, head in heads.items() if supports_views(type(head))}
        parts = [*contexts.values(), fusion, joint_context, *heads.values()]
        self.causal = all(part.causal for part in parts if part is not None)

    def parts(self) -> Iterator[tuple[str, nn.Module]]:
        """Yield every part with the name of its table."""
        yield from ((f"encoder.{name}", part) for name, part in self.encoders.items())
        yield from ((f"context.{name}", part) for name, part in self.contexts.items())
        if self.fusion is not None:
            yield "fusion", self.fusion
        if self.joint_context is not None:
            yield f"context.{JOINT}", self.joint_context
        yield from ((f"head.{target}", part) for target, part in self.heads.items())

    def forward(self, inputs: Inputs) -> Outputs:
        """Compute the logits of every target and the views that losses read."""
        encoded = {
            name: self._without_absent(encoder(inputs.streams[name], inputs), inputs, name)
            for name, encoder in self.encoders.items()
        }  # {m: [N, D]}
        extras: dict[str, Tensor] = {}
        in_context = {**encoded, **self._run_contexts(encoded, inputs, extras)}  # {m: [N, D]}
        joint, views = self._fuse(in_context, inputs, extras)
        if self.joint_context is not None:
            joint = _vectors(self.joint_context(joint, inputs), JOINT, extras)  # [N, D]
        heads = {target: self._answer(target, joint, inputs, views) for target in self.heads}
        for target, head in heads.items():
            extras |= {f"head.{target}.{name}": extra for name, extra in head.extras.items()}
        return Outputs(
            heads={target: replace(head, extras={}) if head.extras else head for target, head in heads.items()},
            rows=Rows.of(inputs),
            views=views,
            present={name: inputs.streams[name].present for name in views},
            extras=extras,
        )

    @staticmethod
    def _without_absent(x: Tensor, inputs: Inputs, modality: str) -> Tensor:
        present = inputs.streams[modality].present
        return torch.where(present.unsqueeze(-1), x, torch.zeros_like(x))  # [N, D]

    def _run_contexts(self, xs: Mapping[str, Tensor], inputs: Inputs, extras: dict[str, Tensor]) -> dict[str, Tensor]:
        """Run all contexts; contexts of one class that has ``together`` run in one call."""
        groups: dict[type[SupportsTogether], list[str]] = {}
        done: dict[str, Tensor] = {}
        for name, context in self.contexts.items():
            if isinstance(context, SupportsTogether):
                groups.setdefault(type(context), []).append(name)
            else:
                done[name] = _vectors(context(xs[name], inputs), name, extras)
        for kind, names in groups.items():
            blocks = [self.contexts[name] for name in names]
            results: Sequence[Tensor | ContextOutput] = kind.together(blocks, [xs[name] for name in names], inputs)
            done |= {name: _vectors(of_one, name, extras) for name, of_one in zip(names, results, strict=True)}
        return done

    def _fuse(
        self, xs: dict[str, Tensor], inputs: Inputs, extras: dict[str, Tensor]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        if self.fusion is None:
            (only,) = xs.values()
            return only, xs
        fused = self.fusion(xs, inputs)
        if not isinstance(fused, Fused):
            return fused, xs
        extras |= {f"fusion.{name}": extra for name, extra in fused.extras.items()}
        return fused.joint, xs if fused.views is None else fused.views

    def _answer(self, target: str, joint: Tensor, inputs: Inputs, views: dict[str, Tensor]) -> HeadOutput:
        head = self.heads[target]
        output: HeadOutput = head(joint, inputs, views) if target in self._reading_views else head(joint, inputs)
        return output


def _vectors(output: Tensor | ContextOutput, name: str, extras: dict[str, Tensor]) -> Tensor:
    """Return the vectors ``[N, D]`` of a context, and add its extras to those of the model."""
    if not isinstance(output, ContextOutput):
        return output
    extras |= {f"context.{name}.{key}": extra for key, extra in output.extras.items()}
    return output.x
