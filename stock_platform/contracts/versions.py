"""Versions of facts: the columns that a fact's row has in the lake in addition."""

from dataclasses import replace
from typing import Final

from stock_platform.contracts.table import Column, Table

KNOWN_FROM: Final = Column("KnownFrom", "TIMESTAMP", "Time from which the value is known, UTC.")
CHANGE: Final = Column("Change", "STRING", "new, restated or withdrawn.")
WITHDRAWN: Final = "withdrawn"


def with_versions(fact: Table) -> Table:
    """Return the fact with the columns of its versions."""
    return replace(fact, columns=(*fact.columns, KNOWN_FROM, CHANGE))
