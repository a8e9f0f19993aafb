"""Check from its values whether a stream was fitted on the labels of train."""

from collections.abc import Iterator, Mapping, Sequence

from ercfw.contract.conversation import Conversation, Split
from ercfw.contract.feature_table import FeatureTable
from ercfw.contract.interfaces import Dataset
from ercfw.data.audit.finding import Finding
from ercfw.data.leakage import SUSPICIOUS_POINTS, linear_scores
from ercfw.data.load import attach


def check_label_leakage(
    name: str, table: FeatureTable, dataset: Dataset, splits: Mapping[Split, Sequence[Conversation]]
) -> Iterator[Finding]:
    """Compare two scores of a linear classifier: in cross-validation inside train, and from train to test.

    The check reads test labels. That is fair, because it chooses nothing by them. Train is the split that the makers
    of the corpus call train, since they may have fitted on all of it; it includes a dev split that was cut out of it.
    """
    about = f"stream '{name}'"
    if not isinstance(table.fitted_on, str):
        for split in ("dev", "test"):
            met = sum(id in table.fitted_on for c in splits[split] for id in c.ids)
            if met:
                yield Finding(
                    "wrong", about, f"declares that it was fitted on the labels of {met} utterances of {split}"
                )
    of_train = any(id in dataset.source_train for c in splits["dev"] for id in c.ids)
    train = [*splits["train"], *(splits["dev"] if of_train else ())]
    ready = attach({"train": train, "test": splits["test"]}, [name], {name: table})
    inside, outside, majority = linear_scores(name, ready["train"], ready["test"])
    if not inside:
        what = "is not checked for label leakage: it has no single vectors, or too few"
        yield Finding("note", about, what)
        return
    scores = f"a linear classifier scores {inside:.1f} inside train and {outside:.1f} from train to test"
    if inside - outside > SUSPICIOUS_POINTS:
        what = f"looks fitted on the training labels: {scores}; do not choose epochs or models on a part of train"
        yield Finding("wrong", about, what)
    else:
        yield Finding("fine", about, f"{scores} (majority class {majority:.1f}): no sign of label leakage")
