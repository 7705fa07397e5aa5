"""Pure rules: a measurement in, a verdict out. Never import dagster or read anything here.

A rule's name is its check's name; its docstring is the check's description: what it means,
why it matters, what to do.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from stock_platform.lake.publish import expected_rows
from stock_platform.sources.outcomes import EXPECTED_ABSENCES, Outcome

_FINE: Final = EXPECTED_ABSENCES | {Outcome.OK}
# Above this share of failed symbols a session is taken for an outage of the source.
FAILED_SHARE_LIMIT: Final = 0.2
# Above this share of quarantined lines a session is suspect as a whole.
QUARANTINE_SHARE_LIMIT: Final = 0.05
_SAMPLE: Final = 10


@dataclass(frozen=True)
class Verdict:
    """What a rule says of one measurement.

    Attributes:
        offending: how many rows, lines or symbols break the rule.
        says: one sentence for the reader of the check.
        tolerable: a failure that warns and never blocks.
        sample: some of the offenders.
    """

    offending: int
    says: str
    tolerable: bool = False
    sample: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Nothing offends."""
        return self.offending == 0


@dataclass(frozen=True)
class RawSession:
    """A session of raw lines.

    Attributes:
        expected: the universe.
        lines: symbols that have a line.
        fetched: each symbol's outcome when the session was last fetched; the line may be an
            earlier, better one.
    """

    expected: frozenset[str]
    lines: frozenset[str]
    fetched: Mapping[str, str]


@dataclass(frozen=True)
class ErpMeasure:
    """An ERP batch: accepted rows, rejected ones by reason, rows kept from the batch before."""

    accepted: int
    rejected: Mapping[str, int]
    kept: int


@dataclass(frozen=True)
class ProcessedMeasure:
    """A processed session: the job's metrics, and the rows that its objects hold."""

    metrics: Mapping[str, Any]
    rows: Mapping[str, int]


@dataclass(frozen=True)
class TableMeasure:
    """A table, or a session of it.

    Attributes:
        rows: present rows.
        stages: rows of the stages before, by name, that must equal them; for facts.
        duplicate_keys: rows beyond the first of their key.
        orphans: by column, rows whose value its dimension does not have.
    """

    rows: int
    duplicate_keys: int
    orphans: Mapping[str, int] = field(default_factory=dict)
    stages: Mapping[str, tuple[int, int]] = field(default_factory=dict)


def every_row_accepted(batch: ErpMeasure) -> Verdict:
    """Each row of the ERP file was accepted, and none that was known is missing from it.

    A rejected row is kept with its line and reason beside the accepted ones; a key that
    vanished or was rejected keeps its last good row. Mend the export and drop it again.
    """
    reasons = dict(batch.rejected) | ({"vanished_or_rejected": batch.kept} if batch.kept else {})
    return Verdict(
        sum(reasons.values()),
        f"{batch.accepted} accepted, {sum(batch.rejected.values())} rejected, {batch.kept} kept",
        tolerable=True,
        sample=tuple(f"{reason}: {count}" for reason, count in sorted(reasons.items())),
    )


def complete_for_session(session: RawSession) -> Verdict:
    """Every active company has a line. A missing line is a loss; fetch the session again."""
    missing = session.expected - session.lines
    return _verdict(missing, f"of {len(session.expected)} expected symbols have no line")


def no_upstream_errors(session: RawSession) -> Verdict:
    """At its last fetch, every symbol had a usable bar, or none for a good reason.

    Unknown symbols, throttling, errors of Yahoo, null and unfinished bars warn; when more than
    a fifth of the symbols fail, the source is taken to be down and downstream is stopped.
    Look at the outcome, then fetch the session again.
    """
    failed = {s: o for s, o in session.fetched.items() if o not in _FINE}
    share = len(failed) / max(len(session.fetched), 1)
    return _verdict(
        (f"{symbol}: {outcome}" for symbol, outcome in failed.items()),
        f"of {len(session.fetched)} symbols were answered without a usable bar",
        tolerable=share <= FAILED_SHARE_LIMIT,
    )


def every_line_accounted_for(measure: ProcessedMeasure) -> Verdict:
    """Each raw line is a price, a quarantined record or a counted absence; files hold as many.

    A session without any line is none: its universe was empty, or its raw object is damaged.

    A difference means lost rows. Do not load the session; process it again, then look at the
    job.
    """
    metrics = measure.metrics
    ends = (
        metrics["valid"]
        + sum(metrics["quarantined"].values())
        + sum(metrics["without_bar"].values())
    )
    differences = [f"{metrics['lines_read']} lines read, {ends} accounted for"]
    offending = abs(metrics["lines_read"] - ends) + (metrics["lines_read"] == 0)
    for table, measured in expected_rows(metrics).items():
        present = measure.rows.get(table, 0)
        offending += abs(measured - present)
        differences.append(f"{table}: {measured} measured, {present} in the lake")
    return Verdict(offending, "; ".join(differences))


def quarantine_share(measure: ProcessedMeasure) -> Verdict:
    """No record is quarantined. Look at its reason in processed/quarantine.

    Few warn, for one bad bar says nothing of the others; above 5 % of the lines the session is
    taken to be wrong as a whole.
    """
    reasons = dict(measure.metrics["quarantined"])
    if measure.metrics["bad_corporate_actions"]:
        reasons["bad_corporate_action"] = measure.metrics["bad_corporate_actions"]
    quarantined = sum(reasons.values())
    lines = measure.metrics["lines_read"]
    return Verdict(
        quarantined,
        f"{quarantined} records of {lines} lines are quarantined",
        tolerable=quarantined <= QUARANTINE_SHARE_LIMIT * lines or quarantined == 1,
        sample=tuple(f"{reason}: {count}" for reason, count in sorted(reasons.items())),
    )


def primary_key_unique(table: TableMeasure) -> Verdict:
    """No two rows share a key. Duplicates count twice in every sum; load the sessions again."""
    return Verdict(
        table.duplicate_keys, f"{table.duplicate_keys} of {table.rows} rows repeat a key"
    )


def foreign_keys_resolve(table: TableMeasure) -> Verdict:
    """Every reference is found in its dimension. Otherwise joins lose rows; load the dimension."""
    found = {column: count for column, count in table.orphans.items() if count}
    return Verdict(
        sum(found.values()),
        f"{sum(found.values())} references of {table.rows} rows are not found",
        sample=tuple(f"{column}: {count}" for column, count in found.items()),
    )


def rows_reconcile(table: TableMeasure) -> Verdict:
    """Raw lines, processed rows and warehouse rows of a session tell the same count.

    A difference means that a stage was not run after the one before it, or lost rows.
    Materialize the session again from the first stage that differs.
    """
    differing = {name: pair for name, pair in table.stages.items() if pair[0] != pair[1]}
    return Verdict(
        sum(abs(before - after) for before, after in differing.values()),
        "; ".join(
            f"{name}: {before} against {after}" for name, (before, after) in table.stages.items()
        ),
        sample=tuple(differing),
    )


def has_rows(table: TableMeasure) -> Verdict:
    """The table has rows. An empty dimension makes every join empty; look at its source."""
    return Verdict(0 if table.rows else 1, f"{table.rows} rows")


def _verdict(offenders: Iterable[str], says: str, *, tolerable: bool = False) -> Verdict:
    found = sorted(offenders)
    return Verdict(len(found), f"{len(found)} {says}", tolerable, tuple(found[:_SAMPLE]))
