"""The conditions that call a person, and what the person is told.

Belongs here: pure functions from what was read to alerts. How they are delivered is in `delivery`,
when the conditions are looked at in `automation.monitoring`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from stock_platform.observability.runs import EndedRun, FailedCheck
from stock_platform.observability.ticks import FailedTick

# What a message lists; of more it says the number.
_LISTED: Final = 10
_LONGEST_SUBJECT: Final = 200
# Each is the name of its runbook too.
ALERTS: Final = ("run-failed", "check-failed", "batch-failed", "tick-failed", "stale-prices")
_RUNBOOKS: Final = "docs/runbooks"


@dataclass(frozen=True)
class Alert:
    """One message to a person.

    Attributes:
        name: of the alert and its runbook.
        subject: what happened, in a line.
        body: where, and what to do.
    """

    name: str
    subject: str
    body: str


@dataclass(frozen=True)
class JudgedRun:
    """A run that has ended, and its checks that failed as errors."""

    run: EndedRun
    failed_checks: tuple[FailedCheck, ...]


@dataclass(frozen=True)
class Place:
    """The deployment that alerts come from, and where its UI is."""

    deployment: str
    dagster_url: str

    def page(self, path: str) -> str:
        """A page of the UI."""
        return f"{self.dagster_url.rstrip('/')}/{path}"


def alerts(
    place: Place,
    runs: Sequence[JudgedRun],
    ticks: Sequence[FailedTick],
    newly_late: Sequence[str],
) -> list[Alert]:
    """One alert at most of each kind, however much happened.

    A run that Dagster starts again by itself calls nobody, except for the checks that failed in it:
    the new run goes on from the step that died, and does not judge again.

    Args:
        place: what they come from.
        runs: that ended.
        ticks: with which a sensor or schedule began to fail.
        newly_late: sessions that are late, and were not when the last alert was sent.
    """
    final = [it for it in runs if not it.run.will_retry]
    lines = {
        "run-failed": [_run(place, it.run, it.run.error) for it in final if it.run.failed],
        "check-failed": [_check(place, it.run, bad) for it in runs for bad in it.failed_checks],
        "batch-failed": [_run(place, it.run, it.run.batch.says) for it in final if it.run.batch],
        "tick-failed": [f"{it.instigator}: {it.error}" for it in ticks],
        "stale-prices": newly_late,
    }
    pages = {"tick-failed": "automation", "stale-prices": "assets/raw_stock_prices"}
    return [_alert(place, name, lines[name], pages.get(name)) for name in ALERTS if lines[name]]


def message(raised: Sequence[Alert]) -> tuple[str, str]:
    """The subject and body of one message about all that was raised."""
    if len(raised) == 1:
        return raised[0].subject, raised[0].body
    subject = f"{raised[0].subject} and {len(raised) - 1} more alerts"
    return subject, "\n\n".join(f"{it.subject}\n\n{it.body}" for it in raised)


def _run(place: Place, run: EndedRun, says: str | None) -> str:
    what = f"{run.job} {run.partition}" if run.partition else run.job
    return f"{what}: {says}\n{place.page(f'runs/{run.run_id}')}"


def _check(place: Place, run: EndedRun, bad: FailedCheck) -> str:
    what = f"{bad.asset} {bad.partition}" if bad.partition else bad.asset
    page = f"assets/{bad.asset}?view=checks&checkDetail={bad.name}"
    return (
        f"{bad.name} of {what}: {bad.says}\n{place.page(page)}\n{place.page(f'runs/{run.run_id}')}"
    )


def _alert(place: Place, name: str, lines: Sequence[str], page: str | None) -> Alert:
    more = [f"... and {len(lines) - _LISTED} more"] if len(lines) > _LISTED else []
    where = [place.page(page)] if page else []
    return Alert(
        name,
        f"{place.deployment}: {name} ({len(lines)}): {lines[0].splitlines()[0]}"[:_LONGEST_SUBJECT],
        "\n".join([*lines[:_LISTED], *more, *where, f"What to do: {_RUNBOOKS}/{name}.md"]),
    )
