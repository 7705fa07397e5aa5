"""Rules for warehouse tables."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from stock_platform.quality.rules.result import RuleResult, count_texts, result_of
from stock_platform.settings.quality import QualityLimits


@dataclass(frozen=True)
class TableMeasure:
    """A table, or one session of a fact table.

    Attributes:
        rows: number of rows.
        duplicate_keys: number of rows beyond the first one with their key.
        orphans: number of rows whose value is missing in its dimension, by column.
        stages: row counts of two adjacent stages that must be equal, by name.
        flaws: defects that only this table can have, as "SYMBOL: defect" or a day.
        contract_differences: differences between the table and its contract.
    """

    rows: int
    duplicate_keys: int
    orphans: Mapping[str, int] = field(default_factory=dict)
    stages: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    flaws: tuple[str, ...] = ()
    contract_differences: tuple[str, ...] = ()


def primary_key_unique(table: TableMeasure, _: QualityLimits) -> RuleResult:
    """No two rows have the same key. Every sum counts duplicates twice; load the sessions again."""
    return RuleResult(
        table.duplicate_keys, f"{table.duplicate_keys} of {table.rows} rows repeat a key"
    )


def foreign_keys_resolve(table: TableMeasure, _: QualityLimits) -> RuleResult:
    """Every reference exists in its dimension. Otherwise joins lose rows; load the dimension."""
    orphans = sum(table.orphans.values())
    return RuleResult(
        orphans,
        f"{orphans} unresolved references in {table.rows} rows",
        examples=count_texts(table.orphans),
    )


def rows_reconcile(table: TableMeasure, _: QualityLimits) -> RuleResult:
    """The counts of raw records, processed rows and warehouse rows of a session are equal.

    A difference means that a stage lost rows, or was not run again after the stage before it.
    Materialize the session again from the first stage that differs. If the log of the load names a
    batch that was left out, repair the lake and rebuild the warehouse.
    """
    differing = {name: pair for name, pair in table.stages.items() if pair[0] != pair[1]}
    return RuleResult(
        sum(abs(before - after) for before, after in differing.values()),
        "; ".join(
            f"{name}: {before} against {after}" for name, (before, after) in table.stages.items()
        ),
        examples=tuple(differing),
    )


def no_gaps(table: TableMeasure, _: QualityLimits) -> RuleResult:
    """Each listed symbol has every session of its own exchange between its first and last price.

    A symbol is listed from its first price until the ERP deactivates it. After a gap, the return of
    two days looks like the return of one. See the checks of raw_stock_prices for the session, and
    fetch it again; deactivate a company that was delisted.
    """
    return result_of(table.flaws, "listed symbols without a price", warn_only=True)


def has_rows(table: TableMeasure, _: QualityLimits) -> RuleResult:
    """The table has rows. Joins with an empty table are empty; look at the source of the table."""
    return RuleResult(0 if table.rows else 1, f"{table.rows} rows")


def contract_matches(table: TableMeasure, _: QualityLimits) -> RuleResult:
    """Columns, types, nullability, partitioning and clustering are those of the contract.

    Somebody changed the table by hand, or the contract without a migration: queries and loads may
    fail or cost more. Change the table to match the contract, or the contract to match the table.
    """
    return result_of(table.contract_differences, "differences from the contract")


def dim_date_complete(table: TableMeasure, _: QualityLimits) -> RuleResult:
    """Every day of every year in the table exists and has the right attributes.

    A missing day removes its facts from every join. Materialize dim_date again.
    """
    return result_of(table.flaws, "days are missing or have a wrong attribute")


def history_intervals(table: TableMeasure, _: QualityLimits) -> RuleResult:
    """The rows of a company are consecutive in time, and those of a symbol never overlap.

    A join by symbol and day must find exactly one row. A gap is valid only while another company
    used the symbol. The table is built from the ERP records in the lake: materialize it again, and
    if the flaw stays, look at the company's records there.
    """
    return result_of(table.flaws, "rows with a gap or an overlap")


def dim_company_keys(table: TableMeasure, _: QualityLimits) -> RuleResult:
    """Every symbol is trimmed and in capitals, and every active one has an exchange calendar.

    Prices join by the exact spelling of the symbol. Sessions come from the calendar of the
    exchange: without one, no prices are requested. Fix the ERP export; identify exchanges by MIC.
    """
    return result_of(table.flaws, "symbols are unusable")
