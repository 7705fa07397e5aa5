"""What the lake holds of sessions and ERP batches, counted for the rules."""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Final

import orjson
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stock_platform.calendars import calendar_code, session_hours
from stock_platform.lake import erp_landing, files, raw_erp, raw_prices
from stock_platform.lake.paths import ErpKind, LakePaths
from stock_platform.lake.publish import ProcessedSession, read_published, row_count
from stock_platform.limits import QualityLimits
from stock_platform.market_data.models import Outcome
from stock_platform.partitions import partition_end
from stock_platform.quality.rules.erp import ErpMeasure
from stock_platform.quality.rules.processed import ProcessedMeasure
from stock_platform.quality.rules.raw import Newest, RawSession
from stock_platform.quality.rules.verdict import SAMPLE
from stock_platform.sources.erp import CONTRACTS
from stock_platform.sources.erp_history import active_days

if TYPE_CHECKING:
    import pandas as pd

# By exchange and then by session: when it closed.
Closes = Callable[[str], Mapping[str, datetime]]

_RECORD_EXCERPT: Final = 160


def raw_sessions(paths: LakePaths, sessions: Sequence[str]) -> dict[str, RawSession]:
    """The universe, and what each session's raw lines tell."""
    active: dict[str, dict[str, str]] = defaultdict(dict)
    companies = raw_erp.load(paths, "companies").facts
    for (mic, symbol), days in active_days(companies, sessions).items():
        for day in days:
            active[day.isoformat()][symbol] = mic
    closes = cache(partial(_closes, first=min(sessions), last=max(sessions)))
    return {it: _raw_session(paths, it, active[it], closes) for it in sessions}


def erp_batch(paths: LakePaths, kind: ErpKind) -> ErpMeasure:
    """What is known from the ERP, what its newest export lacks, and files that were rejected."""
    loads = erp_landing.loads(paths, kind)
    lying = {it.key for it in erp_landing.landed(paths, kind)}
    refused = {it.name: it.reason for it in loads if it.refused and it.key in lying}
    known = raw_erp.load_if_any(paths, kind)
    if known is None:
        return ErpMeasure(0, {}, (), refused)
    identity = CONTRACTS[kind].identity
    vanished = known.facts.filter(pc.is_valid(known.facts["VANISHED_AT"]))
    return ErpMeasure(
        known.facts.num_rows,
        Counter(str(row["REASON"]) for row in known.rejected),
        tuple(pc.unique(vanished[identity]).to_pylist()),
        refused,
        {loads[-1].name: loads[-1].outdated} if loads[-1].outdated else {},
    )


def newest_prices(
    paths: LakePaths,
    exchanges: Sequence[str],
    between: tuple[date, date | None],
    now: datetime,
    limits: QualityLimits,
) -> Newest:
    """The newest session with raw prices, and the recent sessions that are due and lack them.

    Before the first session that is there nothing is due: a lake begins somewhere. So nothing is
    due of an empty one.

    Args:
        paths: of the lake.
        exchanges: MICs whose sessions are due.
        between: the deployment's first day, before which no session can be asked for, and its
            last, None where it has none.
        now: the moment at which they are due or not.
        limits: how long they may take, and how far back is looked.
    """
    present = raw_prices.published_sessions(paths)
    if not present:
        return Newest((), None)
    newest, (first, last) = present[-1], between
    until = min(last or now.date(), now.date())
    since = until - timedelta(days=limits.due_within_days)
    since = max(since, first, date.fromisoformat(present[0]))
    ends: dict[str, datetime] = {}
    for mic in exchanges:
        for hours in session_hours(mic, min(since, until), until):
            day = hours.day.isoformat()
            ends[day] = max(hours.closes_at, ends.get(day, partition_end(hours.day)))
    patience = timedelta(hours=limits.due_after_close_hours)
    missing = {day: end + patience for day, end in ends.items() if day not in set(present)}
    due = {day: moment for day, moment in missing.items() if moment <= now}
    return Newest(tuple(sorted(due)), newest, min(due.values(), default=None))


