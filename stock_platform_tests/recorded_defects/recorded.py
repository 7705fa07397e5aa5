"""Recorded price histories as processed prices and actions, one symbol a file."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
BROKEN = DATA / "prices" / "world_yf_tests"
CLEAN = ("us_2012_2017", "us_2010_2022")
PRICES = ["Open", "High", "Low", "Close"]
NAMES = {
    **{name.lower(): name for name in (*PRICES, "Volume")},
    "Adj Close": "AdjClose",
    "adj_close": "AdjClose",
    "date": "Session",
    "Date": "Session",
    "Datetime": "Session",
}
_DAY = len("2012-07-02")


@dataclass(frozen=True)
class History:
    """A file: bars with all prices, its actions as traded, and the sessions without a bar."""

    name: str
    bars: pd.DataFrame
    actions: pd.DataFrame
    null_bars: list[str]


def files() -> list[Path]:
    """The broken files, their repaired twins and the controls."""
    return sorted(BROKEN.glob("*.csv"))


def clean_files() -> list[Path]:
    """The spotless sets."""
    return [file for name in CLEAN for file in sorted((DATA / "prices" / name).glob("*.csv"))]


def read(file: Path) -> History:
    """One file. Prices are split-adjusted as served, so splits are undone first."""
    rows = pd.read_csv(file).rename(columns=NAMES)
    rows = rows.sort_values("Session", kind="stable")
    rows["Session"] = rows["Session"].str[:_DAY]
    rows = _daily(rows) if rows["Session"].duplicated().any() else rows
    name = file.stem
    rows = rows.assign(Ticker=name, Currency="USD")
    split = rows.get("Stock Splits", pd.Series(0.0, index=rows.index)).replace(0.0, 1.0)
    later = (split[::-1].cumprod()[::-1] / split).to_numpy()
    traded = rows.assign(**{column: rows[column] * later for column in PRICES})
    traded["Volume"] = (rows["Volume"] / later).round()
    usable = traded[[*PRICES, "Volume"]].notna().all(axis=1)
    bars = traded[usable].astype({"Volume": "int64"})
    columns = ["Ticker", "Session", *PRICES, "Volume", "Currency", "AdjClose"]
    return History(
        name,
        bars[columns].reset_index(drop=True),
        _actions(rows, later, file),
        list(rows["Session"][~usable]),
    )


def _daily(rows: pd.DataFrame) -> pd.DataFrame:
    """Bars of hours as the day that Yahoo would make of them."""
    pick = {"Open": "first", "High": "max", "Low": "min", "Close": "last", "AdjClose": "last"}
    sums = dict.fromkeys(("Volume", "Dividends", "Stock Splits"), "sum")
    return rows.groupby("Session", as_index=False).agg({**pick, **sums})


def _actions(rows: pd.DataFrame, later: object, file: Path) -> pd.DataFrame:
    if file.parent != BROKEN:
        return _derived_actions(file)
    kinds = {"Dividends": "dividend", "Capital Gains": "capital_gain", "Stock Splits": "split"}
    found = []
    for column, kind in kinds.items():
        if column in rows:
            value = rows[column] if kind == "split" else rows[column] * later
            paid = rows.assign(ActionType=kind, Value=value)[rows[column] != 0]
            found.append(paid[["Ticker", "Session", "ActionType", "Value", "Currency"]])
    return pd.concat(found)


def _derived_actions(file: Path) -> pd.DataFrame:
    """Dividends of the clean sets, whose files have none."""
    table = pd.read_csv(DATA / "actions" / "us_dividends_derived.csv")
    mine = table[(table["dataset"] == file.parent.name) & (table["symbol"] == file.stem)]
    return pd.DataFrame(
        {
            "Ticker": file.stem,
            "Session": mine["ex_date"],
            "ActionType": "dividend",
            "Value": mine["dividend_derived"],
            "Currency": "USD",
        }
    )
