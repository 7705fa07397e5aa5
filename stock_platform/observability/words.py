"""What sensors tell, each in a line with its word and fields.

Belongs here: one function for each thing that happens. What a run's own process tells,
materializations and failed checks, is in `logging`.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final

import dagster as dg

from stock_platform.observability.alerts import Alert
from stock_platform.observability.logging import FIELDS
from stock_platform.observability.runs import EndedRun
from stock_platform.observability.ticks import FailedTick
from stock_platform.observability.vocabulary import Word
from stock_platform.quality.rules.raw import Newest

# Takes a level, a word, a sentence, and fields.
Tell = Callable[..., None]

_LOGGER: Final = logging.getLogger("stock_platform.observability")
# Sensors are threads of the code server, and Python's configuration of handlers is for one alone.
_CONFIGURING: Final = threading.Lock()
_RUN_WORDS: Final = {
    dg.DagsterRunStatus.SUCCESS: Word.RUN_SUCCEEDED,
    dg.DagsterRunStatus.FAILURE: Word.RUN_FAILED,
    dg.DagsterRunStatus.CANCELED: Word.RUN_CANCELED,
}


def teller(instance: dg.DagsterInstance) -> Tell:
    """Tells through the handlers that the instance's dagster.yaml names.

    Where it names none, on a laptop, what is a warning or worse goes to the terminal.
    """
    with _CONFIGURING:
        if not _LOGGER.handlers:
            _LOGGER.setLevel(logging.INFO)
            _LOGGER.handlers = list(instance.get_yaml_python_handlers())

    def tell(level: int, event: Word, message: str, **fields: Any) -> None:  # noqa: ANN401
        _LOGGER.log(level, message, extra={FIELDS: {"event": event, **fields}})

    return tell


def tell_run(tell: Tell, run: EndedRun) -> None:
    """That a run has ended, and that a batch of it failed."""
    word = _RUN_WORDS[run.status]
    level = logging.INFO
    if run.failed:
        level = logging.WARNING if run.will_retry else logging.ERROR
    facts = {
        "job": run.job,
        "run_id": run.run_id,
        "partition": run.partition,
        "will_retry": True if run.will_retry else None,
    }
    tell(
        level,
        word,
        f"{run.job} {word.removeprefix('run_')}{f': {run.error}' if run.error else ''}",
        **facts,
        duration_s=run.duration_s,
        usd=run.usd,
        error=run.error,
    )
    if run.batch:
        failed = {"batch": run.batch.name, "error": run.batch.error}
        tell(level, Word.BATCH_FAILED, run.batch.says, **facts, **failed)


def tell_tick(tell: Tell, tick: FailedTick) -> None:
    """That a tick failed."""
    tell(
        logging.ERROR,
        Word.TICK_FAILED,
        f"a tick of {tick.instigator} failed: {tick.error}",
        instigator=tick.instigator,
        in_a_row=tick.in_a_row,
        error=tick.error,
    )


def tell_alert(tell: Tell, alert: Alert) -> None:
    """That somebody is called."""
    tell(logging.WARNING, Word.ALERT, alert.body, alert=alert.name, subject=alert.subject)


def tell_undelivered(tell: Tell, alerts: Sequence[Alert], reason: str, attempt: int) -> None:
    """That nobody could be called, though it was tried once more."""
    subjects = ", ".join(it.subject for it in alerts)
    message = f"attempt {attempt} to deliver {subjects} failed: {reason}"
    tell(logging.ERROR, Word.ALERT_UNDELIVERED, message, attempt=attempt, error=reason)


def tell_heartbeat(tell: Tell, instance: dg.DagsterInstance, prices: Newest, now: datetime) -> None:
    """That the daemon asked, the code server answered, and the database and the lake were read."""
    late = (now - prices.since).total_seconds() / 3600 if prices.since else 0.0
    newest = f"up to {prices.newest}" if prices.newest else "of no session yet"
    waiting, working = (
        instance.get_runs_count(dg.RunsFilter(statuses=statuses))
        for statuses in (
            [dg.DagsterRunStatus.QUEUED],
            [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED],
        )
    )
    tell(
        logging.INFO,
        Word.HEARTBEAT,
        f"prices are there {newest}; {len(prices.due)} sessions are late",
        sessions_late=len(prices.due),
        hours_late=round(late, 2),
        newest_session=prices.newest,
        runs_queued=waiting,
        runs_started=working,
    )
