"""Which check must catch which file; found by comparing each with its repaired twin."""

UNIT = {"unit_scale"}
SPLIT = {"split_applied"}
UNADJUSTED = {"adjusted_close_agrees"}
PAYOUT = {"dividend_plausible"}
NULLS = {"no_null_bars"}
OHLC = {"ohlc_consistent"}

EXPECTED = {
    "1398-HK-1d-bad-div": UNADJUSTED | NULLS,
    "4063-T-1d-bad-div": UNADJUSTED,
    "4063-T-1d-bad-stock-split": SPLIT,
    "8TRA-DE-1d-missing-div-adjust": UNADJUSTED,
    "ABDP-L-1d-bad-div": UNADJUSTED | PAYOUT | OHLC,
    "AET-L-1d-100x-error": UNIT | {"stale_price"},
    "ASAI-L-1h-bad-unit": UNIT,
    "AV-L-1wk-bad-stock-split": SPLIT,
    "DODFX-1d-cg-double-count": PAYOUT,
    "KEN-TA-1d-bad-div": PAYOUT | NULLS | OHLC,
    "KME-MI-1d-bad-div": PAYOUT,
    "LA-V-1d-bad-stock-split": SPLIT,
    "PSH-L-1d-bad-div": UNADJUSTED | PAYOUT | NULLS | OHLC,
    "REL-L-1d-bad-div": UNADJUSTED | PAYOUT | NULLS | OHLC,
    "RGL-L-1d-bad-div": UNADJUSTED | OHLC,
    "SAND-1d-bad-div": UNADJUSTED | PAYOUT,
    "SCR-TO-1d-bad-div": PAYOUT,
    "SPM-MI-1d-bad-stock-split": SPLIT,
    "SSNLF-1d-bad-div": UNADJUSTED | NULLS | {"stale_price"},
    "SSW-JO-1d-100x-error": UNIT | OHLC,
    "TEP-PA-1d-bad-div": PAYOUT | OHLC,
}
