"""Datasets: MELD, IEMOCAP, EmoryNLP, DailyDialog, M3ED, any corpus in a table, and simulated conversations."""

from ercfw import Dataset, hookimpl
from ercfw_datasets.dailydialog import DailyDialog
from ercfw_datasets.emorynlp import EmoryNlp
from ercfw_datasets.iemocap import Iemocap
from ercfw_datasets.m3ed import M3ed
from ercfw_datasets.meld import Meld
from ercfw_datasets.simulated import Simulated
from ercfw_datasets.table import Table


@hookimpl
def provide_datasets() -> dict[str, type[Dataset]]:
    """Return the datasets by name."""
    return {
        "meld": Meld,
        "iemocap": Iemocap,
        "emorynlp": EmoryNlp,
        "dailydialog": DailyDialog,
        "m3ed": M3ed,
        "table": Table,
        "simulated": Simulated,
    }