def processed_sessions(
    paths: LakePaths, sessions: Sequence[str], bars: "pd.DataFrame"
) -> dict[str, ProcessedMeasure]:
    """The job's metrics of each session, what its objects hold, and what its bars break.

    Args:
        paths: of the lake.
        sessions: published ones.
        bars: their published bars, as `measures.bars` reads them.
    """
    broken = _broken_bars(bars)

    def measure(session: str) -> ProcessedMeasure:
        published = read_published(paths, session)
        return ProcessedMeasure(
            published.manifest["metrics"],
            {table: row_count(uri) for table, uri in published.objects.items()},
            _quarantined(published),
            broken.get(session, {}),
        )

    return dict(zip(sessions, files.each(measure, sessions), strict=True))


def _raw_session(
    paths: LakePaths, session: str, active: Mapping[str, str], closes: Closes
) -> RawSession:
    lines = raw_prices.read(paths, session)
    fetched = raw_prices.last_fetch(paths, session)
    return RawSession(
        expected=frozenset(it for it, mic in active.items() if session in closes(mic)),
        lines=frozenset(it["symbol"] for it in lines if it["outcome"] != Outcome.NO_SESSION),
        fetched={symbol: str(it["outcome"]) for symbol, it in fetched.items()},
        live=frozenset(it["symbol"] for it in lines if it["outcome"] == Outcome.LIVE_BAR),
        early=frozenset(
            line["symbol"]
            for line in lines
            if _is_early(line, closes)
            # An unchanged answer keeps its line; one that came after the close confirms it.
            and _is_early({**line, **fetched.get(line["symbol"], {})}, closes)
        ),
    )


def _closes(mic: str, *, first: str, last: str) -> Mapping[str, datetime]:
    if not calendar_code(mic):
        return {}
    hours = session_hours(mic, date.fromisoformat(first), date.fromisoformat(last))
    return {it.day.isoformat(): it.closes_at for it in hours}


def _is_early(line: Mapping[str, Any], closes: Closes) -> bool:
    """Whether a bar that is taken for final was fetched before its exchange closed."""
    closed = closes(str(line.get("exchange"))).get(str(line.get("session_date")))
    if line["outcome"] != Outcome.OK or closed is None:
        return False
    try:
        fetched = datetime.fromisoformat(str(line.get("fetched_at")))
    except ValueError:
        return False  # the job quarantines the line for it
    return (fetched if fetched.tzinfo else fetched.replace(tzinfo=UTC)) < closed


def _quarantined(published: ProcessedSession) -> dict[str, tuple[str, ...]]:
    """Some of the quarantined records of a session, by reason."""
    if "quarantine" not in published.objects:
        return {}
    fs, path = files.filesystem(published.objects["quarantine"])
    with fs.open(path, "rb") as file:
        rows = pq.read_table(file, columns=["Ticker", "Reason", "Record"]).to_pylist()
    by_reason: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        if len(by_reason[row["Reason"]]) < SAMPLE:
            by_reason[row["Reason"]].append(f"{row['Ticker']}: {_excerpt(row['Record'])}")
    return {reason: tuple(records) for reason, records in by_reason.items()}


def _excerpt(record: str) -> str:
    """The bar of a record where it has one, else its beginning."""
    try:
        bar = orjson.loads(record)["bar"]
        return ", ".join(f"{name} {value}" for name, value in bar.items())
    except (ValueError, TypeError, KeyError, AttributeError):
        return record if len(record) <= _RECORD_EXCERPT else f"{record[:_RECORD_EXCERPT]}…"


def _broken_bars(bars: "pd.DataFrame") -> dict[str, dict[str, tuple[str, ...]]]:
    """By session and the job's reason: published bars that the job should have quarantined."""
    prices = bars[["Open", "High", "Low", "Close"]]
    tolerance = 1e-4 * prices["Close"].abs()
    inconsistent = (prices.max(axis=1) > bars["High"] + tolerance) | (
        prices.min(axis=1) < bars["Low"] - tolerance
    )
    broken = {
        "ohlc_inconsistent": inconsistent,
        "non_positive_price": (prices <= 0).any(axis=1),
        "negative_volume": bars["Volume"] < 0,
        "null_bar": prices.isna().any(axis=1) | bars["Volume"].isna(),
        "duplicate": bars.duplicated(["Ticker", "Session"]),
    }
    found: dict[str, dict[str, tuple[str, ...]]] = defaultdict(dict)
    for reason, mask in broken.items():
        for session, rows in bars[mask].groupby("Session"):
            found[str(session)][reason] = tuple(f"{it}: published" for it in rows["Ticker"])
    return found
