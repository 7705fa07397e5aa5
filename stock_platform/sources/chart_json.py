"""The shape of Yahoo's v8 chart JSON, as pydantic reads it: the fields used here, and no others.

Belongs here: names and types of the wire format. What they mean is in ``chart``.
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

# Yahoo has answered adjusted closes of Infinity, also as text: no number, so no price.
_NOT_FINITE: Final = frozenset({"Infinity", "-Infinity", "NaN"})


def _finite(value: Any) -> Any:  # noqa: ANN401  whatever stands in the JSON, before it is judged
    infinite = isinstance(value, float) and not isfinite(value)
    return None if infinite or (isinstance(value, str) and value in _NOT_FINITE) else value


def _sized(value: float) -> int | float:
    if isinstance(value, int) and abs(value) > LARGEST:
        raise ValueError(f"{value} is no number of shares or money")
    return value


# Integers stay integers, so that numbers leave as they came. Those beyond what a float holds
# exactly are refused: neither Spark nor BigQuery could read them.
LARGEST: Final = 2**53
_Number = Annotated[
    StrictInt | Annotated[StrictFloat, Field(allow_inf_nan=False)], AfterValidator(_sized)
]
# New or old shares of a split; the largest known are of some thousands.
_Shares = Annotated[_Number, Field(gt=0, le=10**6)]
_Row = list[Annotated[_Number | None, BeforeValidator(_finite)]]
# Epoch seconds of the years 1833 to 2106: within what ``datetime`` can date.
_Stamp = Annotated[StrictInt, Field(ge=-(2**32), le=2**32)]


class _Wire(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, frozen=True)


class Period(_Wire):
    """A trading period: first second and end, epoch seconds."""

    start: _Stamp
    end: _Stamp


class TradingPeriods(_Wire):
    """The current trading day's periods; pre and post market are not asked for."""

    regular: Period


class Meta(_Wire):
    """What Yahoo says of the instrument."""

    symbol: str
    currency: str | None = None
    exchange_timezone_name: ZoneInfo
    first_trade_date: _Stamp | None = None
    regular_market_time: _Stamp | None = None
    current_trading_period: TradingPeriods | None = None
    data_granularity: str


class Quote(_Wire):
    """Columns of a bar; all absent where there are no bars."""

    open: _Row = []
    high: _Row = []
    low: _Row = []
    close: _Row = []
    volume: _Row = []


class AdjClose(_Wire):
    """The adjusted close; absent where there are no bars."""

    adjclose: _Row = []


class Indicators(_Wire):
    """The columns of the bars."""

    quote: Annotated[list[Quote], Field(min_length=1)]
    adjclose: list[AdjClose] = []


class Cash(_Wire):
    """A dividend or capital gain, split-adjusted, on its ex-date.

    Yahoo names a currency where it is not the quote's: dollars paid on a share quoted in pence.
    """

    date: _Stamp
    amount: _Number
    currency: str | None = None


class SplitEvent(_Wire):
    """A split on its ex-date: ``numerator`` new shares for ``denominator`` old ones."""

    date: _Stamp
    numerator: _Shares
    denominator: _Shares


class Events(_Wire):
    """Corporate actions within the range that was asked for."""

    dividends: dict[str, Cash] = {}
    capital_gains: dict[str, Cash] = {}
    splits: dict[str, SplitEvent] = {}


class Result(_Wire):
    """One symbol's chart."""

    meta: Meta
    timestamp: list[_Stamp] = []
    indicators: Indicators
    events: Events = Events()


class Refusal(_Wire):
    """Yahoo's own error."""

    code: str
    description: str | None = None


class Chart(_Wire):
    """A result or an error."""

    result: list[Result] | None = None
    error: Refusal | None = None


class ChartJson(_Wire):
    """The whole answer."""

    chart: Chart
