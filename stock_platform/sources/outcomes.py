"""What is asked of a price source, what comes back, and the words for how it went.

Belongs here: requests, answers and outcomes as plain data, importable everywhere. How an
answer becomes lines is in ``lines``.
"""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Final, TypedDict


class Outcome(StrEnum):
    """What became of one symbol on one session.

    None of them says that a symbol was delisted: absence does not tell.
    """

    OK = "ok"
    NO_SESSION = "no_session"  # its exchange was closed
    NOT_LISTED = "not_listed"  # before its first trade date
    NULL_BAR = "null_bar"  # no bar on an open session, or one without all its prices
    UNKNOWN_SYMBOL = "unknown_symbol"
    THROTTLED = "throttled"
    UPSTREAM_ERROR = "upstream_error"
    LIVE_BAR = "live_bar"  # the bar is not final yet


# Asking again later may help.
TRANSIENT_OUTCOMES: Final = frozenset({Outcome.THROTTLED, Outcome.UPSTREAM_ERROR})
# There is no price, and there should be none.
EXPECTED_ABSENCES: Final = frozenset({Outcome.NO_SESSION, Outcome.NOT_LISTED})


@dataclass(frozen=True, slots=True)
class PriceRequest:
    """The sessions wanted of one symbol.

    Attributes:
        symbol: Yahoo's symbol, for example ``BRK-B`` or ``0700.HK``.
        exchange: MIC of the exchange that lists it.
        sessions: ascending, at least one.
        open_sessions: those of them on which that exchange was open.

    Raises:
        ValueError: there are no sessions, or they do not ascend.
    """

    symbol: str
    exchange: str
    sessions: tuple[date, ...]
    open_sessions: frozenset[date]

    def __post_init__(self) -> None:
        if not self.sessions or list(self.sessions) != sorted(set(self.sessions)):
            raise ValueError(f"{self.symbol}: sessions must be given, and ascend")


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """One answer as it came over the wire.

    Attributes:
        url: what was asked, at Yahoo's own host, without the crumb.
        status: HTTP status; None if no answer came.
        fetched_at: when it came, UTC.
        body: the bytes, decompressed.
        error: why no answer came.
    """

    url: str
    status: int | None
    fetched_at: datetime
    body: bytes = b""
    error: str | None = None


class RawBar(TypedDict):
    """OHLCV as answered: split-adjusted as of the fetch, nulls kept."""

    open: float | None
    high: float | None
    low: float | None
    close: float | None
    adj_close: float | None
    volume: float | None


class RawSplit(TypedDict):
    """``numerator`` new shares for ``denominator`` old ones."""

    numerator: float
    denominator: float


class RawLaterSplit(RawSplit):
    """A split after the session."""

    date: str


class RawPriceLine(TypedDict):
    """One symbol on one session; a line of the lake's raw prices."""

    symbol: str
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


class RawResponse(TypedDict):
    """A verbatim answer as the lake keeps it; ``error`` says why there was none."""

    url: str
    status: int | None
    fetched_at: str
    body: str
    error: str | None


@dataclass(frozen=True, slots=True)
class SymbolAnswer:
    """Everything learned about one symbol by one request.

    Attributes:
        lines: one for each session asked for, in their order.
        responses: the answers to every attempt, in the order they came.
    """

    symbol: str
    lines: tuple[RawPriceLine, ...]
    responses: tuple[RawResponse, ...]
