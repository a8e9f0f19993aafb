"""Shipped callbacks against what they are by definition: loops, torch's own averages, gradients by hand."""

import copy
from dataclasses import replace

import pytest
import torch
from torch.optim.swa_utils import AveragedModel

from ercfw.data.collate import collate
from ercfw.errors import InputError, RunError
from ercfw.training.checkpoint import load_state
from ercfw.training.loop import fit
from ercfw.training.resume import resume
from ercfw.training.state import Listeners

SGD = ("train.optimizer=sgd", "train.lr=0.5")
WHOLE = (*SGD, "data.batch_size=12")


def flat(model):
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def weights_of(state, model):
    return torch.cat([state[name].flatten() for name, _ in model.named_parameters()])


@pytest.fixture
def watched(training):
    """Train with these settings; give the training, the weights after each step, and those that were scored."""

    def run(*words, scores=None, **more):
        scored, after, lines = [], [], []

        def metric(*_):
            scored.append(flat(begun.model))
            return scores[len(scored) - 1] if scores else 0.1 * len(scored)

        begun, plan = training(*words, metrics=metric, **more)
        initial = flat(begun.model)
        fit(begun, plan, Listeners(step=lambda: after.append(flat(begun.model)), epoch=lines.append))
        return begun, initial, after, scored, lines

    return run


@pytest.mark.parametrize("warmup", [True, False])
def test_ema_is_the_average_of_a_plain_loop_and_is_what_is_scored_and_kept(watched, warmup):
    words = ("train.epochs=3", *SGD)
    begun, average, after, scored, _ = watched(
        *words, "callback.ema.decay=0.9", f"callback.ema.warmup={warmup}".lower()
    )
    average, expected = average.double(), []
    for step, own in enumerate(after, 1):
        decay = min(0.9, (1 + step) / (10 + step)) if warmup else 0.9
        average = decay * average + (1 - decay) * own.double()
        expected.append(average.clone())
    for epoch, found in enumerate(scored):
        torch.testing.assert_close(found.double(), expected[3 * epoch + 2], rtol=0, atol=1e-6)
        assert not torch.equal(found, after[3 * epoch + 2])
    assert torch.equal(weights_of(begun.best, begun.model), scored[begun.best_epoch - 1])
    _, _, plain, _, _ = watched(*words)
    assert all(torch.equal(one, other) for one, other in zip(after, plain, strict=True)), (
        "the training itself is as ever"
    )


def test_swa_is_torchs_average_of_the_last_epochs(watched):
    begun, _, after, scored, _ = watched("train.epochs=5", *SGD, "callback.swa.from_epoch=3")
    model = copy.deepcopy(begun.model)
    theirs = AveragedModel(model)
    for epoch in range(5):
        torch.nn.utils.vector_to_parameters(after[3 * epoch + 2], model.parameters())
        if epoch < 2:
            assert torch.equal(scored[epoch], after[3 * epoch + 2])
            continue
        theirs.update_parameters(model)
        torch.testing.assert_close(scored[epoch], flat(theirs.module), rtol=0, atol=1e-6)
    assert torch.equal(weights_of(begun.best, begun.model), scored[-1])


def test_swa_refuses_batch_normalisation_and_epochs_that_never_come(training):
    with pytest.raises(InputError, match=r"\[callback.swa\] from_epoch: is 3, but the training has 2 epochs"):
        training("train.epochs=2", "callback.swa.from_epoch=3")
    with pytest.raises(InputError, match=r"batch normalisation \(encoders.text.norm\)"):
        training(
            "callback.swa={}", modules=lambda model: model.encoders["text"].add_module("norm", torch.nn.BatchNorm1d(8))
        )


def by_hand(begun, plan, move):
    """The gradients of a batch of all conversations at weights that ``move`` changed, with plain autograd."""
    model, batch = copy.deepcopy(begun.model), collate(plan.watched.train)
    own = [p.detach().clone() for p in model.parameters()]

    def gradients(inputs=batch.inputs):
        (loss,) = begun.losses(model(inputs), batch.targets).values()
        return torch.autograd.grad(loss, [*model.parameters()])

    return move(model, own, gradients, batch)


