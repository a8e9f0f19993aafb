"""Hooks that provide parts: each returns the classes of one kind, by the names that recipes use.

They share four rules:

- When: each time plugins are loaded. A plugin must return the same parts every time.
- Where: in the command's process, each process of ``torchrun``, each worker of ``ablate``, ``tune`` and ``extract``.
- Names are kebab-case, such as ``gated-sum``. A name that two plugins offer cannot be used.
- An exception makes the plugin broken: none of its parts can be used, and ``ercfw plugins`` shows why. Other plugins
  are not affected.
"""

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from ercfw.contract.file_format import FileFormat
    from ercfw.contract.interfaces import (
        Context,
        Dataset,
        Encoder,
        Extractor,
        FusionBlock,
        Head,
        Loss,
        Model,
    )
    from ercfw.contract.metric import Metric

hookspec = pluggy.HookspecMarker("ercfw")


@hookspec
def provide_datasets() -> "dict[str, type[Dataset]]":  # type: ignore[empty-body]
    """Return the datasets of a plugin: corpora that ``[data] use`` can name.

    Called without arguments, in every process that loads plugins. An exception makes the plugin broken.

    ```python
    import numpy as np
    from ercfw import Conversation, ConversationStream, Dataset, Provenance, hookimpl

    class Greetings(Dataset):
        '''One conversation per split.'''
        targets, modalities = {"emotion": ("neutral", "joy")}, ("text",)
        provenance = Provenance("made-up greetings", simulated=True)

        def split(self, name):
            speakers, texts, labels = ("Ann", "Bob"), ("Hello.", "Hi!"), {"emotion": np.array([0, 1])}
            stream = ConversationStream(np.eye(2, dtype=np.float32), np.ones(2, bool))  # [U, D], [U]
            return [Conversation(f"{name}/0", name, ("0", "1"), speakers, texts, labels, {"text": stream})]

    @hookimpl
    def provide_datasets():
        return {"greetings": Greetings}
    ```
    """


@hookspec
def provide_formats() -> "dict[str, type[FileFormat]]":  # type: ignore[empty-body]
    """Return the file formats of a plugin: feature files of other projects for ``ercfw data import`` and ``export``.

    Called without arguments, in every process that loads plugins. An exception makes the plugin broken.

    ```python
    import json
    import numpy as np
    from ercfw import FileFormat, InputError, Published, hookimpl

    class Numbers(FileFormat):
        '''One JSON file with lists of conversations, labels and text vectors.'''
        slots = ("text",)

        def read(self, path):
            try:
                held = json.loads(path.read_text())
                text = {key: np.array(rows, np.float32) for key, rows in held["text"].items()}  # [U, D] each
                lists, labels, classes = held["lists"], held["labels"], tuple(held["classes"])
            except (OSError, ValueError, KeyError, TypeError) as error:
                raise InputError.at(path, f"is not of this format: {error}") from error
            return Published((path,), None, classes, lists, labels=labels, streams={"text": text})

    @hookimpl
    def provide_formats():
        return {"numbers": Numbers}
    ```
    """


@hookspec
def provide_extractors() -> "dict[str, type[Extractor]]":  # type: ignore[empty-body]
    """Return the extractors of a plugin: they make features of raw text, sound or video (``[features.text] use``).

    Called without arguments, in every process that loads plugins. An exception makes the plugin broken.

    ```python
    import numpy as np
    from ercfw import Extractor, hookimpl

    class Length(Extractor):
        '''The number of characters of each text; an empty text is absent.'''
        reads, dim, fingerprint = "text", 1, "length, version 1"

        def extract(self, conversation):
            return [np.array([len(text)], np.float32) if text else None for text in conversation.texts]

    @hookimpl
    def provide_extractors():
        return {"length": Length}
    ```
    """


@hookspec
def provide_encoders() -> "dict[str, type[Encoder]]":  # type: ignore[empty-body]
    """Return the encoders of a plugin: they turn one modality's stream into vectors (``[encoder.text] use``).

    Called without arguments, in every process that loads plugins. An exception makes the plugin broken.

    ```python
    from ercfw import Encoder, hookimpl
    from torch import nn

    class ToThirtyTwo(Encoder):
        '''One linear layer.'''
        def __init__(self, spec, info):
            super().__init__(spec, info)
            self.out_dim, self.project = 32, nn.Linear(spec.dim, 32)

        def forward(self, stream, inputs):
            return self.project(stream.values)  # [N, 32]

    @hookimpl
    def provide_encoders():
        return {"to-thirty-two": ToThirtyTwo}
    ```
    """


