"""The command line, one file per verb; torch and plugins are imported inside the functions."""

import sys
import time

from ercfw.cli.app import app, first_process, show_warnings
from ercfw.errors import ErcfwError, PeerGoneError, RunError, warnings_of
from ercfw.system.disk import disk_failures
from ercfw.system.gc_pause import skip_last_collection
from ercfw.system.launch import launched_by_ercfw
from ercfw.system.process_setup import set_up_process
from ercfw.system.signals import Stopped, at_once
from ercfw.system.streams import finish_output, set_up_streams

# isort: off
# In the order in which --help lists them.
from ercfw.cli import (
    run,
    ablate,
    compare,
    ensemble,
    report,
    tune,
    reproduce,
    extract,
    predict,
    data,
    recipes,
    listings,
    check,
    new,
    trust,
)

# isort: on

__all__ = [
    "ablate", "app", "check", "compare", "data", "ensemble", "extract", "listings", "main", "new", "predict", "recipes",
    "report", "reproduce", "run", "trust", "tune",
]  # fmt: skip

PATIENCE = 2.0  # seconds


def _add_plugin_commands(words: list[str]) -> None:
    """Load plugins for their verbs, but only if the verb is not a built-in one, so that those start quickly."""
    ours = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}
    ours |= {group.name for group in app.registered_groups if isinstance(group.name, str)}
    if words and not words[0].startswith("-") and words[0] not in ours:
        from ercfw.registry.catalog import load_catalog

        for failure in load_catalog().call("add_commands", app=app):
            print(f"warning: {failure}", file=sys.stderr)


def main() -> None:
    """Run the command line; a user's mistake ends in one message."""
    try:
        with at_once():
            exit_code = _main()
    except Stopped:
        if first_process():
            print("stopped", file=sys.stderr)
        exit_code = 1
    sys.exit(exit_code)


def _main() -> int | str | None:
    """Run the command; return its exit code."""
    set_up_streams()
    set_up_process()
    skip_last_collection()
    try:
        with disk_failures():
            exit_code = _run_command()
            finish_output()
        return exit_code
    except ErcfwError as error:
        return _report(error)
    except RuntimeError as error:
        from ercfw.training.distributed import is_of_another_process

        if not is_of_another_process(error):
            raise
        return _report(PeerGoneError())


def _run_command() -> int | str | None:
    try:
        _add_plugin_commands(sys.argv[1:])
        app()
    except SystemExit as ended:
        return ended.code
    return 0


def _report(error: ErcfwError) -> int:
    """Print an error unless another process does, and return the exit code.

    The first process prints an error that all processes meet; the others wait until it has ended them. That a process
    is gone is news only if torchrun started it: ``--processes`` reports the reason itself.
    """
    if not first_process():
        time.sleep(PATIENCE)
    if isinstance(error, PeerGoneError):
        prints = first_process() and not launched_by_ercfw()
    else:
        prints = first_process() or isinstance(error, RunError)
    if prints:
        show_warnings(warnings_of(error))
    for line in str(error).splitlines() if prints else []:
        print(f"error: {line}", file=sys.stderr)
    return error.exit_code
