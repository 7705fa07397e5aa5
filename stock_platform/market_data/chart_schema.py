"""Schema of Yahoo's v8 chart JSON: pydantic models of the fields in use.

Belongs here: names and types of the wire format. Their meaning is in ``chart``.
"""

from math import isfinite
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictFloat,
    StrictInt,
)
from pydantic.alias_generators import to_camel

# Yahoo has returned adjusted closes of Infinity, also as text. They count as missing.
_NOT_FINITE: Final = frozenset({"Infinity", "-Infinity", "NaN"})


def _finite(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    infinite = isinstance(value, float) and not isfinite(value)
    return None if infinite or (isinstance(value, str) and value in _NOT_FINITE) else value


def _sized(value: float) -> int | float:
    if isinstance(value, int) and abs(value) > LARGEST:
        raise ValueError(f"{value} is too large to be an amount or a number of shares")
    return value


# Integers stay integers, so that numbers are stored as received. Those that a float cannot
# represent exactly are rejected: neither Spark nor BigQuery could read them.
LARGEST: Final = 2**53
_Number = Annotated[
    StrictInt | Annotated[StrictFloat, Field(allow_inf_nan=False)], AfterValidator(_sized)
]
# New or old shares of a split; the largest known numbers are in the thousands.
_Shares = Annotated[_Number, Field(gt=0, le=10**6)]
_Row = list[Annotated[_Number | None, BeforeValidator(_finite)]]
# Epoch seconds of the years 1833 to 2106, which ``datetime`` can represent.
_Stamp = Annotated[StrictInt, Field(ge=-(2**32), le=2**32)]


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
    amount: _Number
    currency: str | None = None


class SplitEvent(_Wire):
    """A split on its ex-date: ``numerator`` new shares per ``denominator`` old ones."""

    date: _Stamp
    numerator: _Shares
    denominator: _Shares


class Events(_Wire):
    """Corporate actions within the requested range."""

    dividends: dict[str, Cash] = {}
    capital_gains: dict[str, Cash] = {}
    splits: dict[str, SplitEvent] = {}


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
