"""Samplers: today's order without one, the shipped ones, what they observe, and what is wrong with an order."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from ercfw.contract.training_parts import Sampler
from ercfw.data.collate import collate
from ercfw.errors import InputError, RunError
from ercfw.testing.fixtures import data_info, make_conversations
from ercfw.training.loop import fit
from ercfw.training.order import checked_order, order_of_epoch, steps_of_epochs
from ercfw.training.state import Listeners
from ercfw_basics import provide_samplers

SHIPPED = provide_samplers()


@pytest.fixture(scope="module")
def conversations():
    return make_conversations({"text": "vector"}, sizes=(13, 25, 19, 1, 17, 12, 26, 24))


def made(name, conversations, **options):
    return SHIPPED[name](conversations, data_info(conversations), **options)


def test_without_a_sampler_and_with_shuffle_the_order_is_as_ever(conversations):
    for epoch in (1, 2):
        wanted = np.random.default_rng([7, epoch]).permutation(8).tolist()
        assert order_of_epoch(None, 8, 7, epoch) == wanted
        assert order_of_epoch(made("shuffle", conversations), 8, 7, epoch) == wanted


def test_a_run_with_shuffle_is_the_run_without(cli, tiny_recipe, tmp_path):
    for out, words in (("with", ["train.sampler.use=shuffle"]), ("without", [])):
        assert cli("run", tiny_recipe(), "train.epochs=2", *words, "--out", out).code == 0
    found = [(tmp_path / out / "tiny/base/seed-0/predictions.csv").read_bytes() for out in ("with", "without")]
    assert found[0] == found[1]


def test_balanced_draws_in_proportion_to_the_mean_weight_of_the_labels(conversations):
    sampler = made("balanced", conversations, power=1.0)
    labels = [[y for y in c.labels["emotion"].tolist() if y >= 0] for c in conversations]
    flat = [y for each in labels for y in each]
    weights = [sum(1 / flat.count(y) for y in each) / len(each) if each else None for each in labels]
    known = [w for w in weights if w is not None]
    weights = [sum(known) / len(known) if w is None else w for w in weights]
    drawn = [n for epoch in range(2000) for n in sampler.epoch(epoch, np.random.default_rng([0, epoch]))]
    for number, weight in enumerate(weights):
        assert drawn.count(number) / len(drawn) == pytest.approx(weight / sum(weights), abs=0.01)
    even = made("balanced", conversations, power=0.0)
    drawn = [n for epoch in range(2000) for n in even.epoch(epoch, np.random.default_rng([0, epoch]))]
    assert drawn.count(3) / len(drawn) == pytest.approx(1 / 8, abs=0.01)


def shifts(conversation):
    """By definition: consecutive labelled utterances of a speaker with another class."""
    pairs = [
        (a, b)
        for speaker in set(conversation.speakers)
        for own in [[y for s, y in zip(conversation.speakers, conversation.labels["emotion"].tolist(), strict=True)
                     if s == speaker and y >= 0]]
        for a, b in pairwise(own)
    ]  # fmt: skip
    return sum(a != b for a, b in pairs) / len(pairs) if pairs else 0.0


def test_a_curriculum_takes_the_conversations_with_few_shifts_first(conversations):
    sampler = made("curriculum", conversations, buckets=4, epochs_per_bucket=2)
    difficulty = [shifts(c) for c in conversations]
    assert len(set(difficulty)) > 3
    sizes = [sampler.size(epoch) for epoch in range(1, 11)]
    assert sizes == [2, 2, 4, 4, 6, 6, 8, 8, 8, 8]
    easiest = sorted(range(8), key=lambda n: (difficulty[n], n))
    for epoch, size in enumerate(sizes, 1):
        order = sampler.epoch(epoch, np.random.default_rng([0, epoch]))
        assert sorted(order) == sorted(easiest[:size])


def test_a_curriculum_by_loss_takes_those_with_the_lowest_loss_seen(conversations):
    sampler = made("curriculum", conversations, by="loss", buckets=2)
    assert [sampler.size(epoch) for epoch in (1, 2, 3)] == [8, 4, 8]
    sampler.observe([0, 1, 2, 3, 4, 5, 6, 7], [8.0, 1.0, 7.0, 2.0, 6.0, 3.0, 5.0, 4.0])
    sampler.observe([1, 0], [9.0, 0.5])
    assert sorted(sampler.epoch(2, np.random.default_rng(0))) == [0, 3, 5, 7]


def test_a_sampler_observes_the_mean_loss_of_each_conversation(training):
    class Listens(SHIPPED["shuffle"]):
        def observe(self, numbers, losses):
            seen.append((list(numbers), list(losses)))

    seen = []
    begun, plan = training("train.optimizer=sgd", "train.lr=1e-30", "data.batch_size=5", "train.epochs=1")
    begun.sampler = Listens(plan.watched.train, plan.info)
    fit(begun, plan, Listeners())
    assert [len(numbers) for numbers, _ in seen] == [5, 5, 2]
    assert [number for numbers, _ in seen for number in numbers] == np.random.default_rng([0, 1]).permutation(
        12
    ).tolist()
    for numbers, losses in seen:
        for number, loss in zip(numbers, losses, strict=True):
            batch = collate([plan.watched.train[number]])
            logits = begun.model(batch.inputs).heads["emotion"].logits
            assert loss == pytest.approx(float(cross_entropy(logits.detach(), batch.targets["emotion"])), abs=1e-5)


def test_the_steps_of_the_epochs_follow_the_sizes(conversations):
    assert steps_of_epochs(None, 8, 3, 2) == (3, 3)
    assert steps_of_epochs(made("curriculum", conversations, buckets=4), 8, 3, 5) == (1, 2, 2, 3, 3)


class Wrong(Sampler):
    def __init__(self, order, size=None):
        self.order, self.said = order, size

    def epoch(self, number, generator):
        return self.order

    def size(self, number):
        return len(self.order) if self.said is None else self.said


@pytest.mark.parametrize(
    ("sampler", "error", "says"),
    [
        (Wrong([]), InputError, r"^\[train.sampler\]: epoch 1 has no conversation .each epoch needs at least one"),
        (Wrong([0] * 900), InputError, r"epoch 1 has 900 conversations, but train has 8 .at most 100 times as many"),
        (Wrong([0, 8]), InputError, r"epoch 1 has conversation 8, but they are numbered from 0 to 7"),
        (Wrong([-1]), InputError, r"epoch 1 has conversation -1"),
        (Wrong([1, 2], 3), InputError, r"epoch 1 has 2 conversations, but size.1. is 3"),
        (Wrong([0.5]), RunError, r"^\[train.sampler\] failed: TypeError"),
        (Wrong(3, 1), RunError, r"^\[train.sampler\] failed: TypeError"),
    ],
)
def test_a_wrong_order_is_one_message(sampler, error, says):
    def epoch():
        steps_of_epochs(sampler, 8, 4, 1)
        checked_order(order_of_epoch(sampler, 8, 0, 1), 8, 1)

    with pytest.raises(error, match=says):
        epoch()


NOTHING = """
from ercfw import Sampler, hookimpl

