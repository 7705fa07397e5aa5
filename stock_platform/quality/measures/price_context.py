"""Context of bars: prices, actions and levels around them, adjusted to the bar's own session.

Pure arithmetic on frames; `bars` reads them. A split between two bars changes the unit of a
share, so every price that a bar is compared with is adjusted to the shares of the bar:
price x (split factor until then) / (split factor until the bar).
"""

from collections.abc import Callable

import numpy as np
import pandas as pd

from stock_platform.settings.quality import QualityLimits

PRICES = ["Open", "High", "Low", "Close"]
_ADDED = (
    *("Dividend", "CapitalGain", "Previous", "Following", "PreviousCurrency"),
    *("Level", "NearRatio", "FlatBars", "SinceSame"),
)


def with_neighbours(
    prices: pd.DataFrame, actions: pd.DataFrame, limits: QualityLimits
) -> pd.DataFrame:
    """Add the context of each bar, and order the bars by ticker and session.

    Args:
        prices: rows of processed stock_prices; Session is the day as text.
        actions: rows of processed corporate_actions of the same sessions.
        limits: how many sessions the context covers.

    Returns:
        The rows and columns of `prices` and the following columns, null if there is no such bar:

        - Dividend, CapitalGain: cash per share since the previous bar; cash in another currency
          than the price is left out, because its value is not known here.
        - Previous, Following: close of the previous and the next bar, in shares of this bar.
        - PreviousCurrency: currency of the previous bar.
        - Level: median close of the bars before, in shares of this bar.
        - NearRatio: ratio of the split nearest to the bar within `split_sessions` bars, else 1.
        - FlatBars: number of consecutive bars, up to this one, with the same flat price and no
          volume.
        - SinceSame: number of bars since the same dividend was last paid.
    """
    if prices.empty:
        return prices.assign(**dict.fromkeys(_ADDED, pd.Series(dtype=float)))
    bars = _with_actions(prices, actions)
    of_ticker = bars.groupby("Ticker", sort=False)
    continuous = bars["Close"] * bars["SplitFactor"]
    by_ticker = continuous.groupby(bars["Ticker"], sort=False)
    level = by_ticker.transform(_trailing_median(limits.median_sessions))
    bars = bars.assign(
        Previous=by_ticker.shift() / bars["SplitFactor"],
        Following=by_ticker.shift(-1) / bars["SplitFactor"],
        PreviousCurrency=of_ticker["Currency"].shift(),
        Level=level / bars["SplitFactor"],
        NearRatio=_near_ratio(bars, limits.split_sessions),
        FlatBars=_flat_bars(bars),
    )
    bars["SinceSame"] = _since_same_dividend(bars)
    return bars.drop(columns=["SplitFactor", "Ratio"])


def _with_actions(prices: pd.DataFrame, actions: pd.DataFrame) -> pd.DataFrame:
    """Add SplitFactor (product of the ratios so far), and Ratio and cash since the previous bar.

    An action on a day without a bar is attributed to the next bar.
    """
    events = prices[["Ticker", "Session", "Currency"]].merge(
        _wide(actions), on=["Ticker", "Session"], how="outer", indicator="Source"
    )
    events = events.sort_values(["Ticker", "Session"])
    foreign = events["PaidIn"].notna() & (events["PaidIn"] != events["Currency"])
    events.loc[foreign & (events["Source"] == "both"), ["dividend", "capital_gain"]] = 0.0
    events["split"] = np.log(events["split"].fillna(1.0))
    flows = ["split", "dividend", "capital_gain"]
    so_far = events[flows].fillna(0.0).groupby(events["Ticker"], sort=False).cumsum()
    events[flows] = so_far
    events = events[events["Source"] != "right_only"]
    since = events.groupby("Ticker", sort=False)[flows].diff().fillna(events[flows])
    per_bar = events[["Ticker", "Session"]].assign(
        SplitFactor=np.exp(events["split"]),
        Ratio=np.exp(since["split"]),
        Dividend=since["dividend"],
        CapitalGain=since["capital_gain"],
    )
    # A duplicate bar has its own row, and the same neighbours.
    per_bar = per_bar.drop_duplicates(["Ticker", "Session"])
    ordered = prices.sort_values(["Ticker", "Session"])
    return ordered.merge(per_bar, on=["Ticker", "Session"]).reset_index(drop=True)


def _wide(actions: pd.DataFrame) -> pd.DataFrame:
    """Pivot actions to one row per ticker and ex-date, one column per type, and PaidIn."""
    key = ["Ticker", "Session"]
    values = actions.pivot_table(index=key, columns="ActionType", values="Value", aggfunc="sum")
    values = values.reindex(columns=["split", "dividend", "capital_gain"])
    dividends = actions[actions["ActionType"] == "dividend"]
    paid_in = dividends.groupby(key)["Currency"].first().rename("PaidIn")
    return values.join(paid_in).reset_index()


def _trailing_median(sessions: int) -> Callable[[pd.Series], pd.Series]:
    return lambda closes: closes.rolling(sessions, min_periods=1).median().shift()


def _near_ratio(bars: pd.DataFrame, sessions: int) -> pd.Series:
    split = bars["Ratio"].where(bars["Ratio"] != 1.0)
    of_ticker = split.groupby(bars["Ticker"], sort=False)
    after, before = of_ticker.ffill(limit=sessions), of_ticker.bfill(limit=sessions)
    position = bars.groupby("Ticker", sort=False).cumcount().astype(float)
    split_positions = position.where(split.notna()).groupby(bars["Ticker"], sort=False)
    since, until = position - split_positions.ffill(), split_positions.bfill() - position
    nearer = before.notna() & (after.isna() | (until < since))
    return after.where(~nearer, before).fillna(1.0)


def _flat_bars(bars: pd.DataFrame) -> pd.Series:
    flat = (bars[PRICES].max(axis=1) == bars[PRICES].min(axis=1)) & (bars["Volume"] == 0)
    same = flat & (bars["Close"] == bars.groupby("Ticker", sort=False)["Close"].shift())
    # A bar that does not continue a streak starts one; the bars after it are counted.
    streak = (~same).groupby(bars["Ticker"], sort=False).cumsum()
    continued = same.astype(int).groupby([bars["Ticker"], streak], sort=False).cumsum()
    return continued + flat.astype(int).groupby([bars["Ticker"], streak]).transform("first")


def _since_same_dividend(bars: pd.DataFrame) -> pd.Series:
    position = bars.groupby("Ticker", sort=False).cumcount()
    paid = bars[bars["Dividend"] > 0].assign(Position=position)
    last = paid.groupby("Ticker", sort=False)[["Position", "Dividend"]].shift()
    same = np.isclose(paid["Dividend"], last["Dividend"], rtol=1e-3)
    return (paid["Position"] - last["Position"]).where(same).reindex(bars.index)
