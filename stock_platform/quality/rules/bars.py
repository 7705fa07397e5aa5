"""Rules over bars beside their neighbours in time, as `measures.series` lays them.

Each takes the bars of all sessions at once, for a rule a session would cost a second a check
in a range run of a year, and gives those that offend with a text; what a session's verdict
is made of them is in `session_verdicts`.
"""

from collections.abc import Iterable, Mapping
from typing import Final

import numpy as np
import pandas as pd

from stock_platform.limits import QualityLimits
from stock_platform.quality.rules.verdict import SAMPLE, Verdict

# A jump is a split's ratio when dividing by it takes this share of the jump away; seen on a
# rights issue that hid a tenth of a 1:10 reverse split (SPM.MI, June 2022).
_EXPLAINED: Final = 0.7
# Ordinary prices make smaller jumps than this now and then.
_SMALLEST_SPLIT: Final = 1.2
_SURE_SPLIT: Final = 1.5
# Of a move's logarithm: what the next close leaves of a move that it takes back.
_TAKEN_BACK: Final = 0.5


def unit_scale(bars: pd.DataFrame, limits: QualityLimits) -> pd.DataFrame:
    """No price is about a hundred times, or a hundredth of, its level of the sessions before.

    The level is the median close of the QUALITY__MEDIAN_SESSIONS bars before; between
    QUALITY__UNIT_RATIO and 10,000 / it times the level, up or down, is another unit: pounds for
    pence, dollars for cents. So is a change of the currency. Every sum over the bar is wrong:
    compare with another source and fetch the session again; if all of the history changed its
    unit, fetch all of it.
    """
    price = bars[["Open", "High", "Low", "Close"]]
    steps = price.div(bars["Level"], axis=0).transform(np.log).abs()
    least, most = np.log(limits.unit_ratio), np.log(10_000 / limits.unit_ratio)
    other_unit = ((steps >= least) & (steps <= most)).any(axis=1)
    other_currency = bars["PreviousCurrency"].notna() & (
        bars["PreviousCurrency"] != bars["Currency"]
    )
    return _offenders(
        bars[other_unit | other_currency],
        "prices {Low:g} to {High:g} {Currency} against a level of {Level:g} "
        "(the bar before counts {PreviousCurrency})",
    )


def unexplained_move(bars: pd.DataFrame, limits: QualityLimits) -> pd.DataFrame:
    """No close moves by more than QUALITY__MOVE_SHARE without a corporate action for it.

    Splits and cash since the close before are counted in. A move that stays warns: it may be
    news. One that the next close takes back is an error, for it is a bad print or a bad action;
    the newest session is judged again with the next one. Look for news and for an action that
    Yahoo lacks; fetch the session again.
    """
    paid = bars["Dividend"] + bars["CapitalGain"]
    move = (bars["Close"] + paid) / bars["Previous"] - 1
    left = (bars["Following"] / bars["Previous"]).transform(np.log).abs()
    back = left <= _TAKEN_BACK * ((bars["Close"] + paid) / bars["Previous"]).transform(np.log).abs()
    following = (
        bars["Following"]
        .map("next close {:g}".format)
        .where(bars["Following"].notna(), "no next close yet")
    )
    moved = bars.assign(Percent=100 * move, Error=back, Then=following)
    return _offenders(
        moved[move.abs() > limits.move_share],
        "close {Close:g} after {Previous:g}, {Percent:+.0f} % with all payouts; {Then}",
    )


def split_applied(bars: pd.DataFrame, _: QualityLimits) -> pd.DataFrame:
    """No price jumps by the ratio of a split within QUALITY__SPLIT_SESSIONS bars of it.

    Yahoo adjusts bars for a split, and sometimes leaves some out or does it twice: then the
    series, with the split counted in, jumps by the split's own ratio. As-traded prices of the
    bars on one side are wrong by it. Ratios below 1.5 warn, for prices move as much. Fetch the
    sessions around the split again; if it stays, correct the action.
    """
    jump = (bars["Close"] / bars["Previous"]).transform(np.log).abs()
    ratio = bars["NearRatio"].transform(np.log).abs()
    seen = (np.minimum(ratio, jump) > np.log(_SMALLEST_SPLIT)) & (
        (jump - ratio).abs() <= (1 - _EXPLAINED) * jump
    )
    found = bars.assign(Error=ratio >= np.log(_SURE_SPLIT))
    return _offenders(
        found[seen],
        "close {Close:g} after {Previous:g} in the same shares, beside a split of {NearRatio:g}",
    )


