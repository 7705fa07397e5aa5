"""The bundled sample: real unadjusted daily prices, and the corporate actions implied by them.

Belongs here: reading the file of PyPI's ``bokeh-sampledata``, and deriving the actions. ``sample``
turns both into Yahoo's format.

The file: AAPL, FB, GOOG, IBM and MSFT from 2000-03-01 to 2013-03-01, as traded, with an
adjusted close; public domain (Quandl WIKI), 12,154 rows.
"""

import csv
import gzip
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from functools import cache
from itertools import pairwise
from math import prod
from pathlib import Path
from typing import Final

# Between actions, adjusted close / close varies by less than 1e-13; the smallest action
# (0.13 dollars of IBM's 118.87) moves it by 1.1e-3.
_NOISE: Final = 1e-9
# No dividend in the file reaches 12% of the price (MSFT 2004-11-15), and no split is below 2:1.
_SPLIT_MOVE: Final = 0.4
_LARGEST_DENOMINATOR: Final = 10
# Dividends come out exact to 1e-9 dollars.
_DIVIDEND_DECIMALS: Final = 6


@dataclass(frozen=True, slots=True)
class TradedBar:
    """One session as traded, in dollars and shares, with the file's own adjusted close."""

    session: date
    open: float
    high: float
    low: float
    close: float
    volume: int
    adj_close: float


@dataclass(frozen=True, slots=True)
class Actions:
    """Corporate actions by ex-date.

    Attributes:
        splits: new shares per old share.
        dividends: dollars per share as traded on the ex-date.
    """

    splits: Mapping[date, Fraction]
    dividends: Mapping[date, float]

    def later_splits(self, session: date) -> Fraction:
        """Return the number of shares that one share of a session is at the end."""
        return prod(
            (ratio for day, ratio in self.splits.items() if day > session), start=Fraction(1)
        )


def sample_path() -> Path:
    """Return the path of the file: gzipped CSV with Ticker, Date, OHLCV as traded and Adj Close."""
    from bokeh_sampledata import package_path  # noqa: PLC0415 - only the sample needs it

    return package_path("stocks.csv.gz")


@cache
def traded_bars() -> Mapping[str, Sequence[TradedBar]]:
    """Return all bars by symbol, with ascending sessions."""
    bars: dict[str, list[TradedBar]] = {}
    with gzip.open(sample_path(), "rt", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            bars.setdefault(row["Ticker"], []).append(
                TradedBar(
                    session=date.fromisoformat(row["Date"]),
                    open=float(row["Open"]),
                    high=float(row["High"]),
                    low=float(row["Low"]),
                    close=float(row["Close"]),
                    volume=int(row["Volume"]),
                    adj_close=float(row["Adj Close"]),
                )
            )
    return bars


def derive_actions(bars: Sequence[TradedBar]) -> Actions:
    """Derive splits and dividends from the steps of adjusted close / close.

    A step q = f[t] / f[t-1] of the factor f = adjusted close / close differs from 1 on ex-dates
    only. A price move of over 40% that is absent from the adjusted close is a split by a small
    ratio s, so a real fall is not one (AAPL on 2000-09-29, 52%). The rest is a dividend by the
    file's own formula, D = C[t] * (q / s - 1): Quandl relates it to the close of the ex-date,
    Yahoo to the close before. On the day of a split, a dividend below 0.4% of the price cannot be
    distinguished; the file has no such day.
    """
    splits: dict[date, Fraction] = {}
    dividends: dict[date, float] = {}
    for before, bar in pairwise(bars):
        step = (bar.adj_close / bar.close) / (before.adj_close / before.close)
        if abs(step - 1) < _NOISE:
            continue
        split = _split(step)
        if split != 1:
            splits[bar.session] = split
        rest = step / float(split) - 1
        if rest > _NOISE:
            dividends[bar.session] = round(bar.close * rest, _DIVIDEND_DECIMALS)
    return Actions(splits, dividends)


def _split(step: float) -> Fraction:
    """Return the split ratio of a step of the factor, or 1 if the step is too small."""
    if min(step, 1 / step) > 1 - _SPLIT_MOVE:
        return Fraction(1)
    if step < 1:
        return 1 / Fraction(1 / step).limit_denominator(_LARGEST_DENOMINATOR)
    return Fraction(step).limit_denominator(_LARGEST_DENOMINATOR)