@pytest.mark.parametrize("adaptive", [False, True])
@pytest.mark.parametrize("accumulate", [1, 4])
def test_sam_steps_with_the_gradient_at_the_weights_of_highest_loss(training, adaptive, accumulate):
    words = (
        "train.optimizer=sgd",
        "train.lr=0.5",
        f"data.batch_size={12 // accumulate}",
        f"train.accumulate={accumulate}",
    )
    begun, plan = training(*words, "callback.sam.rho=0.3", f"callback.sam.adaptive={adaptive}".lower())

    def move(model, own, gradients, _):
        first = gradients()
        scaled = [g * p.abs() if adaptive else g for g, p in zip(first, own, strict=True)]
        norm = sum(float(g.double().square().sum()) for g in scaled) ** 0.5
        with torch.no_grad():
            for p, g in zip(model.parameters(), first, strict=True):
                p += 0.3 * (g * p.square() if adaptive else g) / norm
        return torch.cat([(p - 0.5 * g).flatten() for p, g in zip(own, gradients(), strict=True)])

    expected = by_hand(begun, plan, move)
    fit(begun, plan, Listeners())
    torch.testing.assert_close(flat(begun.model), expected, rtol=0, atol=1e-5)
    plain, plan = training(*words)
    fit(plain, plan, Listeners())
    assert (flat(plain.model) - expected).norm() > 1e-3


@pytest.mark.parametrize("accumulate", [1, 4])
def test_fgm_adds_the_loss_of_moved_vectors(training, accumulate):
    words = (
        "train.optimizer=sgd",
        "train.lr=0.5",
        f"data.batch_size={12 // accumulate}",
        f"train.accumulate={accumulate}",
    )
    fgm = 'callback.fgm={ streams = ["text"], epsilon = 2.0, weight_of_moved = 0.7 }'
    begun, plan = training(*words, fgm)

    def move(model, own, gradients, batch):
        text = batch.inputs.streams["text"]
        x = text.values.clone().requires_grad_()
        moved = torch.zeros_like(x)
        streams = {**batch.inputs.streams, "text": type(text)(x, text.present)}
        (loss,) = begun.losses(model(type(batch.inputs)(streams, batch.inputs.layout, batch.inputs.speakers)),
                               batch.targets).values()  # fmt: skip
        (g,) = torch.autograd.grad(loss, x)
        for row in range(len(g)):
            norm = float(g[row].norm())
            moved[row] = x[row].detach() + (2.0 * g[row] / norm if norm else 0)
        streams["text"] = type(text)(moved, text.present)
        second = gradients(type(batch.inputs)(streams, batch.inputs.layout, batch.inputs.speakers))
        return torch.cat(
            [(p - 0.5 * (a + 0.7 * b)).flatten() for p, a, b in zip(own, gradients(), second, strict=True)]
        )

    expected = by_hand(begun, plan, move)
    fit(begun, plan, Listeners())
    torch.testing.assert_close(flat(begun.model), expected, rtol=0, atol=1e-5)


def test_fgm_moves_a_parameter_by_its_whole_gradient(training):
    begun, plan = training(*WHOLE, 'callback.fgm.parameters=["heads.emotion"]', "callback.fgm.epsilon=0.5")

    def move(model, own, gradients, _):
        first = gradients()
        with torch.no_grad():
            for (name, p), g in zip(model.named_parameters(), first, strict=True):
                if "heads.emotion" in name:
                    p += 0.5 * g / g.norm()
        return torch.cat([(p - 0.5 * (a + b)).flatten() for p, a, b in zip(own, first, gradients(), strict=True)])

    expected = by_hand(begun, plan, move)
    fit(begun, plan, Listeners())
    torch.testing.assert_close(flat(begun.model), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ("callback.fgm={}", r"\[callback.fgm\] streams: nothing is moved"),
        ('callback.fgm.streams=["txt"]', "there is no modality 'txt' .did you mean 'text'"),
        ('callback.fgm.parameters=["words"]', "no trained parameter has 'words' in its name"),
        ('callback.freeze.parts=["encoder.txt"]', r"\[callback.freeze\] parts: there is no part 'encoder.txt'"),
        ('callback.freeze.parts=["encoder", "head"]', "leave nothing to train"),
        ('callback.modality-dropout.streams=["txt"]', "there is no modality 'txt'"),
        ("callback.early-stopping.score=emotion.mein", r"\[callback.early-stopping\] score: there is no score"),
    ],
)
def test_a_mistake_in_a_table_names_it(training, table, says):
    with pytest.raises(InputError, match=says):
        training(table)


