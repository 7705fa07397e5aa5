"""How fresh the prices in the lake are, by the same measure as the check `fresh`."""

from dataclasses import dataclass
from datetime import datetime

from stock_platform.orchestration.resources import LakeResource
from stock_platform.quality.measures.freshness import price_freshness
from stock_platform.settings import Settings


@dataclass(frozen=True)
class PriceStatus:
    """How fresh the prices are; nothing but an error if the lake cannot be read.

    Attributes:
        late_sessions: Sessions whose prices are due and missing.
        hours_late: Hours since the oldest of them was due, 0 if none is late.
        newest_session: The newest session with prices.
        lake_error: Why the lake cannot be read.
    """

    late_sessions: tuple[str, ...] = ()
    hours_late: float | None = None
    newest_session: str | None = None
    lake_error: str | None = None

    def __str__(self) -> str:
        if self.lake_error:
            return f"the lake cannot be read: {self.lake_error}"
        newest = f"prices up to {self.newest_session}" if self.newest_session else "no prices yet"
        count = len(self.late_sessions)
        return f"{newest}; {count} {'session is' if count == 1 else 'sessions are'} late"


def read_price_status(settings: Settings, lake: LakeResource, now: datetime) -> PriceStatus:
    """Read from the lake how fresh the prices are at a moment."""
    period = (settings.start_date, settings.last_date)
    try:
        prices = price_freshness(lake.paths, settings.exchanges, period, now, settings.quality)
    except Exception as error:  # noqa: BLE001 - whatever a lake's client raises
        return PriceStatus(lake_error=str(error))
    late = (now - prices.since).total_seconds() / 3600 if prices.since else 0.0
    return PriceStatus(prices.due, round(late, 2), prices.newest)
