"""Rules over a processed session: its counts, and what was quarantined of it.

The Spark job measures and quarantines what breaks a rule; here that is judged, and that no
published bar breaks one all the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from stock_platform.lake.publish import expected_rows
from stock_platform.limits import QualityLimits
from stock_platform.market_data.models import EXPECTED_ABSENCES
from stock_platform.quality.rules.verdict import SAMPLE, Verdict, counted


@dataclass(frozen=True)
class ProcessedMeasure:
    """A processed session.

    Attributes:
        metrics: the job's.
        rows: how many rows its objects hold, by table.
        quarantined: by reason, the records as "SYMBOL: record".
        published: by rule, published bars that break it, as "SYMBOL: bar".
    """

    metrics: Mapping[str, Any]
    rows: Mapping[str, int]
    quarantined: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    published: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def every_line_accounted_for(measure: ProcessedMeasure, _: QualityLimits) -> Verdict:
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


def quarantine_share(measure: ProcessedMeasure, limits: QualityLimits) -> Verdict:
    """No record is quarantined. Look at its reason in processed/quarantine.

    A single one and few warn, for one bad bar says nothing of the others; above
    QUALITY__QUARANTINED_SHARE of the lines that should hold a bar the session is taken to be wrong
    as a whole, and is not loaded by the run. A session that is loaded has no row for what is
    quarantined.
    """
    reasons = dict(measure.metrics["quarantined"])
    reasons["bad_corporate_action"] = measure.metrics["bad_corporate_actions"]
    quarantined = sum(reasons.values())
    absent = measure.metrics["without_bar"]
    lines = measure.metrics["lines_read"] - sum(absent.get(it, 0) for it in EXPECTED_ABSENCES)
    return Verdict(
        quarantined,
        f"{quarantined} of {lines} records that should hold a bar are quarantined",
        tolerable=quarantined <= limits.quarantined_share * lines or quarantined == 1,
        sample=counted(reasons),
    )


def ohlc_consistent(measure: ProcessedMeasure, _: QualityLimits) -> Verdict:
    """No bar's high lies below, or low above, another of its prices by more than 0.01 %.

    Yahoo rounds each price on its own, hence the tolerance. Such a bar is quarantined and warns;
    a published one is an error. Compare with another source; Yahoo often mends it in days.
    """
    return _kept_out(measure, "ohlc_inconsistent")


def prices_positive(measure: ProcessedMeasure, _: QualityLimits) -> Verdict:
    """Every price is a positive number. No share trades at or below zero.

    A bar with another price is quarantined and warns; a published one is an error, for returns
    over it are meaningless. Fetch the session again.
    """
    return _kept_out(measure, "non_positive_price")


def volume_non_negative(measure: ProcessedMeasure, _: QualityLimits) -> Verdict:
    """Every volume is a countable number of shares, zero or more.

    A bar with another volume is quarantined and warns; a published one is an error. Fetch the
    session again.
    """
    return _kept_out(measure, "negative_volume", "volume_too_large")


def no_null_bars(measure: ProcessedMeasure, _: QualityLimits) -> Verdict:
    """Every bar of an open session has all its prices and its volume.

    Yahoo serves whole null days, mostly to mend them later. Such a bar is quarantined and warns;
    a published one is an error. Fetch the session again in some days.
    """
    return _kept_out(measure, "null_bar")


def no_duplicates(measure: ProcessedMeasure, _: QualityLimits) -> Verdict:
    """Every symbol has one price a session.

    Of two lines the later fetch stands and the other is quarantined, with a warning; two
    published prices are an error, for they count twice in every sum. Look at the raw object.
    """
    return _kept_out(measure, "duplicate")


def _kept_out(measure: ProcessedMeasure, *reasons: str) -> Verdict:
    """Quarantined records warn, published bars of the same defect are an error."""
    quarantined = sum(measure.metrics["quarantined"].get(reason, 0) for reason in reasons)
    published = [it for reason in reasons for it in measure.published.get(reason, ())]
    records = [it for reason in reasons for it in measure.quarantined.get(reason, ())]
    return Verdict(
        quarantined + len(published),
        f"{quarantined} records quarantined, {len(published)} bars published all the same",
        tolerable=not published,
        sample=tuple([*published, *records][:SAMPLE]),
    )
