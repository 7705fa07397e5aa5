"""Rules for bars in the context of their neighbours in time (see `measures.price_context`).

Each rule takes the bars of all sessions at once and returns the failed ones with a text, because
one call per session would add a second per check to a range run of a year. `session_results`
converts them to one result per session.
"""

from collections.abc import Iterable, Mapping
from typing import Final

import numpy as np
import pandas as pd

from stock_platform.quality.rules.result import MAX_EXAMPLES, RuleResult
from stock_platform.settings.quality import QualityLimits

# A jump is a split's ratio if dividing by it removes this share of the jump. Seen with a rights
# issue that hid a tenth of a 1:10 reverse split (SPM.MI, June 2022).
_EXPLAINED_SHARE: Final = 0.7
# Ordinary prices make smaller jumps than this now and then.
_MIN_SPLIT_RATIO: Final = 1.2
_CERTAIN_SPLIT_RATIO: Final = 1.5
# Share of a move's logarithm that the next close may keep if the move counts as reverted.
_REVERTED_SHARE: Final = 0.5


def unit_scale(bars: pd.DataFrame, limits: QualityLimits) -> pd.DataFrame:
    """No price is about a hundred times, or a hundredth of, the level of the sessions before.

    The level is the median close of the QUALITY__MEDIAN_SESSIONS bars before. A price between
    QUALITY__UNIT_RATIO and 10,000 / QUALITY__UNIT_RATIO times the level, up or down, is in another
    unit: pounds instead of pence, dollars instead of cents. So is a bar in another currency. Every
    sum over the bar is wrong: compare with another source and fetch the session again; if the unit
    of the whole history changed, fetch the whole history.
    """
    price = bars[["Open", "High", "Low", "Close"]]
    steps = price.div(bars["Level"], axis=0).transform(np.log).abs()
    least, most = np.log(limits.unit_ratio), np.log(10_000 / limits.unit_ratio)
    other_unit = ((steps >= least) & (steps <= most)).any(axis=1)
    other_currency = bars["PreviousCurrency"].notna() & (
        bars["PreviousCurrency"] != bars["Currency"]
    )
    return _failed_bars(
        bars[other_unit | other_currency],
        "prices {Low:g} to {High:g} {Currency}, level {Level:g}, "
        "currency of the previous bar {PreviousCurrency}",
    )


def unexplained_move(bars: pd.DataFrame, limits: QualityLimits) -> pd.DataFrame:
    """No close moves by more than QUALITY__MOVE_SHARE without a corporate action.

    Splits and payouts since the previous close are taken into account. A move that persists warns,
    because it may be news. A move that the next close reverts is an error, because it is a bad
    price or a bad action; the newest session is checked again together with the next one. Look
    for news and for an action that Yahoo lacks, then fetch the session again.
    """
    gross = (bars["Close"] + bars["Dividend"] + bars["CapitalGain"]) / bars["Previous"]
    kept = (bars["Following"] / bars["Previous"]).transform(np.log).abs()
    following = (
        bars["Following"]
        .map("next close {:g}".format)
        .where(bars["Following"].notna(), "no next close yet")
    )
    moved = bars.assign(
        Percent=100 * (gross - 1),
        Error=kept <= _REVERTED_SHARE * gross.transform(np.log).abs(),
        Then=following,
    )
    return _failed_bars(
        moved[(gross - 1).abs() > limits.move_share],
        "close {Close:g} after {Previous:g}, {Percent:+.0f} % including payouts; {Then}",
    )


def split_applied(bars: pd.DataFrame, _: QualityLimits) -> pd.DataFrame:
    """No price jumps by the ratio of a split within QUALITY__SPLIT_SESSIONS bars of the split.

    Yahoo adjusts earlier bars for a split, but sometimes skips some or adjusts twice: then the
    series, adjusted for the split, jumps by the ratio of the split. As-traded prices on one side of
    the jump are wrong by that ratio. Ratios below 1.5 warn, because prices move as much. Fetch the
    sessions around the split again; if the jump stays, correct the action.
    """
    jump = (bars["Close"] / bars["Previous"]).transform(np.log).abs()
    ratio = bars["NearRatio"].transform(np.log).abs()
    is_ratio = (np.minimum(ratio, jump) > np.log(_MIN_SPLIT_RATIO)) & (
        (jump - ratio).abs() <= (1 - _EXPLAINED_SHARE) * jump
    )
    return _failed_bars(
        bars.assign(Error=ratio >= np.log(_CERTAIN_SPLIT_RATIO))[is_ratio],
        "close {Close:g} after {Previous:g} per equal share, near a split of {NearRatio:g}",
    )


