"""Whether a stream was fitted on the labels of train, told from outside."""

from collections.abc import Iterator, Mapping, Sequence

from ercfw.contract.conversation import Conversation, Split
from ercfw.contract.feature_table import FeatureTable
from ercfw.contract.interfaces import Dataset
from ercfw.data.audit.finding import Finding
from ercfw.data.leakage import SUSPICIOUS_POINTS, linear_scores
from ercfw.data.load import attach


def check_fitting(
    name: str, table: FeatureTable, dataset: Dataset, splits: Mapping[Split, Sequence[Conversation]]
) -> Iterator[Finding]:
    """A linear classifier in folds of conversations inside train, against train to test.

    Test labels are read, which is fair: nothing is chosen by them. Train is what the makers of the corpus call so,
    for they may have fitted on all of it: a dev split that was cut out of it belongs to it.
    """
    about = f"stream '{name}'"
    if not isinstance(table.fitted_on, str):
        for split in ("dev", "test"):
            met = sum(id in table.fitted_on for c in splits[split] for id in c.ids)
            if met:
                yield Finding("wrong", about, f"says that it was fitted on the labels of {met} utterances of {split}")
    of_train = any(id in dataset.source_train for c in splits["dev"] for id in c.ids)
    train = [*splits["train"], *(splits["dev"] if of_train else ())]
    ready = attach({"train": train, "test": splits["test"]}, [name], {name: table})
    inside, outside, majority = linear_scores(name, ready["train"], ready["test"])
    if not inside:
        yield Finding("note", about, "is not of single vectors, or too little: fitting on labels cannot be told")
        return
    scores = f"a linear classifier scores {inside:.1f} inside train and {outside:.1f} from train to test"
    if inside - outside > SUSPICIOUS_POINTS:
        what = f"looks fitted on the training labels: {scores}; chosen on a part of train it tells nothing"
        yield Finding("wrong", about, what)
    else:
        yield Finding("fine", about, f"{scores} (largest class {majority:.1f}): no sign of fitting on train's labels")
