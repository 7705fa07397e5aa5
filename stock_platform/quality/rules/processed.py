"""Rules for one processed session: the metrics of the Spark job, its quarantine and its bars.

The job quarantines records that break a rule. A check reports them, and proves independently
that no published bar breaks the rule.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from stock_platform.lake.paths import PROCESSED_TABLES
from stock_platform.lake.staging import written_rows
from stock_platform.market_data.models import EXPECTED_ABSENCES
from stock_platform.quality.rules.result import MAX_EXAMPLES, RuleResult, count_texts
from stock_platform.settings.quality import QualityLimits


@dataclass(frozen=True)
class ProcessedMeasure:
    """One processed session.

    Attributes:
        metrics: the job's metrics of the session.
        rows: number of versions that the batch has written, by table.
        quarantined: some of the quarantined records by reason, as "SYMBOL: record".
        published: published bars that should be in quarantine by reason, as "SYMBOL: published".
    """

    metrics: Mapping[str, Any]
    rows: Mapping[str, int]
    quarantined: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    published: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def all_records_accounted_for(measure: ProcessedMeasure, _: QualityLimits) -> RuleResult:
    """Each raw record became a price or was quarantined, counted as absent, or superseded.

    A session without raw records fails too: its universe was empty, or its records were lost.
    A difference means lost rows. Do not load the session. Process it again, then look at the job.
    """
    metrics = measure.metrics
    accounted = (
        metrics["valid"]
        + sum(metrics["quarantined"].values())
        + sum(metrics["without_bar"].values())
        + sum(metrics["superseded"].values())
    )
    counts = [f"{metrics['lines_read']} raw records read, {accounted} accounted for"]
    failure_count = abs(metrics["lines_read"] - accounted) + (metrics["lines_read"] == 0)
    for table in PROCESSED_TABLES:
        measured, stored = written_rows(metrics, table), measure.rows.get(table, 0)
        failure_count += abs(measured - stored)
        counts.append(f"{table}: {measured} versions measured by the job, {stored} written")
    return RuleResult(failure_count, "; ".join(counts))


def quarantine_share(measure: ProcessedMeasure, limits: QualityLimits) -> RuleResult:
    """No record is in quarantine. See its reason in processed/quarantine.

    A few records warn, and so does a single one, because one bad bar does not make the others
    wrong. Above QUALITY__QUARANTINED_SHARE of the records that should have a bar, the whole session
    counts as wrong and the run does not load it. A loaded session has no rows for quarantined
    records.
    """
    reasons = {
        **measure.metrics["quarantined"],
        "bad_corporate_action": measure.metrics["bad_corporate_actions"],
    }
    quarantined = sum(reasons.values())
    absent = measure.metrics["without_bar"]
    due = (
        measure.metrics["lines_read"]
        - sum(measure.metrics["superseded"].values())
        - sum(absent.get(outcome, 0) for outcome in EXPECTED_ABSENCES)
    )
    return RuleResult(
        quarantined,
        f"{quarantined} of {due} records that should have a bar are in quarantine",
        warn_only=quarantined <= max(limits.quarantined_share * due, 1),
        examples=count_texts(reasons),
    )


def ohlc_consistent(measure: ProcessedMeasure, _: QualityLimits) -> RuleResult:
    """No bar's high is below, and no bar's low is above, its other prices by more than 0.01 %.

    Yahoo rounds each price separately, hence the tolerance. Such a bar is quarantined and warns; a
    published one is an error. Compare with another source; Yahoo often corrects it within days.
    """
    return _quarantined_or_published(measure, "ohlc_inconsistent")


def prices_positive(measure: ProcessedMeasure, _: QualityLimits) -> RuleResult:
    """Every price is a positive number. No share trades at or below zero.

    A bar with another price is quarantined and warns; a published one is an error, because returns
    computed from it are meaningless. Fetch the session again.
    """
    return _quarantined_or_published(measure, "non_positive_price")


def volume_non_negative(measure: ProcessedMeasure, _: QualityLimits) -> RuleResult:
    """Every volume is a countable number of shares, zero or more.

    A bar with another volume is quarantined and warns; a published one is an error. Fetch the
    session again.
    """
    return _quarantined_or_published(measure, "negative_volume", "volume_too_large")


def no_null_bars(measure: ProcessedMeasure, _: QualityLimits) -> RuleResult:
    """Every bar of an open session has all its prices and its volume.

    Yahoo sometimes serves null for whole days, and mostly corrects it later. Such a bar is
    quarantined and warns; a published one is an error. Fetch the session again after some days.
    """
    return _quarantined_or_published(measure, "null_bar")


def no_duplicates(measure: ProcessedMeasure, _: QualityLimits) -> RuleResult:
    """Every symbol has one price per session.

    Of two records in one run the later is used and the other is quarantined, with a warning. Two
    published prices are an error, because every sum counts them twice. Look at the run's records.
    """
    return _quarantined_or_published(measure, "duplicate")


def _quarantined_or_published(measure: ProcessedMeasure, *reasons: str) -> RuleResult:
    """Warn about quarantined records; published bars with the same defect are an error."""
    quarantined = sum(measure.metrics["quarantined"].get(reason, 0) for reason in reasons)
    published = [text for reason in reasons for text in measure.published.get(reason, ())]
    records = [text for reason in reasons for text in measure.quarantined.get(reason, ())]
    return RuleResult(
        quarantined + len(published),
        f"{quarantined} records in quarantine, {len(published)} bars published with this defect",
        warn_only=not published,
        examples=tuple([*published, *records][:MAX_EXAMPLES]),
    )


# Evaluated before a batch is committed.
BLOCKING_RULES: Final = (
    all_records_accounted_for,
    quarantine_share,
    ohlc_consistent,
    prices_positive,
    volume_non_negative,
    no_null_bars,
    no_duplicates,
)
