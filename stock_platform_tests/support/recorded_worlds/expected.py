"""The defect of each broken file, and the checks that must fail.

Found by comparing the file with its repaired twin or, without a twin, by reading it. Further failed
checks are allowed: a bad dividend is also a bad return.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Defect:
    """The defect of a file.

    Attributes:
        what: description in the table.
        checks: each must fail on at least one of the file's sessions.
    """

    what: str
    checks: frozenset[str]


def _defect(what: str, *checks: str) -> Defect:
    return Defect(what, frozenset(checks))


_NULL: Final = ("no_null_bars", "no_gaps")
_DIVIDENDS: Final = ("dividend_plausible", "adjusted_close_agrees", "ohlc_consistent")

DEFECTS: Final = {
    "1398-HK-1d-bad-div": _defect(
        "adjusted close lacks one dividend; a null day", "adjusted_close_agrees", *_NULL
    ),
    "4063-T-1d-bad-div": _defect(
        "a dividend not adjusted for the 5:1 split of its day", "adjusted_close_agrees"
    ),
    "4063-T-1d-bad-stock-split": _defect(
        "nine bars before a 5:1 split not adjusted for it", "split_applied"
    ),
    "8TRA-DE-1d-missing-div-adjust": _defect(
        "adjusted close lacks the dividend; a day is absent", "adjusted_close_agrees", *_NULL
    ),
    "ABDP-L-1d-bad-div": _defect(
        "dividends a hundredfold; 43 bars with a price beyond high or low", *_DIVIDENDS
    ),
    "AET-L-1d-100x-error": _defect(
        "fourteen bars in pounds among pence; no trade", "unit_scale", "stale_price"
    ),
    "ASAI-L-1h-bad-unit": _defect(
        "one low and close in pounds among pence; a day is absent", "unit_scale", *_NULL
    ),
    "AV-L-1wk-bad-stock-split": _defect(
        "the week of a 76:100 split is not adjusted for it", "split_applied"
    ),
    "DODFX-1d-cg-double-count": _defect(
        "a capital gain counted in the dividend too", "dividend_plausible"
    ),
    "KEN-TA-1d-bad-div": _defect(
        "a phantom dividend the day before; adjusted close lacks one; a null day",
        *(*_DIVIDENDS, *_NULL),
    ),
    "KME-MI-1d-bad-div": _defect(
        "a dividend a hundredfold, adjusted close wrong alike", "dividend_plausible"
    ),
    "LA-V-1d-bad-stock-split": _defect(
        "the bar of a 1:10 split is not adjusted for it", "split_applied"
    ),
    "PSH-L-1d-bad-div": _defect("dividends a hundredfold; two null days", *_DIVIDENDS, *_NULL),
    "REL-L-1d-bad-div": _defect(
        "dividends a hundredfold, the last not adjusted for; a null day", *_DIVIDENDS, *_NULL
    ),
    "RGL-L-1d-bad-div": _defect(
        "adjusted close lacks the dividends", "adjusted_close_agrees", "ohlc_consistent"
    ),
    "SAND-1d-bad-div": _defect("a phantom dividend one session before", "dividend_plausible"),
    "SCR-TO-1d-bad-div": _defect(
        "dividends a hundredfold, adjusted close wrong alike", "dividend_plausible"
    ),
    "SPM-MI-1d-bad-stock-split": _defect(
        "thirteen bars around a 1:10 split adjusted twice", "split_applied"
    ),
    "SSNLF-1d-bad-div": _defect(
        "no trade for years, 242 null days, prices off by 50, adjusted close beyond all numbers",
        *("stale_price", "unit_scale", "unexplained_move", "adjusted_close_agrees", *_NULL),
    ),
    "SSW-JO-1d-100x-error": _defect(
        "22 bars in another unit; four with a price beyond high or low",
        *("unit_scale", "ohlc_consistent"),
    ),
    "TEP-PA-1d-bad-div": _defect(
        "a phantom dividend the day before, adjusted close wrong alike",
        *("dividend_plausible", "ohlc_consistent"),
    ),
}

# Checks of the share of bad records in a session. Some sessions here have one symbol, or two bad
# ones of twenty: a warning in a larger universe is an error there.
SHARES: Final = frozenset({"source_responded", "quarantine_share"})

# Known errors of repaired files, which are not the check's fault.
LEFT: Final = {
    # The action is in one week's bar; the fall and Yahoo's adjustment are in the next one's.
    ("AV-L-1wk-bad-stock-split-fixed", "dividend_plausible"),
    ("AV-L-1wk-bad-stock-split-fixed", "adjusted_close_agrees"),
}
