"""The log of a run as a person reads it on a terminal.

Belongs here: how a log record becomes a line, or moves a progress bar. Dagster's own events are
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
    TextColumn,
    TimeElapsedColumn,
)

from stock_platform.assets.common import PROGRESS

# The name of Dagster's default logger: the configuration of a run that names it is valid for
# the job of the UI too, where such a run may be executed again.
LOGGER: Final = "console"
_STYLES: Final = {logging.WARNING: "yellow", logging.ERROR: "red", logging.CRITICAL: "red"}


@contextmanager
def shown_progress(job: str, console: Console) -> Iterator[dg.LoggerDefinition]:
    """A logger that prints what a job's steps log, with a progress bar on a terminal."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
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
        self._bar = progress.add_task(job, total=None)
        self._step: str | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Print a message, unless it is an event of Dagster or the bar shows it."""
        if getattr(record, "dagster_event", None):
            return
        metadata = getattr(record, "dagster_meta", {})
        step = metadata.get("step_key")
        if step and step != self._step:
            self._step = step
            self._progress.reset(self._bar, description=step, total=None)
            self._print(f"  [bold]{escape(step)}[/bold]")
        completed, total = getattr(record, PROGRESS, (None, None))
        if completed is not None:
            self._progress.update(self._bar, completed=completed, total=total)
            if completed != total and self._progress.console.is_terminal:
                return
        level = f"{record.levelname.lower()}: " if record.levelno >= logging.WARNING else ""
        message = escape(f"{level}{metadata.get('orig_message') or record.getMessage()}")
        style = _STYLES.get(record.levelno)
        self._print(f"    [{style}]{message}[/{style}]" if style else f"    {message}")

    def _print(self, text: str) -> None:
        self._progress.console.print(text, highlight=False, soft_wrap=True)