def test_freeze_leaves_parts_alone_until_their_epoch(watched):
    words = ("train.epochs=2", "train.weight_decay=0.1", 'callback.freeze={ parts = ["encoder"], until = 1 }')
    begun, initial, after, _, _ = watched(*words)
    encoders = sum(p.numel() for name, p in begun.model.named_parameters() if name.startswith("encoders"))
    assert torch.equal(after[2][:encoders], initial[:encoders])
    assert not torch.equal(after[2][encoders:], initial[encoders:])
    assert not torch.equal(after[3][:encoders], initial[:encoders])


@pytest.mark.parametrize("order", [("freeze", "sam"), ("sam", "freeze")])
def test_what_is_frozen_stays_so_beside_callbacks_that_compute_gradients_again(watched, order):
    tables = {"freeze": 'callback.freeze.parts=["encoder.text"]', "sam": "callback.sam={}"}
    begun, initial, after, _, _ = watched(*(tables[name] for name in order))
    frozen = sum(p.numel() for name, p in begun.model.named_parameters() if name.startswith("encoders.text"))
    assert torch.equal(after[-1][:frozen], initial[:frozen])
    assert not torch.equal(after[-1][frozen:], initial[frozen:])


def test_noise_has_the_variance_of_the_paper(watched):
    """With a learning rate of 1, the noise is the difference of two steps from the same weights."""
    words = ("train.optimizer=sgd", "train.lr=1.0", "train.epochs=1")
    _, _, plain, _, _ = watched(*words)
    _, _, noisy, _, _ = watched(*words, "callback.gradient-noise.eta=0.5")
    noise = noisy[0] - plain[0]
    assert float(noise.var()) == pytest.approx(0.5, rel=0.2)
    assert abs(float(noise.mean())) < 0.1
    _, _, again, _, _ = watched(*words, "callback.gradient-noise.eta=0.5")
    assert torch.equal(again[-1], noisy[-1])


def test_early_stopping_is_patience(watched):
    scores = [0.1, 0.2, 0.15, 0.2, 0.9]
    _, _, _, _, stopped = watched("train.epochs=5", "callback.early-stopping.patience=2", scores=scores)
    _, _, _, _, patient = watched("train.epochs=5", "train.patience=2", scores=scores)
    assert [line["epoch"] for line in stopped] == [line["epoch"] for line in patient] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("options", "epochs"),
    [("min_delta=0.05", 4), ("min_delta=0.15", 3), ("score=emotion.mine", 6), ("better=lower", 3)],
)
def test_early_stopping_counts_what_it_is_told_to(watched, options, epochs):
    words = ("train.epochs=6", "callback.early-stopping.patience=2", f"callback.early-stopping.{options}")
    _, _, _, _, lines = watched(*words, scores=[0.10, 0.20, 0.22, 0.24, 0.23, 0.22])
    assert len(lines) == epochs


def test_early_stopping_by_the_loss_stops_when_it_rises(watched):
    words = ("train.epochs=8", "train.optimizer=sgd", "train.lr=60.0", "callback.early-stopping.score=loss",
             "callback.early-stopping.patience=1")  # fmt: skip
    _, _, _, _, lines = watched(*words)
    losses = [sum(line["watched_loss"].values()) for line in lines]
    rises = [epoch for epoch in range(1, len(losses)) if losses[epoch] >= min(losses[:epoch])]
    assert (rises[0] if rises else 7) == len(lines) - 1


def test_a_training_that_a_callback_ended_stays_ended(training):
    begun, plan = training("train.epochs=5", "callback.early-stopping.patience=1", metrics=lambda *_: 0.5)
    fit(begun, plan, Listeners())
    assert len(begun.history) == 2
    assert load_state(plan.state)["ended"] is True
    again, plan = training("train.epochs=5", "callback.early-stopping.patience=1", metrics=lambda *_: 0.5)
    resume(again, plan.state, Listeners())
    fit(again, plan, Listeners())
    assert len(again.history) == 2


