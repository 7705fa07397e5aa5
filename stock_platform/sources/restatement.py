"""What becomes of an earlier raw line when the same symbol and session is answered again.

Pure rules of market truth: which answers replace which, and what counts as the same.
"""

import math
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

from stock_platform.sources.outcomes import TRANSIENT_OUTCOMES, Outcome

Line = Mapping[str, Any]

# When and by whom an answer was given says nothing of the market.
_PROVENANCE: Final = frozenset({"fetched_at", "client", "response_sha256", "error"})
# Settled adjusted closes wobble by less than 1e-5 between two answers of Yahoo.
_ADJ_CLOSE_WOBBLE: Final = 1e-5


class Change(StrEnum):
    """How a new line relates to the one that the lake has."""

    NEW = "new"
    UNCHANGED = "unchanged"
    RESTATED = "restated"
    KEPT_EARLIER = "kept_earlier"


def settle(earlier: Line | None, line: Line) -> tuple[Line, Change]:
    """The line to keep of an earlier one and a new one of the same symbol and session.

    - An answer without a usable bar never replaces one that had it, whatever it says: a 404 or
      an empty chart tells of Yahoo's day, not of the session. A transient failure replaces
      nothing but a transient failure.
    - An answer that says the same keeps the earlier line, so that its `fetched_at` tells
      since when this is known and nothing downstream changes.
    - Everything else replaces: Yahoo restated its history.
    """
    if earlier is None:
        return line, Change.NEW
    if _knows_less(line["outcome"], earlier["outcome"]):
        return earlier, Change.KEPT_EARLIER
    if _same(earlier, line):
        return earlier, Change.UNCHANGED
    return line, Change.RESTATED


def _knows_less(outcome: str, before: str) -> bool:
    if before == Outcome.OK:
        return outcome != Outcome.OK
    return outcome in TRANSIENT_OUTCOMES and before not in TRANSIENT_OUTCOMES


def _same(earlier: Line, line: Line) -> bool:
    return _market_facts(earlier) == _market_facts(line) and _same_adj_close(
        earlier.get("bar"), line.get("bar")
    )


def _market_facts(line: Line) -> dict[str, Any]:
    facts = {name: value for name, value in line.items() if name not in _PROVENANCE}
    if facts.get("bar"):
        facts["bar"] = {k: v for k, v in facts["bar"].items() if k != "adj_close"}
    return facts


def _same_adj_close(earlier: Line | None, line: Line | None) -> bool:
    before, after = (bar.get("adj_close") if bar else None for bar in (earlier, line))
    if before is None or after is None:
        return before is after
    return math.isclose(before, after, rel_tol=_ADJ_CLOSE_WOBBLE)
