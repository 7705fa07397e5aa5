"""Rules over warehouse tables."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from stock_platform.limits import QualityLimits
from stock_platform.quality.rules.verdict import Verdict, counted, judged


@dataclass(frozen=True)
class TableMeasure:
    """A table, or a session of it.

    Attributes:
        rows: present rows.
        duplicate_keys: rows beyond the first of their key.
        orphans: by column, rows whose value its dimension does not have.
        stages: rows of the stages before, by name, that must equal them; for facts.
        flaws: what the table's own rule looks for: "SYMBOL: what is wrong", or a day.
        differs: what of the table is not as its contract says.
    """

    rows: int
    duplicate_keys: int
    orphans: Mapping[str, int] = field(default_factory=dict)
    stages: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    flaws: tuple[str, ...] = ()
    differs: tuple[str, ...] = ()


def primary_key_unique(table: TableMeasure, _: QualityLimits) -> Verdict:
    """No two rows share a key. Duplicates count twice in every sum; load the sessions again."""
    return Verdict(
        table.duplicate_keys, f"{table.duplicate_keys} of {table.rows} rows repeat a key"
    )


def foreign_keys_resolve(table: TableMeasure, _: QualityLimits) -> Verdict:
    """Every reference is found in its dimension. Otherwise joins lose rows; load the dimension."""
    orphans = sum(table.orphans.values())
    return Verdict(
        orphans,
        f"{orphans} references of {table.rows} rows are not found",
        sample=counted(table.orphans),
    )


def rows_reconcile(table: TableMeasure, _: QualityLimits) -> Verdict:
    """Raw lines, processed rows and warehouse rows of a session tell the same count.

    A difference means that a stage was not run after the one before it, or lost rows.
    Materialize the session again from the first stage that differs.
    """
    differing = {name: pair for name, pair in table.stages.items() if pair[0] != pair[1]}
    return Verdict(
        sum(abs(before - after) for before, after in differing.values()),
        "; ".join(
            f"{name}: {before} against {after}" for name, (before, after) in table.stages.items()
        ),
        sample=tuple(differing),
    )


def no_gaps(table: TableMeasure, _: QualityLimits) -> Verdict:
    """Each listed symbol has every session of its own exchange between its first and last.

    A symbol is listed from its first price on until the ERP deactivates it. A hole makes a
    two-day return look like one of a day. See what raw_stock_prices says of the session, and
    fetch it again; deactivate a company that was delisted.
    """
    return judged(table.flaws, "listed symbols have no price", tolerable=True)


def has_rows(table: TableMeasure, _: QualityLimits) -> Verdict:
    """The table has rows. An empty one makes every join empty; look at its source."""
    return Verdict(0 if table.rows else 1, f"{table.rows} rows")


def contract_matches(table: TableMeasure, _: QualityLimits) -> Verdict:
    """Columns, types, nullability, partitioning and clustering are those of the contract.

    Someone changed the table by hand, or the contract without a migration: queries and loads
    may fail or cost more. Bring the table to the contract, or the contract to the table.
    """
    return judged(table.differs, "things differ from the contract")


def dim_date_complete(table: TableMeasure, _: QualityLimits) -> Verdict:
    """Every day of whole years, from the first to the last, is there with its right attributes.

    A missing day takes its facts out of every join. Materialize dim_date again.
    """
    return judged(table.flaws, "days are missing or have a wrong attribute")


def history_intervals(table: TableMeasure, _: QualityLimits) -> Verdict:
    """The states of a company follow one another, and those of a symbol never overlap.

    A join by symbol and day must find one state. A gap is right only where another company took
    the symbol. The table is made whole of the lake's facts: materialize it again, and if the
    flaw stays, look at the facts of the company there.
    """
    return judged(table.flaws, "states do not follow one another")


def dim_company_keys(table: TableMeasure, _: QualityLimits) -> Verdict:
    """Every symbol is trimmed and in capitals; every active one has a calendar to fetch by.

    Prices join by the symbol's exact spelling, and sessions come from the exchange's calendar:
    without one no price is asked for. Mend the ERP's export; name the exchange by its MIC.
    """
    return judged(table.flaws, "symbols cannot be used as they are")
