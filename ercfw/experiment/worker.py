"""A worker process of ``ablate`` and ``tune``: ``python -m ercfw.experiment.worker REQUEST.json RESULT.json``.

torch is imported inside the functions, after the process is set up.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ercfw.errors import ErcfwError, warnings_of
from ercfw.system.disk import disk_failures
from ercfw.system.gc_pause import objects_stay, skip_last_collection
from ercfw.system.process_setup import set_up_process
from ercfw.system.signals import Stopped, at_once
from ercfw.system.streams import set_up_streams

if TYPE_CHECKING:
    from ercfw.experiment.request import RunRequest, SearchRequest

STOPPED = 1


def main(request: Path, result: Path) -> int:
    """Fulfill a request and write its result; return the exit code.

    After an unexpected exception there is no result. Its traceback goes to stderr, which the parent process keeps.
    """
    set_up_streams()
    set_up_process()
    skip_last_collection()
    from ercfw.experiment.request import WorkerResult

    try:
        with at_once():
            errors, exit_code = _fulfill(request)
    except Stopped:
        print("stopped", file=sys.stderr)
        errors, exit_code = (), STOPPED
    result.write_text(WorkerResult(exit_code=exit_code, errors=errors).model_dump_json(), encoding="utf-8")
    return exit_code


def _fulfill(path: Path) -> tuple[tuple[str, ...], int]:
    """Fulfill a request; return the messages of a failure, and the exit code."""
    from ercfw.experiment.request import RunRequest, read_request

    request = read_request(path.read_text(encoding="utf-8"))
    try:
        with disk_failures():
            if isinstance(request, RunRequest):
                _run(request)
            else:
                _search(request)
    except ErcfwError as error:
        for warning in warnings_of(error):
            print(f"warning: {warning}", file=sys.stderr)
        errors = tuple(str(error).splitlines())
        for line in errors:
            print(f"error: {line}", file=sys.stderr)
        return errors, error.exit_code
    return (), 0


def _run(request: "RunRequest") -> None:
    with objects_stay():
        from ercfw.experiment.plan import plan_jobs
        from ercfw.experiment.run_all import RunOptions, run_jobs
        from ercfw.system.terminal import Terminal

        jobs = plan_jobs(request.source, request.select((request.seed,)))
    run_jobs(jobs, RunOptions(request.out, resume=True), Terminal(quiet=True))


def _search(request: "SearchRequest") -> None:
    from ercfw.experiment.search import make_search
    from ercfw.experiment.trials import open_study, run_trials
    from ercfw.system.terminal import Terminal

    search = make_search(request.source, request.select(None), request.out, request.storage)
    run_trials(search, open_study(search), Terminal(quiet=True))


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))
