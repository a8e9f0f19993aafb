"""``history.jsonl``: the losses and scores of each epoch."""

import json
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ercfw.errors import InputError
from ercfw.system.files import read_bytes
from ercfw.system.validation import in_short

HINT = "ercfw run --force makes it again"


class EpochEntry(BaseModel):
    """The fields of an epoch that ercfw reads again; further ones are kept as they are.

    Attributes:
        epoch: the number of the epoch, from 1.
        lr: the learning rate.
        seconds: the duration.
        selected: the score that selects the best epoch.
        train_loss: each weighted loss, as the mean over the steps.
        watched_loss: each weighted loss on the split that selects the epoch.
    """

    model_config = ConfigDict(strict=True, extra="allow")

    epoch: Annotated[int, Field(ge=1)]
    lr: float
    seconds: float
    selected: float
    train_loss: dict[str, float]
    watched_loss: dict[str, float]


def read_history(path: Path) -> list[dict[str, Any]]:
    """Return one entry per epoch; an empty list if there is no file, because nothing was trained.

    Raises:
        InputError: the file cannot be read, or is not the history of a run.
    """
    try:
        lines = read_bytes(path).decode("utf-8").splitlines()
        entries = [EpochEntry.model_validate(json.loads(line)).model_dump() for line in lines]
    except FileNotFoundError:
        return []
    except ValidationError as error:
        raise InputError.at(path, f"{in_short(error)}, so ercfw did not write this file", HINT) from error
    except (OSError, ValueError, RecursionError) as error:
        raise InputError.at(path, f"cannot be read: {error}", HINT) from error
    if [entry["epoch"] for entry in entries] != list(range(1, len(entries) + 1)):
        raise InputError.at(path, "its epochs are not consecutive", HINT)
    return entries
