"""Plain data of market data fetches: requests, responses, raw records and outcomes.

Belongs here: types without behaviour that every layer may import. ``price_records`` builds raw
records from responses.
"""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Final, NotRequired, TypedDict


class Outcome(StrEnum):
    """Result of requesting one symbol and session.

    No outcome means "delisted": absence of data does not prove it.
    """

    OK = "ok"
    NO_SESSION = "no_session"  # the exchange was closed
    NOT_LISTED = "not_listed"  # before its first trade date
    NULL_BAR = "null_bar"  # no bar on an open session, or a bar with missing prices
    UNKNOWN_SYMBOL = "unknown_symbol"
    THROTTLED = "throttled"
    UPSTREAM_ERROR = "upstream_error"
    LIVE_BAR = "live_bar"  # the bar is not final yet


# A later request may succeed.
TRANSIENT_OUTCOMES: Final = frozenset({Outcome.THROTTLED, Outcome.UPSTREAM_ERROR})
# No price is expected.
EXPECTED_ABSENCES: Final = frozenset({Outcome.NO_SESSION, Outcome.NOT_LISTED})


def outcome_rank(outcome: str) -> int:
    """Return the rank of an outcome: of two records, the one with the higher rank counts.

    A record without a bar never replaces one that has a bar: a 404 or an empty chart is a problem
    of the request, not of the session. A transient failure only replaces another one. The Spark
    job has the same ranks.
    """
    if outcome == Outcome.OK:
        return 2
    return 0 if outcome in TRANSIENT_OUTCOMES else 1


@dataclass(frozen=True, slots=True)
class PriceRequest:
    """The sessions to fetch for one symbol.

    Attributes:
        symbol: Yahoo's spelling, for example ``BRK-B`` or ``0700.HK``.
        security_id: the ERP's id of the security.
        exchange: MIC of the listing exchange.
        sessions: ascending, at least one.
        open_sessions: the subset on which that exchange was open.

    Raises:
        ValueError: there are no sessions, or they are not ascending.
    """

    symbol: str
    security_id: str
    exchange: str
    sessions: tuple[date, ...]
    open_sessions: frozenset[date]

    def __post_init__(self) -> None:
        if not self.sessions or list(self.sessions) != sorted(set(self.sessions)):
            raise ValueError(f"{self.symbol}: at least one session is needed, in ascending order")


@dataclass(frozen=True, slots=True)
class HttpResponseRecord:
    """One HTTP response as received.

    Attributes:
        url: the requested URL at Yahoo's own host, without the crumb.
        status: HTTP status; None if there was no response.
        fetched_at: time of arrival, UTC.
        body: the decompressed bytes.
        error: reason why there was no response.
    """

    url: str
    status: int | None
    fetched_at: datetime
    body: bytes = b""
    error: str | None = None


class RawBar(TypedDict):
    """OHLCV as received: split-adjusted as of the fetch, nulls kept."""

    open: float | None
    high: float | None
    low: float | None
    close: float | None
    adj_close: float | None
    volume: float | None


class RawSplit(TypedDict):
    """``numerator`` new shares per ``denominator`` old ones."""

    numerator: float
    denominator: float


class RawLaterSplit(RawSplit):
    """A split after the session."""

    date: str


class RawPriceRecord(TypedDict):
    """Raw record of one symbol and session, as stored in the lake."""

    symbol: str
    security_id: str
    session_date: str
    outcome: str
    exchange: str
    currency: str | None
    bar: RawBar | None
    dividend: float | None
    dividend_currency: str | None
    capital_gain: float | None
    split: RawSplit | None
    later_splits: list[RawLaterSplit]
    fetched_at: str
    client: str
    response_sha256: str | None
    error: str | None
    unusable_events: NotRequired[list[str]]


@dataclass(frozen=True, slots=True)
class SymbolResult:
    """Everything fetched for one symbol.

    Attributes:
        records: one per requested session, in the same order.
        responses: one per attempt, in order of arrival.
    """

    symbol: str
    records: tuple[RawPriceRecord, ...]
    responses: tuple[HttpResponseRecord, ...]
