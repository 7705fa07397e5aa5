"""The conditions under which a person is alerted, and the text of the alerts.

Belongs here: pure functions from events to alerts. `notifications` delivers them, and
`sensors` decides when.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from stock_platform.orchestration.monitoring.failed_backfills import FailedBackfill
from stock_platform.orchestration.monitoring.failed_ticks import FailedTick
from stock_platform.orchestration.monitoring.finished_runs import (
    FailedCheck,
    FinishedRun,
)

# Each is also the name of a runbook.
ALERTS: Final = (
    "run-failed",
    "check-failed",
    "batch-failed",
    "tick-failed",
    "backfill-failed",
    "stale-prices",
)
_MAX_LISTED: Final = 10
_MAX_SUBJECT_CHARS: Final = 200


@dataclass(frozen=True)
class Alert:
    """One alert: its name, one line that says what happened, and the details."""

    name: str
    subject: str
    body: str


@dataclass(frozen=True)
class AlertSource:
    """The deployment that alerts come from, and the address of its UI."""

    deployment: str
    dagster_url: str

    def page(self, path: str) -> str:
        """Return the address of a page of the UI."""
        return f"{self.dagster_url.rstrip('/')}/{path}"


def alerts(
    source: AlertSource,
    runs: Sequence[FinishedRun],
    ticks: Sequence[FailedTick],
    backfills: Sequence[FailedBackfill],
    late_sessions: Sequence[str],
) -> list[Alert]:
    """Return at most one alert of each name, however much happened.

    A run that Dagster retries raises no alert, except for its failed checks: the next attempt
    continues from the failed step and does not run them again.

    Args:
        source: The deployment.
        runs: Finished runs.
        ticks: Failed ticks. Only those of a newly failing sensor or schedule raise an alert.
        backfills: Failed backfills.
        late_sessions: Sessions that have become late since the last alert.
    """
    final = [run for run in runs if not run.will_retry]
    lines = {
        "run-failed": [_run(source, run, run.error) for run in final if run.is_failed],
        "check-failed": [_check(source, run, check) for run in runs for check in run.failed_checks],
        "batch-failed": [_run(source, run, str(run.batch)) for run in final if run.batch],
        "tick-failed": [f"{tick.instigator}: {tick.error}" for tick in ticks if tick.newly_failing],
        "backfill-failed": [_backfill(source, backfill) for backfill in backfills],
        "stale-prices": late_sessions,
    }
    pages = {"tick-failed": "automation", "stale-prices": "assets/raw_stock_prices"}
    return [_alert(source, name, lines[name], pages.get(name)) for name in ALERTS if lines[name]]


def message(raised: Sequence[Alert]) -> tuple[str, str]:
    """Return the subject and body of one message with all alerts."""
    if len(raised) == 1:
        return raised[0].subject, raised[0].body
    others = len(raised) - 1
    subject = f"{raised[0].subject} and {others} more {'alert' if others == 1 else 'alerts'}"
    return subject, "\n\n".join(f"{alert.subject}\n\n{alert.body}" for alert in raised)


def _run(source: AlertSource, run: FinishedRun, problem: str | None) -> str:
    name = f"{run.job} {run.partition}" if run.partition else run.job
    return f"{name}: {problem}\n{source.page(f'runs/{run.run_id}')}"


def _check(source: AlertSource, run: FinishedRun, check: FailedCheck) -> str:
    asset = f"{check.asset} {check.partition}" if check.partition else check.asset
    check_page = source.page(f"assets/{check.asset}?view=checks&checkDetail={check.name}")
    run_page = source.page(f"runs/{run.run_id}")
    return f"{check.name} of {asset}: {check.description}\n{check_page}\n{run_page}"


def _backfill(source: AlertSource, backfill: FailedBackfill) -> str:
    page = source.page(f"runs/b/{backfill.backfill_id}")
    return f"{backfill.backfill_id}: {backfill.error}\n{page}"


def _alert(source: AlertSource, name: str, lines: Sequence[str], page: str | None) -> Alert:
    more = [f"... and {len(lines) - _MAX_LISTED} more"] if len(lines) > _MAX_LISTED else []
    link = [source.page(page)] if page else []
    subject = f"{source.deployment}: {name} ({len(lines)}): {lines[0].splitlines()[0]}"
    body = [*lines[:_MAX_LISTED], *more, *link, f"What to do: docs/runbooks/{name}.md"]
    return Alert(name, subject[:_MAX_SUBJECT_CHARS], "\n".join(body))
