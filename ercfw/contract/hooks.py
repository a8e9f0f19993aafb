"""Every extension point of ercfw.

A plugin is a module (or another object) that implements some of these hooks, each marked with ``@hookimpl``. It is
found through an entry point of group ``ercfw``, or a recipe names its file: ``plugins = ["./mine.py"]``.

The hooks that provide parts are in ``ercfw/contract/part_hooks.py`` and ``training_hooks.py``. This file has those that
react to an event or add something else. ``ercfw/contract/interfaces.py`` and ``training_parts.py`` say what a part of
each kind must offer.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

# isort: off
# In the order in which a recipe uses the parts.
from ercfw.contract.part_hooks import (
    hookspec,
    provide_datasets,
    provide_formats,
    provide_extractors,
    provide_encoders,
    provide_contexts,
    provide_fusions,
    provide_heads,
    provide_losses,
    provide_metrics,
    provide_models,
)
from ercfw.contract.training_hooks import provide_optimizers, provide_schedules, provide_samplers, provide_callbacks

# isort: on
from ercfw.contract.epoch import Epoch
from ercfw.contract.former_names import former_name

if TYPE_CHECKING:
    import typer

    from ercfw.contract.file_format import FileFormat
    from ercfw.contract.reported_scores import Quoted

__all__ = [
    "Epoch", "add_commands", "epoch_finished", "hookimpl", "provide_callbacks", "provide_contexts", "provide_datasets",
    "provide_encoders", "provide_extractors", "provide_formats", "provide_fusions", "provide_heads", "provide_layouts",
    "provide_losses", "provide_metrics", "provide_models", "provide_optimizers", "provide_samplers",
    "provide_schedules", "quote_scores", "run_finished",
]  # fmt: skip

hookimpl = pluggy.HookimplMarker("ercfw")
PLUGIN_API = 1
"""The version of the plugin interface; it grows when a plugin written for the one before may need a change."""


@hookspec
def add_commands(app: "typer.Typer") -> None:
    """Add commands to the command line.

    When: once, before the command line is parsed, and only if the first word is no command of ercfw itself. So a
    plugin cannot replace ``run``, and does not slow it down; ``ercfw --help`` does not list the commands of plugins.
    Where: in the process of the command (in each process, under ``torchrun``). Only installed plugins are asked,
    since no recipe has been read. An exception is shown as a warning, and the command line goes on without the
    commands of that plugin.

    Args:
        app: the ``typer.Typer`` of ``ercfw``.

    ```python
    from pathlib import Path
    from ercfw import hookimpl

    def count_runs(folder: Path = Path("runs")) -> None:
        '''Print how many finished runs a folder holds.'''
        print(len(list(folder.rglob("metrics.json"))))

    @hookimpl
    def add_commands(app):
        app.command("count-runs")(count_runs)
    ```
    """


@hookspec
def epoch_finished(folder: Path, epoch: Epoch) -> None:
    """React to the end of an epoch.

    When: after each epoch, once its line is in ``history.jsonl`` and the experiment trackers have it. A resumed run
    does not repeat the call for epochs that were finished before. Training waits for the call to return.
    Where: in the main process of the run only. With ``ablate`` or ``tune`` in several workers, that is a process of
    the worker that trains this run. An exception is shown as a warning, and training goes on.

    Args:
        folder: the run's folder, such as ``runs/mine/base/seed-0``.
        epoch: the new line of the history; see ``Epoch``. Treat it as read-only.

    ```python
    from ercfw import hookimpl

    @hookimpl
    def epoch_finished(folder, epoch):
        loss = sum(epoch["train_loss"].values())
        with (folder / "losses.txt").open("a") as file:
            file.write(f"{epoch['epoch']} {loss:.4f}\\n")
    ```
    """


@hookspec
def run_finished(folder: Path, metrics: Mapping[str, Any]) -> None:
    """React to the end of a run.

    When: after the last file of the run (``metrics.json``) is written. It is called for each seed of each variant,
    but not for a run that failed, was stopped, or had finished before.
    Where: in the main process of the run only. With ``ablate`` or ``tune`` in several workers, that is a process of
    the worker that trains this run. An exception is shown as a warning; the run stays finished.

    Args:
        folder: the run's folder, such as ``runs/mine/base/seed-0``.
        metrics: what ``metrics.json`` holds. Treat it as read-only. Its main keys:
            ``recipe``, ``dataset``, ``variant`` (str) and ``seed`` (int) name the run;
            ``protocol``, ``select`` and ``chosen_on`` (str) say how the epoch was chosen;
            ``best_epoch`` and ``epochs`` (int) are the chosen epoch and how many there were;
            ``scores`` holds split, target and metric, then a float or one float per class;
            ``losses`` holds split and loss, then a float;
            ``stamps``, ``notes`` and ``warnings`` (list of str) are what a reader must know, such as ``SIMULATED``;
            ``sizes`` holds for each split the number of conversations, utterances and labels;
            ``parameters`` (int), ``seconds`` (float) and ``peak_memory`` (bytes, int) are the cost.

    ```python
    from ercfw import hookimpl

    @hookimpl
    def run_finished(folder, metrics):
        scores = metrics["scores"]["test"]["emotion"]
        line = f"{metrics['variant']}, seed {metrics['seed']}: {scores['weighted-f1']:.4f}"
        (folder / "headline.txt").write_text(line)
    ```
    """


@hookspec
def quote_scores() -> "Sequence[Quoted]":  # type: ignore[empty-body]
    """Return result tables of papers, to be shown beside runs of the same data and protocol.

    When: each time a result table is made by ``compare``, ``ablate`` or a report of several runs. The numbers appear
    only in tables of the test split of real data, with the same dataset, target, protocol and number of utterances;
    if the protocol or the number differs, a note says so. With ``--quote``, the protocol may differ: the numbers then
    appear below the runs. A row states its streams if the runs read others.
    Where: in the process that makes the table. An exception leaves that plugin's numbers out; ``compare`` and
    ``ablate`` show it as a warning.

    ```python
    from ercfw import Quoted, hookimpl

    @hookimpl
    def quote_scores():
        scores = {"Their method": {"weighted-f1": 66.7, "joy": 64.8}}  # points, by metric or class (F1)
        streams = {"Their method": ("text", "audio")}  # optional, as are features={"Their method": "..."}
        return [Quoted("Somebody (2024), table 2", "meld", "emotion", 2610, "dev", scores, streams)]
    ```
    """


@hookspec(warn_on_impl=former_name("provide_layouts", instead="provide_formats"))
def provide_layouts() -> "dict[str, type[FileFormat]]":  # type: ignore[empty-body]
    """Return the file formats of a plugin, under the former name of ``provide_formats``."""
