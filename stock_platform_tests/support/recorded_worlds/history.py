"""The daily history that a recorded file tells, dates as the exchange counts them.

Belongs here: the files' formats, and what Yahoo would make of finer or coarser bars. No number
is mended: nulls and infinities stay.
"""

from datetime import date
from functools import cache
from typing import Final

import pandas as pd

from stock_platform.calendars import SessionHours, session_hours
from stock_platform_tests.support.recorded_worlds.files import DATA, RecordedFile

NUMBERS: Final = ["Open", "High", "Low", "Close", "Adj Close", "Volume"]
EVENTS: Final = ["Dividends", "Capital Gains", "Stock Splits"]
# All that the files tell of; one range, because building a calendar is what takes long.
_FIRST, _LAST = date(2001, 1, 1), date(2026, 12, 31)
_DAILY: Final = {
    "Open": "first",
    "High": "max",
    "Low": "min",
    "Close": "last",
    "Adj Close": "last",
    "Volume": "sum",
    **dict.fromkeys(EVENTS, "sum"),
}


@cache
def hours(mic: str) -> dict[date, SessionHours]:
    """The sessions of an exchange by day, ascending."""
    return {it.day: it for it in session_hours(mic, _FIRST, _LAST)}


def history(file: RecordedFile) -> pd.DataFrame:
    """NUMBERS and EVENTS (0 where there is none) by date, ascending."""
    rows = _clean_rows(file) if file.kind == "clean" else _world_rows(file)
    rows = rows.reindex(columns=[*NUMBERS, *EVENTS]).astype(float)
    rows[EVENTS] = rows[EVENTS].fillna(0.0)
    return rows.sort_index()


def _world_rows(file: RecordedFile) -> pd.DataFrame:
    rows = pd.read_csv(file.path)
    stamps = rows[rows.columns[0]]
    rows.index = pd.Index([date.fromisoformat(it[:10]) for it in stamps], name="day")
    if file.interval == "1d":
        return rows
    if file.interval == "1wk":
        return rows.set_index(pd.Index([_first_session(file, it) for it in rows.index]))
    rows = rows.reindex(columns=[*NUMBERS, *EVENTS])
    return _regular_hours(file, rows, stamps).groupby(level=0).agg(_DAILY)


def _first_session(file: RecordedFile, monday: date) -> date:
    """A week's bar stands on its first session: no other day has a price."""
    return next(day for day in hours(file.company["mic"]) if day >= monday)


def _regular_hours(file: RecordedFile, rows: pd.DataFrame, stamps: pd.Series) -> pd.DataFrame:
    """Bars before the opening and after the close are no part of Yahoo's daily bar.

    Actions of a day stand in its first row, whenever that is.
    """
    of_day = hours(file.company["mic"])
    moments = zip(rows.index, map(pd.Timestamp, stamps), strict=True)
    regular = [of_day[day].opens_at <= it < of_day[day].closes_at for day, it in moments]
    actions = rows[EVENTS].groupby(level=0).sum()
    daily = rows[regular].copy()
    daily[EVENTS] = 0.0
    first = ~daily.index.duplicated()
    daily.loc[first, EVENTS] = actions.reindex(daily.index[first]).to_numpy()
    return daily


def _clean_rows(file: RecordedFile) -> pd.DataFrame:
    """Files without actions: those are in two files beside them, as of the answer."""
    rows = pd.read_csv(file.path).rename(columns=lambda it: it.replace("_", " ").title())
    rows.index = pd.Index(map(date.fromisoformat, rows["Date"]), name="day")
    dividends, splits = _actions()
    paid = dividends[
        (dividends["dataset"] == file.path.parent.name) & (dividends["symbol"] == file.symbol)
    ]
    split = splits[splits["symbol"] == file.symbol]
    # A left join: splits after the last bar were not known when the file was answered.
    known = pd.DataFrame(
        {
            "Dividends": paid.set_index("ex_date")["dividend_derived"],
            "Stock Splits": split.set_index("ex_date").eval("numerator / denominator"),
        }
    )
    return rows.join(known)


@cache
def _actions() -> tuple[pd.DataFrame, pd.DataFrame]:
    dividends = pd.read_csv(DATA / "actions" / "us_dividends_derived.csv")
    splits = pd.read_csv(DATA / "actions" / "us_splits.csv")
    for frame in (dividends, splits):
        frame["ex_date"] = [date.fromisoformat(it) for it in frame["ex_date"]]
    return dividends, splits
