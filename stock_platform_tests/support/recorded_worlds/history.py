"""The daily history in a recorded file, by exchange date.

Belongs here: the files' formats, and the conversion of finer or coarser bars to daily ones. Numbers
are not corrected: nulls and infinities stay.
"""

from datetime import date
from functools import cache
from typing import Final

import pandas as pd

from stock_platform.calendars import SessionHours, session_hours
from stock_platform_tests.support.recorded_worlds.files import DATA, RecordedFile

NUMBERS: Final = ["Open", "High", "Low", "Close", "Adj Close", "Volume"]
EVENTS: Final = ["Dividends", "Capital Gains", "Stock Splits"]
# The range of all files; one range, because building a calendar is slow.
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
    return {session.day: session for session in session_hours(mic, _FIRST, _LAST)}


def history(file: RecordedFile) -> pd.DataFrame:
    """NUMBERS and EVENTS (0 if there is none) by date, ascending."""
    rows = _clean_rows(file) if file.kind == "clean" else _world_rows(file)
    rows = rows.reindex(columns=[*NUMBERS, *EVENTS]).astype(float)
    rows[EVENTS] = rows[EVENTS].fillna(0.0)
    return rows.sort_index()


def _world_rows(file: RecordedFile) -> pd.DataFrame:
    rows = pd.read_csv(file.path)
    stamps = rows[rows.columns[0]]
    rows.index = pd.Index([date.fromisoformat(stamp[:10]) for stamp in stamps], name="day")
    if file.interval == "1d":
        return rows
    if file.interval == "1wk":
        return rows.set_index(pd.Index([_first_session(file, monday) for monday in rows.index]))
    rows = rows.reindex(columns=[*NUMBERS, *EVENTS])
    return _regular_hours(file, rows, stamps).groupby(level=0).agg(_DAILY)


def _first_session(file: RecordedFile, monday: date) -> date:
    """A weekly bar belongs to the week's first session; no other day has a price."""
    return next(day for day in hours(file.company["mic"]) if day >= monday)


def _regular_hours(file: RecordedFile, rows: pd.DataFrame, stamps: pd.Series) -> pd.DataFrame:
    """Drop bars before the opening and after the close, as in Yahoo's daily bars.

    A day's actions stay in its first row.
    """
    of_day = hours(file.company["mic"])
    moments = zip(rows.index, map(pd.Timestamp, stamps), strict=True)
    regular = [of_day[day].opens_at <= moment < of_day[day].closes_at for day, moment in moments]
    actions = rows[EVENTS].groupby(level=0).sum()
    daily = rows[regular].copy()
    daily[EVENTS] = 0.0
    first = ~daily.index.duplicated()
    daily.loc[first, EVENTS] = actions.reindex(daily.index[first]).to_numpy()
    return daily


def _clean_rows(file: RecordedFile) -> pd.DataFrame:
    """Rows of a file without actions, joined with the two files of actions."""
    rows = pd.read_csv(file.path).rename(columns=lambda name: name.replace("_", " ").title())
    rows.index = pd.Index(map(date.fromisoformat, rows["Date"]), name="day")
    dividends, splits = _actions()
    paid = dividends[
        (dividends["dataset"] == file.path.parent.name) & (dividends["symbol"] == file.symbol)
    ]
    split = splits[splits["symbol"] == file.symbol]
    # A left join: splits after the last bar were not known at the time of the response.
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
        frame["ex_date"] = [date.fromisoformat(day) for day in frame["ex_date"]]
    return dividends, splits
