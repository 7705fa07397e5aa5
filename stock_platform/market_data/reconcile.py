"""Reconcile a new raw record with the stored one of the same symbol and session.

Belongs here: pure rules that decide which record replaces which, and when two are equal.
"""

import math
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

from stock_platform.market_data.models import TRANSIENT_OUTCOMES, Outcome

Record = Mapping[str, Any]

# Provenance is not market data, so it does not count as a difference.
_PROVENANCE: Final = frozenset({"fetched_at", "client", "response_sha256", "error"})
# Final adjusted closes differ by less than 1e-5 between two responses of Yahoo.
_ADJ_CLOSE_TOLERANCE: Final = 1e-5


class Change(StrEnum):
    """How a new record relates to the stored one."""

    NEW = "new"
    UNCHANGED = "unchanged"
    RESTATED = "restated"
    KEPT_EARLIER = "kept_earlier"


def choose_record(earlier: Record | None, new: Record) -> tuple[Record, Change]:
    """Choose between the stored and the new record of the same symbol and session.

    - A record without a usable bar never replaces one that has a bar: a 404 or an empty chart
      is a problem of the request, not of the session. A transient failure only replaces another
      transient failure.
    - If both are equal, the earlier record is kept, so that `fetched_at` is the time at which the
      value was first received, and nothing downstream changes.
    - Any other record replaces the earlier one: Yahoo restated its history.
    """
    if earlier is None:
        return new, Change.NEW
    if _has_less_data(new["outcome"], earlier["outcome"]):
        return earlier, Change.KEPT_EARLIER
    if _are_equal(earlier, new):
        return earlier, Change.UNCHANGED
    return new, Change.RESTATED


def _has_less_data(outcome: str, before: str) -> bool:
    if before == Outcome.OK:
        return outcome != Outcome.OK
    return outcome in TRANSIENT_OUTCOMES and before not in TRANSIENT_OUTCOMES


def _are_equal(earlier: Record, new: Record) -> bool:
    return _market_values(earlier) == _market_values(new) and _equal_adj_close(
        earlier.get("bar"), new.get("bar")
    )


def _market_values(record: Record) -> dict[str, Any]:
    values = {name: value for name, value in record.items() if name not in _PROVENANCE}
    if values.get("bar"):
        values["bar"] = {
            name: value for name, value in values["bar"].items() if name != "adj_close"
        }
    return values


def _equal_adj_close(earlier: Record | None, new: Record | None) -> bool:
    before, after = (bar.get("adj_close") if bar else None for bar in (earlier, new))
    if before is None or after is None:
        return before is after
    return math.isclose(before, after, rel_tol=_ADJ_CLOSE_TOLERANCE)
