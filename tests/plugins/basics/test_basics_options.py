"""The options of every part, read as a recipe's are."""

import inspect

import pytest

import ercfw_basics
from ercfw.errors import InputError
from ercfw.registry.options import constructor_arguments, options_model, read_options

PARTS = {
    f"{kind}: {name}": part
    for kind in ("encoders", "contexts", "fusions", "heads", "losses")
    for name, part in getattr(ercfw_basics, f"provide_{kind}")().items()
}

REQUIRED = {"losses: extra": {"name": "fusion.kl"}}


def test_all_that_the_basics_are_to_offer() -> None:
    assert sorted(PARTS) == sorted(
        [f"encoders: {name}" for name in ("identity", "linear", "mlp")]
        + [f"contexts: {name}" for name in ("none", "gru", "lstm", "transformer", "dialogue-rnn", "mixup")]
        + [f"fusions: {name}" for name in ("concat", "sum", "gated-sum", "cross-modal-transformer", "vib")]
        + [f"heads: {name}" for name in ("linear", "mlp", "auxiliary-linear", "ordinal")]
        + [
            f"losses: {name}"
            for name in (
                *("cross-entropy", "auxiliary-cross-entropy", "distillation", "extra", "feature-distillation", "focal"),
                *("mixup-cross-entropy", "r-drop", "relation-distillation", "self-distillation", "supcon"),
                *("view-cross-entropy", "ordinal", "soft-cross-entropy", "bce", "mse", "mae", "huber", "ccc"),
            )
        ]
    )
    metrics = """
        weighted-f1 macro-f1 f1 accuracy unweighted-accuracy micro-f1 kappa mae rmse pearson ccc acc-7 acc-5 acc-3
        acc-2-has0 acc-2-non0 f1-has0 f1-non0 label-f1 label-macro-f1 label-micro-f1 exact-match map
        soft-cross-entropy jensen-shannon share-error
    """
    assert sorted(ercfw_basics.provide_metrics()) == sorted(metrics.split())


@pytest.mark.parametrize("part", PARTS)
def test_every_option_has_a_default_and_stands_in_the_docstring(part) -> None:
    options = constructor_arguments(read_options(PARTS[part], REQUIRED.get(part, {}), "here"))
    described = (inspect.getdoc(PARTS[part]) or "").partition("Options:")[2]
    assert all(f"{name}:" in described for name in options)


@pytest.mark.parametrize(
    ("part", "options"),
    [
        ("losses: cross-entropy", {"class_weights": "balanced", "smoothing": 1}),
        ("losses: cross-entropy", {"class_weights": [1, 0.5, 2, 0]}),
        ("losses: focal", {"class_weights": "none", "gamma": 0}),
        ("encoders: linear", {"standardise": True}),
    ],
)
def test_options_that_are_taken(part, options) -> None:
    read = constructor_arguments(read_options(PARTS[part], options, "here"))
    assert read == {**read, **options}


@pytest.mark.parametrize(
    ("part", "options"),
    [
        ("losses: cross-entropy", {"class_weights": "balance"}),
        ("losses: cross-entropy", {"class_weights": [1, -0.5, 2, 0]}),
        ("losses: cross-entropy", {"smoothing": 1.5}),
        ("losses: focal", {"gamma": -1}),
        ("losses: supcon", {"temperature": 0}),
        ("losses: self-distillation", {"temperature": 0}),
        ("losses: r-drop", {"alpha": -1}),
        ("losses: view-cross-entropy", {"class_weights": "balance"}),
        ("losses: mixup-cross-entropy", {"context": ""}),
        ("losses: extra", {"name": ""}),
        ("contexts: mixup", {"alpha": 0}),
        ("fusions: vib", {"width": 0}),
        ("heads: auxiliary-linear", {"dropout": 1}),
        ("contexts: gru", {"width": 0}),
        ("contexts: lstm", {"dropout": 1.0}),
        ("contexts: transformer", {"heads": 2.5}),
        ("encoders: mlp", {"hidden": "512"}),
    ],
)
def test_options_that_are_refused_with_their_name(part, options) -> None:
    (name,) = options
    with pytest.raises(InputError) as raised:
        read_options(PARTS[part], options, "here")
    assert all(mistake.where.startswith(f"here {name}") for mistake in raised.value.mistakes)


def test_options_are_those_of_the_signature() -> None:
    assert list(options_model(PARTS["contexts: gru"]).model_fields) == [
        "width",
        "layers",
        "bidirectional",
        "dropout",
    ]