def test_dropped_modalities_never_leave_an_utterance_empty(training):
    """As many are dropped as the rate says, in training only, and in the same utterances for any division."""
    seen = {}
    for accumulate in (1, 4):
        words = (f"data.batch_size={12 // accumulate}", f"train.accumulate={accumulate}")
        begun, plan = training(*words, "callback.modality-dropout.rate=0.4")
        inner = begun.model.forward

        def spy(inputs, inner=inner, seen=seen, accumulate=accumulate, model=begun.model):
            kept = torch.stack([inputs.streams[name].present for name in ("text", "audio")], 1)
            values = inputs.streams["text"].values
            if model.training and torch.is_grad_enabled():
                seen.setdefault(accumulate, []).extend(map(tuple, torch.cat([values, kept], 1).tolist()))
            else:
                assert kept.all() or model.training
            return inner(inputs)

        begun.model.forward = spy
        fit(begun, plan, Listeners())
    assert sorted(seen[1]) == sorted(seen[4])
    kept = torch.tensor(seen[1])[:, -2:]
    assert kept.any(1).all()
    expected = 2 * (0.4 * 0.6) + 0.4 * 0.4  # one of two, or both, of which one comes back
    assert float((kept.sum(1) < 2).float().mean()) == pytest.approx(expected, abs=0.12)
    rows = torch.tensor(seen[1])
    assert (rows[rows[:, -2] == 0][:, :-2] == 0).all()


RAISES = """
from ercfw import Callback, hookimpl

class Mine(Callback):
    '''Fails.

    Options:
        method: where.
    '''
    def __init__(self, info, *, method: str):
        super().__init__(info)
        def fail(*arguments):
            if arguments[0].epoch == 2 and arguments[0].step == 3:
                raise ValueError("no more")
        setattr(self, method, fail)

@hookimpl
def provide_callbacks():
    return {"mine": Mine}
"""


@pytest.mark.parametrize(
    ("method", "where"),
    [
        ("before_step", "epoch 2, batch 3"),
        ("after_step", "epoch 2, batch 3"),
        ("before_scoring", "epoch 2, scoring"),
        ("after_scoring", "epoch 2"),
        ("after_epoch", "epoch 2"),
    ],
)
def test_a_callback_that_raises_is_named_with_epoch_and_batch(cli, tiny_recipe, plugin_file, method, where):
    plugin_file(RAISES)
    recipe = tiny_recipe(top='plugins = ["./mine.py"]\n')
    ended = cli("run", recipe, "train.epochs=3", f"callback.mine.method={method}")
    ended.check(1, f"{where}: [callback.mine] callback 'mine' failed: ValueError: no more (mine.py, line ")


AGAIN = """
from ercfw import Callback, hookimpl

class Again(Callback):
    '''Computes the gradients again.'''
    def after_backward(self, view, backward):
        view.optimizer.zero_grad()
        backward()

@hookimpl
def provide_callbacks():
    return {"again": Again}
"""


@pytest.mark.parametrize("more", [(), ("train.accumulate=2", "data.batch_size=2")], ids=["at once", "in parts"])
def test_gradients_computed_again_are_the_same_to_the_bit(cli, tiny_recipe, plugin_file, tmp_path, more):
    """With dropout: the same random numbers."""
    plugin_file(AGAIN)
    recipe = tiny_recipe(top='plugins = ["./mine.py"]\n')
    words = ("run", recipe, "train.epochs=2", "encoder.default.dropout=0.5", *more)
    assert cli(*words, "--out", "once").code == 0
    assert cli(*words, "callback.again={}", "--out", "twice").code == 0
    once, twice = (tmp_path / out / "tiny/base/seed-0/predictions.csv" for out in ("once", "twice"))
    assert once.read_bytes() == twice.read_bytes()


def test_an_error_of_the_batch_is_not_blamed_on_the_callback_that_ran_it_again(training, monkeypatch):
    begun, plan = training("callback.sam={}")
    calls = []

    def fail_the_second_time(*arguments):
        calls.append(1)
        if len(calls) == 2:
            raise ValueError("bad batch")
        return real(*arguments)

    from ercfw.training import callbacks

    real = callbacks.backward
    monkeypatch.setattr(callbacks, "backward", fail_the_second_time)
    with pytest.raises(RunError, match=r"^epoch 1, batch 1: ValueError: bad batch"):
        fit(begun, plan, Listeners())