class Nothing(Sampler):
    '''Leaves everything out in the second epoch.'''
    def epoch(self, number, generator):
        return [] if number == 2 else [0, 1]
    def size(self, number):
        return 0 if number == 2 else 2

@hookimpl
def provide_samplers():
    return {"nothing": Nothing}
"""


def test_a_sampler_that_leaves_everything_out_is_refused_before_the_training(cli, tiny_recipe, plugin_file):
    plugin_file(NOTHING)
    recipe = tiny_recipe(top='plugins = ["./mine.py"]\n')
    ended = cli("run", recipe, "train.epochs=3", "train.sampler.use=nothing")
    ended.check(2, "[train.sampler]: epoch 2 has no conversation (each epoch needs at least one)")
    assert cli("run", recipe, "train.epochs=1", "train.sampler.use=nothing").code == 0


def test_a_sampler_works_with_the_release_protocol_and_reads_its_merged_split(cli, tiny_recipe):
    ended = cli("run", tiny_recipe(), "train.protocol=release", "train.sampler.use=balanced", "train.epochs=2")
    assert ended.code == 0, ended.err


def test_labels_that_are_no_target_are_a_mistake(cli, tiny_recipe):
    ended = cli("run", tiny_recipe(), 'train.sampler={ use = "balanced", labels = "emotino" }')
    ended.check(2, "[train.sampler] labels: there is no target 'emotino' (did you mean 'emotion'?")


def test_torch_is_not_asked_for_random_numbers(conversations):
    state = torch.get_rng_state()
    for name in SHIPPED:
        made(name, conversations).epoch(1, np.random.default_rng(0))
    assert torch.equal(state, torch.get_rng_state())
