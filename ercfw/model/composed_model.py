"""Compose encoders, contexts, fusion and heads into one module."""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from ercfw.contract.batch import Inputs, Outputs, Rows
from ercfw.contract.interfaces import Context, Encoder, Fused, FusionBlock, Head, Model
from ercfw.contract.optional_parts import SupportsTogether
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
        in_context = {**encoded, **self._run_contexts(encoded, inputs)}  # {m: [N, D]}
        joint, views = self._fuse(in_context, inputs)
        if self.joint_context is not None:
            joint = self.joint_context(joint, inputs)  # [N, D]
        return Outputs(
            heads={target: head(joint, inputs) for target, head in self.heads.items()},
            rows=Rows.of(inputs),
            views=views,
            present={name: inputs.streams[name].present for name in views},
        )

    @staticmethod
    def _without_absent(x: Tensor, inputs: Inputs, modality: str) -> Tensor:
        present = inputs.streams[modality].present
        return torch.where(present.unsqueeze(-1), x, torch.zeros_like(x))  # [N, D]

    def _run_contexts(self, xs: Mapping[str, Tensor], inputs: Inputs) -> dict[str, Tensor]:
        """Run all contexts; contexts of one class that has ``together`` run in one call."""
        groups: dict[type[SupportsTogether], list[str]] = {}
        done: dict[str, Tensor] = {}
        for name, context in self.contexts.items():
            if isinstance(context, SupportsTogether):
                groups.setdefault(type(context), []).append(name)
            else:
                done[name] = context(xs[name], inputs)
        for kind, names in groups.items():
            blocks = [self.contexts[name] for name in names]
            results = kind.together(blocks, [xs[name] for name in names], inputs)
            done.update(zip(names, results, strict=True))
        return done

    def _fuse(self, xs: dict[str, Tensor], inputs: Inputs) -> tuple[Tensor, dict[str, Tensor]]:
        if self.fusion is None:
            (only,) = xs.values()
            return only, xs
        fused = self.fusion(xs, inputs)
        if isinstance(fused, Fused):
            return fused.joint, fused.views
        return fused, xs
