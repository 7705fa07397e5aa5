"""Schema of Yahoo's v8 chart JSON: pydantic models of the fields in use.

Belongs here: names and types of the wire format. Their meaning is in ``chart``.
"""

from contextlib import suppress
from math import isfinite
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    StrictFloat,
    StrictInt,
)
from pydantic.alias_generators import to_camel

# Smaller integers stay integers, so that numbers are stored as received. A float represents them
# exactly, unlike larger ones.
_LARGEST: Final = 2**53


def readable_number(value: Any) -> int | float | None:  # noqa: ANN401 - any JSON value
    """Return a finite number, else None: Yahoo has sent Infinity, also as text."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    with suppress(OverflowError):
        if isfinite(value):
            return value if abs(value) <= _LARGEST else float(value)
    return None


_Amount = Annotated[StrictInt | StrictFloat, Field(ge=-_LARGEST, le=_LARGEST)]
# New or old shares of a split; the largest known numbers are in the thousands.
_Shares = Annotated[StrictInt | StrictFloat, Field(gt=0, le=10**6)]
_Row = list[Annotated[int | float | None, BeforeValidator(readable_number)]]
# Epoch seconds of the years 1833 to 2106, which ``datetime`` can represent.
LATEST_STAMP: Final = 2**32
_Stamp = Annotated[StrictInt, Field(ge=-LATEST_STAMP, le=LATEST_STAMP)]


class _Wire(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, frozen=True)


class Period(_Wire):
    """A trading period: start and end in epoch seconds."""

    start: _Stamp
    end: _Stamp


class TradingPeriods(_Wire):
    """The periods of the current trading day. Pre and post market are not used."""

    regular: Period


class Meta(_Wire):
    """Metadata of the instrument."""

    symbol: str
    currency: str | None = None
    exchange_timezone_name: ZoneInfo
    first_trade_date: _Stamp | None = None
    regular_market_time: _Stamp | None = None
    current_trading_period: TradingPeriods | None = None
    data_granularity: str


class Quote(_Wire):
    """Columns of the bars; all absent if there are no bars."""

    open: _Row = []
    high: _Row = []
    low: _Row = []
    close: _Row = []
    volume: _Row = []


class AdjClose(_Wire):
    """Column of adjusted closes; absent if there are no bars."""

    adjclose: _Row = []


class Indicators(_Wire):
    """All columns of the bars."""

    quote: Annotated[list[Quote], Field(min_length=1)]
    adjclose: list[AdjClose] = []


class Cash(_Wire):
    """A dividend or capital gain per share, split-adjusted, on its ex-date.

    The currency is given if it differs from the quote's: dollars paid on a share quoted in pence.
    """

    date: _Stamp
    amount: _Amount
    currency: str | None = None


class SplitEvent(_Wire):
    """A split on its ex-date: ``numerator`` new shares per ``denominator`` old ones."""

    date: _Stamp
    numerator: _Shares
    denominator: _Shares


_FIRST_MATCH: Final = Field(union_mode="left_to_right")
_CashEvents = dict[str, Annotated[Cash | JsonValue, _FIRST_MATCH]]


class Events(_Wire):
    """Corporate actions within the requested range. An unusable one stays as received."""

    dividends: _CashEvents = {}
    capital_gains: _CashEvents = {}
    splits: dict[str, Annotated[SplitEvent | JsonValue, _FIRST_MATCH]] = {}


class Result(_Wire):
    """The chart of one symbol."""

    meta: Meta
    timestamp: list[_Stamp] = []
    indicators: Indicators
    events: Events = Events()


class ErrorBody(_Wire):
    """Error returned by Yahoo."""

    code: str
    description: str | None = None


class Chart(_Wire):
    """A result or an error."""

    result: list[Result] | None = None
    error: ErrorBody | None = None


class ChartJson(_Wire):
    """The whole response body."""

    chart: Chart
