"""Datasets: MELD, IEMOCAP, EmoryNLP, any corpus in a table, and simulated conversations."""

from ercfw import Dataset, hookimpl
from ercfw_datasets.emorynlp import EmoryNlp
from ercfw_datasets.iemocap import Iemocap
from ercfw_datasets.meld import Meld
from ercfw_datasets.simulated import Simulated
from ercfw_datasets.table import Table


@hookimpl
def provide_datasets() -> dict[str, type[Dataset]]:
    """Return the datasets by name."""
    return {"meld": Meld, "iemocap": Iemocap, "emorynlp": EmoryNlp, "table": Table, "simulated": Simulated}