@hookspec
def provide_contexts() -> "dict[str, type[Context]]":  # type: ignore[empty-body]
    """Return the contexts of a plugin: they let utterances read others of their conversation (``[context.text] use``).

    Called without arguments, in every process that loads plugins. An exception makes the plugin broken.

    ```python
    import torch
    from ercfw import Context, hookimpl

    class WithPrevious(Context):
        '''Each utterance beside the one before it.'''
        causal = True

        def __init__(self, dim, info):
            super().__init__(dim, info)
            self.out_dim = 2 * dim

        def forward(self, x, inputs):
            previous = inputs.layout.previous  # [N], -1 where a conversation begins
            before = x[previous.clamp(min=0)] * (previous >= 0).unsqueeze(-1)  # [N, D]
            return torch.cat([x, before], -1)  # [N, 2 D]

    @hookimpl
    def provide_contexts():
        return {"with-previous": WithPrevious}
    ```
    """


@hookspec
def provide_fusions() -> "dict[str, type[FusionBlock]]":  # type: ignore[empty-body]
    """Return the fusions of a plugin: they make one vector of several modalities (``[fusion] use``).

    Called without arguments, in every process that loads plugins. An exception makes the plugin broken.

    ```python
    import torch
    from ercfw import FusionBlock, hookimpl

    class SideBySide(FusionBlock):
        '''All modalities in one long vector.'''
        causal = True

        def __init__(self, dims, info):
            super().__init__(dims, info)
            self.out_dim = sum(dims.values())

        def forward(self, xs, inputs):
            return torch.cat(list(xs.values()), -1)  # [N, out_dim]

    @hookimpl
    def provide_fusions():
        return {"side-by-side": SideBySide}
    ```
    """


@hookspec
def provide_heads() -> "dict[str, type[Head]]":  # type: ignore[empty-body]
    """Return the heads of a plugin: they classify each utterance (``[head.emotion] use``).

    Called without arguments, in every process that loads plugins. An exception makes the plugin broken.

    ```python
    from ercfw import Head, HeadOutput, hookimpl
    from torch import nn

    class OneLayer(Head):
        '''A linear classifier; its input is the embedding.'''
        causal = True

        def __init__(self, dim, target, info):
            super().__init__(dim, target, info)
            self.classify = nn.Linear(dim, len(info.targets[target].classes))

        def forward(self, x, inputs):
            return HeadOutput(self.classify(x), x)  # logits [N, C], embedding [N, D]

    @hookimpl
    def provide_heads():
        return {"one-layer": OneLayer}
    ```
    """


@hookspec
def provide_losses() -> "dict[str, type[Loss]]":  # type: ignore[empty-body]
    """Return the losses of a plugin: training minimises their weighted sum (``[loss.NAME]``).

    Called without arguments, in every process that loads plugins. An exception makes the plugin broken.

    ```python
    from ercfw import Loss, hookimpl, labelled
    from torch.nn.functional import one_hot

    class Brier(Loss):
        '''The squared error of the probabilities, averaged over the labelled utterances.'''
        def forward(self, outputs, targets):
            here = labelled(targets, self.target)  # [N]
            given = outputs.heads[self.target].logits.softmax(-1)  # [N, C]
            error = given - one_hot(targets[self.target].clamp(min=0), given.shape[1])  # [N, C]
            return (error.square().sum(-1) * here).sum() / here.sum().clamp(min=1)  # []

    @hookimpl
    def provide_losses():
        return {"brier": Brier}
    ```
    """


@hookspec
def provide_metrics() -> "dict[str, Metric]":  # type: ignore[empty-body]
    """Return the metrics of a plugin: functions that score predictions of a split, and may choose the epoch.

    Called without arguments, in every process that loads plugins. An exception makes the plugin broken.

    ```python
    from ercfw import hookimpl

    def right(true, probabilities, classes):
        '''The share of utterances whose most probable class is the labelled one.'''
        return float((probabilities.argmax(-1) == true).mean())  # [N, C] and [N] -> a float

    @hookimpl
    def provide_metrics():
        return {"share-right": right}
    ```
    """


@hookspec
def provide_models() -> "dict[str, type[Model]]":  # type: ignore[empty-body]
    """Return the models of a plugin: whole networks in place of composed ones (``[model] use``).

    Called without arguments, in every process that loads plugins. An exception makes the plugin broken.

    ```python
    import torch
    from ercfw import HeadOutput, Model, Outputs, Rows, hookimpl
    from torch import nn

    class Flat(Model):
        '''All modalities side by side, and one linear classifier per target.'''
        causal = True

        def __init__(self, info):
            super().__init__(info)
            width = sum(spec.dim for spec in info.modalities.values())
            self.classify = nn.ModuleDict({t: nn.Linear(width, len(s.classes)) for t, s in info.targets.items()})

        def forward(self, inputs):
            x = torch.cat([stream.values for stream in inputs.streams.values()], -1)  # [N, D]
            return Outputs({t: HeadOutput(layer(x), x) for t, layer in self.classify.items()}, Rows.of(inputs))

    @hookimpl
    def provide_models():
        return {"flat": Flat}
    ```
    """