def stale_price(bars: pd.DataFrame, limits: QualityLimits) -> pd.DataFrame:
    """No price stands flat without volume for QUALITY__STALE_SESSIONS bars or more.

    Yahoo repeats the last price of what does not trade. It is no price that anyone could deal
    at; its returns are zero and its volatility too low. Deactivate the company, or leave it out
    of what needs a market.
    """
    return _offenders(
        bars[bars["FlatBars"] >= limits.stale_sessions].assign(Error=False),
        "flat at {Close:g} without volume for {FlatBars:.0f} bars",
    )


def dividend_plausible(bars: pd.DataFrame, limits: QualityLimits) -> pd.DataFrame:
    """A payout is seen in the price, is no repetition, and counts a capital gain once.

    A payout above QUALITY__PAYOUT_SHARE of the close before, while the price fell by less than
    half of it, is mostly in another unit (pence for pounds): an error. The same dividend again
    within QUALITY__PAYOUT_SESSIONS bars is a phantom, and a price that fell by the dividend
    alone beside a capital gain says that the gain is part of the dividend: both warn. Total
    returns are wrong by them; compare with the issuer's notice.
    """
    paid = bars["Dividend"] + bars["CapitalGain"]
    share, fall = paid / bars["Previous"], 1 - bars["Close"] / bars["Previous"]
    unseen = (share > limits.payout_share) & (fall < share / 2)
    repeated = bars["SinceSame"] <= limits.payout_sessions
    alone = (fall - bars["Dividend"] / bars["Previous"]).abs()
    twice = (bars["CapitalGain"] > 0) & (bars["Dividend"] > 0) & (alone < (fall - share).abs() / 2)
    found = bars.assign(
        Error=unseen,
        Why=np.select(
            [unseen, repeated, twice],
            ["the price did not fall", "paid again", "the gain is counted twice"],
            "",
        ),
    )
    return _offenders(
        found[unseen | repeated | twice],
        "{Why}: dividend {Dividend:g}, gain {CapitalGain:g}, close {Close:g} after {Previous:g}",
    )


def adjusted_close_agrees(days: pd.DataFrame, limits: QualityLimits) -> pd.DataFrame:
    """Our total return of a session is that of Yahoo's adjusted close.

    Two ways to the same number: our own actions, and Yahoo's adjustment. Compared are bars of
    one answer with the one before, for others were adjusted to other days. A gap above
    QUALITY__ADJUSTED_CLOSE_GAP warns, above QUALITY__ADJUSTED_CLOSE_ERROR_GAP it is an error:
    a dividend is wrong, missing or not adjusted for. See which by the issuer's notice.
    """
    gap = (days["OurReturn"] / days["YahooReturn"] - 1).abs()
    found = days.assign(
        Error=gap > limits.adjusted_close_error_gap,
        Ours=100 * (days["OurReturn"] - 1),
        Yahoos=100 * (days["YahooReturn"] - 1),
    )
    return _offenders(
        found[gap > limits.adjusted_close_gap],
        "total return {Ours:+.2f} % by our actions, {Yahoos:+.2f} % by Yahoo's adjusted close",
    )


def session_verdicts(
    offenders: pd.DataFrame, bars: Mapping[str, int], sessions: Iterable[str]
) -> dict[str, Verdict]:
    """Each session's verdict: an error if one of its offenders is, of so many bars."""
    by_session = dict(list(offenders.groupby("Session")))
    verdicts = {}
    for session in sessions:
        says = f"of {bars.get(session, 0)} bars offend"
        found = by_session.get(session)
        if found is None:
            verdicts[session] = Verdict(0, f"0 {says}")
            continue
        errors_first = found.sort_values(["Error", "Ticker"], ascending=[False, True])
        verdicts[session] = Verdict(
            len(found),
            f"{len(found)} {says}",
            tolerable=not bool(found["Error"].any()),
            sample=tuple(errors_first["Text"].head(SAMPLE)),
        )
    return verdicts


def _offenders(found: pd.DataFrame, template: str) -> pd.DataFrame:
    """Ticker, Session, Error and Text of bars that offend; an error where no rule says less."""
    texts = [f"{row['Ticker']}: " + template.format_map(row) for row in found.to_dict("records")]
    errors = found["Error"] if "Error" in found else pd.Series(data=True, index=found.index)
    return pd.DataFrame(
        {
            "Ticker": found["Ticker"],
            "Session": found["Session"],
            "Error": errors.astype(bool),
            "Text": pd.Series(texts, index=found.index, dtype=object),
        }
    )