def stale_price(bars: pd.DataFrame, limits: QualityLimits) -> pd.DataFrame:
    """No price stays the same, without volume, for QUALITY__STALE_SESSIONS bars or more.

    Yahoo repeats the last price of a share that does not trade. Nobody could trade at that price;
    its returns are zero and its volatility is too low. Deactivate the company, or exclude it from
    analyses that need a market price.
    """
    return _failed_bars(
        bars[bars["FlatBars"] >= limits.stale_sessions].assign(Error=False),
        "unchanged at {Close:g} without volume for {FlatBars:.0f} bars",
    )


def dividend_plausible(bars: pd.DataFrame, limits: QualityLimits) -> pd.DataFrame:
    """A payout is visible in the price, is not repeated, and contains a capital gain once.

    A payout above QUALITY__PAYOUT_SHARE of the previous close, while the price fell by less than
    half of the payout, is usually in another unit (pence instead of pounds): an error. The same
    dividend again within QUALITY__PAYOUT_SESSIONS bars is a phantom. A price that fell by the
    dividend alone, despite a capital gain, means that the gain is part of the dividend. Both warn.
    Total returns are wrong by such payouts; compare with the issuer's notice.
    """
    share = (bars["Dividend"] + bars["CapitalGain"]) / bars["Previous"]
    fall = 1 - bars["Close"] / bars["Previous"]
    invisible = (share > limits.payout_share) & (fall < share / 2)
    repeated = bars["SinceSame"] <= limits.payout_sessions
    alone = (fall - bars["Dividend"] / bars["Previous"]).abs()
    twice = (bars["CapitalGain"] > 0) & (bars["Dividend"] > 0) & (alone < (fall - share).abs() / 2)
    reasons = ["the price did not fall", "paid again", "the gain is counted twice"]
    found = bars.assign(
        Error=invisible, Reason=np.select([invisible, repeated, twice], reasons, "")
    )
    return _failed_bars(
        found[invisible | repeated | twice],
        "{Reason}: dividend {Dividend:g}, gain {CapitalGain:g}, close {Close:g} after {Previous:g}",
    )


def adjusted_close_agrees(returns: pd.DataFrame, limits: QualityLimits) -> pd.DataFrame:
    """Our total return of a session equals that of Yahoo's adjusted close.

    These are two independent ways to the same number: our corporate actions, and Yahoo's
    adjustment. Only bars of the same response are compared with each other, because other
    responses were adjusted as of other days. A gap above QUALITY__ADJUSTED_CLOSE_GAP warns, above
    QUALITY__ADJUSTED_CLOSE_ERROR_GAP it is an error: a dividend is wrong, missing or not adjusted
    for. The issuer's notice shows which.
    """
    gap = (returns["OurReturn"] / returns["YahooReturn"] - 1).abs()
    found = returns.assign(
        Error=gap > limits.adjusted_close_error_gap,
        Ours=100 * (returns["OurReturn"] - 1),
        Yahoos=100 * (returns["YahooReturn"] - 1),
    )
    return _failed_bars(
        found[gap > limits.adjusted_close_gap],
        "total return {Ours:+.2f} % by our actions, {Yahoos:+.2f} % by Yahoo's adjusted close",
    )


def session_results(
    failed_bars: pd.DataFrame, bar_counts: Mapping[str, int], sessions: Iterable[str]
) -> dict[str, RuleResult]:
    """Convert failed bars to one result per session, which is an error if one of its bars is."""
    errors_first = failed_bars.sort_values(["Error", "Ticker"], ascending=[False, True])
    by_session = dict(list(errors_first.groupby("Session")))
    results = {}
    for session in sessions:
        failed = by_session.get(session, failed_bars.head(0))
        results[session] = RuleResult(
            len(failed),
            f"{len(failed)} of {bar_counts.get(session, 0)} bars failed",
            warn_only=not failed["Error"].any(),
            examples=tuple(failed["Text"].head(MAX_EXAMPLES)),
        )
    return results


def _failed_bars(bars: pd.DataFrame, template: str) -> pd.DataFrame:
    """Return Ticker, Session, Error and Text per bar; bars without a column Error are errors."""
    texts = [f"{bar['Ticker']}: " + template.format_map(bar) for bar in bars.to_dict("records")]
    errors = bars["Error"] if "Error" in bars else pd.Series(data=True, index=bars.index)
    return pd.DataFrame(
        {
            "Ticker": bars["Ticker"],
            "Session": bars["Session"],
            "Error": errors.astype(bool),
            "Text": pd.Series(texts, index=bars.index, dtype=object),
        }
    )