def made(name, **options):
    """A training of a few steps with a shipped callback, after the first one."""
    from ercfw.testing.callback_checks import CallbackSubject, SmallTraining
    from ercfw_basics import provide_callbacks

    return SmallTraining(CallbackSubject(provide_callbacks()[name], options))


def test_noise_is_scaled_as_the_gradients_are_under_fp16():
    found = []
    for scale in (1.0, 8.0):
        small = made("gradient-noise", eta=0.5)
        for p in small.view(0, 0).parameters():
            p.grad = torch.zeros_like(p)
        small.callback.before_step(replace(small.view(1, 1), gradient_scale=scale))
        found.append(torch.cat([p.grad.flatten() for p in small.view(0, 0).parameters()]))
    torch.testing.assert_close(found[1], 8 * found[0])


@pytest.mark.parametrize(("name", "options"), [("sam", {}), ("fgm", {"parameters": ("text",)})])
def test_infinite_gradients_leave_the_weights_as_they_are(name, options):
    """As under fp16, where the scaler then skips the step."""
    small = made(name, **options)
    before = small.weights()
    for p in small.view(0, 0).parameters():
        p.grad = torch.full_like(p, float("inf"))
    small.callback.after_backward(small.view(1, 1, small.inputs), lambda: pytest.fail("computed again"))
    assert torch.equal(small.weights(), before)


def test_sam_gives_the_weights_back_if_the_second_pass_fails():
    """Memory may run out in it; the step is then run again in more parts."""
    small = made("sam")
    for p in small.view(0, 0).parameters():
        p.grad = torch.ones_like(p)
    before = small.weights()

    def fail():
        assert not torch.equal(small.weights(), before)
        raise MemoryError

    with pytest.raises(MemoryError):
        small.callback.after_backward(small.view(1, 1), fail)
    assert torch.equal(small.weights(), before)


@pytest.mark.parametrize("table", ["callback.ema={}", "train.sampler.use=balanced", "train.optimizer.use=adam"])
def test_a_run_with_another_table_is_another_run(cli, tiny_recipe, tmp_path, table):
    recipe = tiny_recipe()
    assert cli("run", recipe).code == 0
    assert cli("run", recipe, table).code == 0
    assert len(list((tmp_path / "runs/tiny").iterdir())) - len(list((tmp_path / "runs/tiny").glob("*.*"))) >= 2


def test_a_recipe_without_these_tables_is_written_as_ever(cli, tiny_recipe, tmp_path):
    assert cli("run", tiny_recipe(), "train.optimizer=adamw").code == 0
    written = (tmp_path / "runs/tiny/base/seed-0/recipe.toml").read_text()
    assert 'optimizer = "adamw"' in written
    assert not any(word in written for word in ("callback", "sampler", "layer_decay", "betas"))


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["callback.emma={}"], "[callback.emma] use: there is no callback named 'emma' (did you mean 'ema'?"),
        (["callback.mine.use=ema", "callback.mine.decay=2"], "[callback.mine] decay: should be less than 1, not 2"),
        (["callback.ema=3"], "[callback] ema: should be a table, not 3"),
        (["callback=3"], "[callback]: should be a table, not 3"),
        (["train.sampler=balanced"], "[train] sampler: should be a table, not 'balanced'"),
        (["train.sampler.use=balanse"], "[train.sampler] use: there is no sampler named 'balanse' (did you mean"),
        (["train.optimizer=3"], "[train] optimizer: should be a valid string or a table, not 3"),
        (["train.optimizer.betas=[0.9, 0.9]"], "[train.optimizer] use: is missing"),
        (['train.schedule={ use = "steplr", step_size = 2, each = "batch" }'], "[train.schedule] each: should be"),
        (["train.groups.text.layer_decay=0.9"], "[train.groups.text]: no part has this group"),
        (["train.groups.text.layer_decay=2"], "[train.groups.text] layer_decay: should be less than or equal to 1"),
    ],
)
def test_what_is_wrong_in_a_recipe_is_one_message(cli, tiny_recipe, words, says):
    for command in ("validate", "run"):
        cli(command, tiny_recipe(), *words).check(2, says)
