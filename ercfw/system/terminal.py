"""Show messages and progress on stderr; only the first of several processes does."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.panel import Panel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from ercfw.errors import shown

LINES = 4
"""Approximate number of progress lines for one long step where no bar can be shown."""
LONGEST = 2000
"""Maximum number of characters of a message; names in it may be of any length."""


class Terminal:
    """Messages, warnings and progress bars.

    Args:
        quiet: show warnings only.
        silent: show nothing; for every process but the first.
    """

    def __init__(self, quiet: bool = False, silent: bool = False) -> None:
        self.console = Console(stderr=True, quiet=silent, highlight=False, soft_wrap=True)
        self._quiet = quiet

    def info(self, text: str) -> None:
        """Show a plain line."""
        if not self._quiet:
            self.console.print(shown(text, LONGEST), markup=False)

    def warning(self, text: str) -> None:
        """Show a warning that a reader of the results should know."""
        self.console.print(f"warning: {shown(text, LONGEST)}", style="yellow", markup=False)

    def banner(self, title: str, text: str) -> None:
        """Show a message that nobody must miss."""
        self.console.print(Panel(text, title=title, border_style="bold red", style="bold"), soft_wrap=False)

    @contextmanager
    def progress(self) -> Iterator["ProgressBars"]:
        """Show progress bars with an estimate for as long as the block runs."""
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        hidden = self._quiet or not self.console.is_terminal
        with Progress(*columns, console=self.console, disable=hidden, transient=True) as progress:
            yield ProgressBars(progress, self.info)


class ProgressBars:
    """Progress bars, one per name, each created on its first use."""

    def __init__(self, progress: Progress, info: Callable[[str], None]) -> None:
        self._progress = progress
        self._info = info
        self._tasks = {task.description: task.id for task in progress.tasks}

    def __call__(self, name: str, done: int, total: int) -> None:
        """Show that ``done`` of ``total`` steps of ``name`` are finished."""
        if name not in self._tasks:
            self._tasks[name] = self._progress.add_task(name, total=total)
        self._progress.update(self._tasks[name], completed=done, total=total)

    def or_lines(self, name: str, done: int, total: int) -> None:
        """Show a bar on a terminal; elsewhere print a line from time to time."""
        if not self._progress.disable:
            self(name, done, total)
        elif done == total or done % max(1, total // LINES) == 0:
            self._info(f"{name}: {done} of {total}")
