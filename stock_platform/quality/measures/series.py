"""Bars beside their neighbours in time, in the shares of their own session.

Pure arithmetic over frames; the reading is in `bars`. A split between two bars changes what a
share is, so everything that a bar is compared with is brought to its shares first:
price x (split factor until then) / (split factor until the bar).
"""

from collections.abc import Callable

import numpy as np
import pandas as pd

from stock_platform.limits import QualityLimits

PRICES = ["Open", "High", "Low", "Close"]
_ADDED = (
    *("Dividend", "CapitalGain", "Previous", "Following", "PreviousCurrency"),
    *("Level", "NearRatio", "FlatBars", "SinceSame"),
)


def with_neighbours(
    prices: pd.DataFrame, actions: pd.DataFrame, limits: QualityLimits
) -> pd.DataFrame:
    """The bars, ordered by ticker and session, each with what is known around it.

    Args:
        prices: rows of processed stock_prices; Session is its day as text.
        actions: rows of processed corporate_actions of the same sessions.
        limits: how far to look.

    Returns:
        The rows and columns of `prices`, and these, null where there is no such bar:

        - Dividend, CapitalGain: cash a share since the bar before; cash in another currency
          than the price's is left out, for what it was worth is not known here.
        - Previous, Following: the close of the bar before and after, in the bar's shares.
        - PreviousCurrency: what the bar before counts.
        - Level: median close of the bars before, in the bar's shares.
        - NearRatio: ratio of the split nearest to the bar within `split_sessions` bars, else 1.
        - FlatBars: consecutive bars up to this one without volume and with the same flat price.
        - SinceSame: bars since the same dividend was paid before, else null.
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
    """Bars with SplitFactor (product of the ratios so far), Ratio, and cash since the bar before.

    An action on a day without a bar counts to the next bar.
    """
    events = prices[["Ticker", "Session", "Currency"]].merge(
        _wide(actions), on=["Ticker", "Session"], how="outer", indicator="Of"
    )
    events = events.sort_values(["Ticker", "Session"])
    foreign = events["PaidIn"].notna() & (events["PaidIn"] != events["Currency"])
    events.loc[foreign & (events["Of"] == "both"), ["dividend", "capital_gain"]] = 0.0
    events["split"] = np.log(events["split"].fillna(1.0))
    flows = ["split", "dividend", "capital_gain"]
    so_far = events[flows].fillna(0.0).groupby(events["Ticker"], sort=False).cumsum()
    events[flows] = so_far
    events = events[events["Of"] != "right_only"]
    since = events.groupby("Ticker", sort=False)[flows].diff().fillna(events[flows])
    counted = events[["Ticker", "Session"]].assign(
        SplitFactor=np.exp(events["split"]),
        Ratio=np.exp(since["split"]),
        Dividend=since["dividend"],
        CapitalGain=since["capital_gain"],
    )
    # A duplicate bar has a row of its own, and the same neighbours.
    counted = counted.drop_duplicates(["Ticker", "Session"])
    ordered = prices.sort_values(["Ticker", "Session"])
    return ordered.merge(counted, on=["Ticker", "Session"]).reset_index(drop=True)


def _wide(actions: pd.DataFrame) -> pd.DataFrame:
    """One row a ticker and ex-date, a column an action type, and the dividend's currency."""
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
    place = bars.groupby("Ticker", sort=False).cumcount().astype(float)
    places = place.where(split.notna()).groupby(bars["Ticker"], sort=False)
    since, until = place - places.ffill(), places.bfill() - place
    nearer = before.notna() & (after.isna() | (until < since))
    return after.where(~nearer, before).fillna(1.0)


def _flat_bars(bars: pd.DataFrame) -> pd.Series:
    flat = (bars[PRICES].max(axis=1) == bars[PRICES].min(axis=1)) & (bars["Volume"] == 0)
    same = flat & (bars["Close"] == bars.groupby("Ticker", sort=False)["Close"].shift())
    # Each bar that does not go on starts a streak of its own; counting begins at its next.
    streak = (~same).groupby(bars["Ticker"], sort=False).cumsum()
    going_on = same.astype(int).groupby([bars["Ticker"], streak], sort=False).cumsum()
    return going_on + flat.astype(int).groupby([bars["Ticker"], streak]).transform("first")


def _since_same_dividend(bars: pd.DataFrame) -> pd.Series:
    position = bars.groupby("Ticker", sort=False).cumcount()
    paid = bars[bars["Dividend"] > 0].assign(Position=position)
    last = paid.groupby("Ticker", sort=False)[["Position", "Dividend"]].shift()
    same = np.isclose(paid["Dividend"], last["Dividend"], rtol=1e-3)
    return (paid["Position"] - last["Position"]).where(same).reindex(bars.index)
