"""Dagster's coloured console, without the records that another handler has already written.

Dagster 1.13 creates this console for every run and has no setting that silences it alone:
`python_log_level` also decides which messages are stored. Importing this module adds the filter;
the definitions import it before a run creates its console.
"""

import logging
from typing import Final

from dagster import _loggers

# Dagster copies the attributes of a record to the one that it gives to its console.
WRITTEN_ATTRIBUTE: Final = "stock_platform_written"
_create_console_logger = _loggers.create_console_logger  # type: ignore[attr-defined]


def _create_filtered_console_logger(name: str, level: str | int) -> logging.Logger:
    console: logging.Logger = _create_console_logger(name, level)
    console.addFilter(lambda record: not hasattr(record, WRITTEN_ATTRIBUTE))
    return console


_loggers.create_console_logger = _create_filtered_console_logger  # type: ignore[attr-defined]
