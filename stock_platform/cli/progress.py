"""The log of a run on a terminal.

Belongs here: printing log records and moving progress bars. Dagster's own events are
left out, because they are in the UI.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import dagster as dg
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from stock_platform.orchestration.assets.common import PROGRESS
from stock_platform.orchestration.dagster_internals.console import WRITTEN_ATTRIBUTE
from stock_platform.orchestration.monitoring.json_logs import process_stdout

# The name of Dagster's default logger: the configuration of a run that names it is valid for
# the job of the UI too, where such a run may be executed again.
LOGGER: Final = "console"
_STYLES: Final = {logging.WARNING: "yellow", logging.ERROR: "red", logging.CRITICAL: "red"}


def terminal() -> Console:
    """Return a console on the original standard output of the process.

    Dagster redirects the file descriptor into a file while a step runs.
    """
    return Console(file=process_stdout())


@contextmanager
def shown_progress(job: str, console: Console) -> Iterator[dg.LoggerDefinition]:
    """Yield a logger that prints the messages of steps, with a progress bar on a terminal."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(
        *columns,
        console=console,
        transient=True,
        # Dagster captures both streams for the UI.
        redirect_stdout=False,
        redirect_stderr=False,
        disable=not console.is_terminal,
    ) as progress:
        handler = _Handler(job, progress)

        @dg.logger
        def console_logger(_: dg.InitLoggerContext) -> logging.Logger:
            # Not in Python's registry: its handler is this run's.
            logger = logging.Logger(__name__, logging.INFO)  # noqa: LOG001
            logger.addHandler(handler)
            return logger

        yield console_logger


class _Handler(logging.Handler):
    """Prints each step's name once, and its messages below it."""

    def __init__(self, job: str, progress: Progress) -> None:
        super().__init__()
        self._progress = progress
        self._step: str | None = None
        self._step_bar: TaskID | None = None
        progress.add_task(job, total=None)

    def emit(self, record: logging.LogRecord) -> None:
        """Print a message, unless it is an event of Dagster, a bar or a JSON line shows it."""
        if getattr(record, "dagster_event", None) or hasattr(record, WRITTEN_ATTRIBUTE):
            return
        metadata = getattr(record, "dagster_meta", {})
        step = metadata.get("step_key")
        if step and step != self._step:
            self._step = step
            self._print(f"  [bold]{escape(step)}[/bold]")
        if self._progress.console.is_terminal and hasattr(record, PROGRESS):
            completed, total = getattr(record, PROGRESS)
            self._move_bar(completed, total)
            if completed < total:
                return
        level = f"{record.levelname.lower()}: " if record.levelno >= logging.WARNING else ""
        message = escape(f"{level}{metadata.get('orig_message') or record.getMessage()}")
        style = _STYLES.get(record.levelno)
        self._print(f"    [{style}]{message}[/{style}]" if style else f"    {message}")

    def _move_bar(self, completed: int, total: int) -> None:
        if self._step_bar is None:
            self._step_bar = self._progress.add_task(self._step or "", total=total)
        self._progress.update(self._step_bar, completed=completed, refresh=True)
        if completed == total:
            self._progress.remove_task(self._step_bar)
            self._step_bar = None

    def _print(self, text: str) -> None:
        self._progress.console.print(text, highlight=False, soft_wrap=True)
