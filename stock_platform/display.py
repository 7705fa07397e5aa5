"""What metadata shows a person: tables in Markdown and plots.

Small on purpose: metadata is stored with every materialization.
"""

import base64
import io
from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any, Final

import dagster as dg

from stock_platform.contracts import STOCK_PRICE_ADJUSTED, Table
from stock_platform.warehouse.port import Warehouse

if TYPE_CHECKING:
    import pandas as pd

_PREVIEW_ROWS: Final = 5
_PLOTTED_TICKERS: Final = 8


def table_preview(warehouse: Warehouse, table: Table) -> dg.MarkdownMetadataValue:
    """The first rows of a table in the order of its key."""
    rows = warehouse.query(
        f"SELECT * FROM {table.name} WHERE {table.all_rows_predicate} "
        f"ORDER BY {', '.join(table.key)} LIMIT {_PREVIEW_ROWS}"
    )
    return _markdown(rows.to_pandas())


def session_previews(
    warehouse: Warehouse, table: Table, sessions: Sequence[date]
) -> dict[date, dg.MarkdownMetadataValue]:
    """The first rows of each session of a fact."""
    key = ", ".join(table.key)
    rows = warehouse.query(
        f"SELECT * EXCEPT (RowInSession) FROM (SELECT *, ROW_NUMBER() OVER "
        f"(PARTITION BY {table.session_column} ORDER BY {key}) AS RowInSession "
        f"FROM {table.name} WHERE {table.session_column} IN UNNEST(@sessions)) AS numbered "
        f"WHERE RowInSession <= {_PREVIEW_ROWS} ORDER BY {key}",
        {"sessions": list(sessions)},
    ).to_pandas()
    by_session = rows.groupby(rows[table.session_column].astype(str))
    return {date.fromisoformat(str(day)): _markdown(group) for day, group in by_session}


def total_return_plot(warehouse: Warehouse) -> dg.MarkdownMetadataValue:
    """Week-end total-return closes of the tickers with the longest history, the first at 100."""
    rows = warehouse.query(
        "SELECT Ticker, MAX(TradeDate) AS Day, MAX_BY(TotalReturnClose, TradeDate) AS Price "
        f"FROM {STOCK_PRICE_ADJUSTED.name} "
        "GROUP BY Ticker, DATE_TRUNC(TradeDate, WEEK) ORDER BY Ticker, Day"
    ).to_pandas()
    return dg.MetadataValue.md(f"![total return]({_png(rows)})")


def rows_table(rows: Sequence[Mapping[str, Any]]) -> dg.TableMetadataValue:
    """Some rows of the same columns, as text that nothing reads as markup."""
    return dg.MetadataValue.table([dg.TableRecord(dict(row)) for row in rows])


def link(uri: str) -> dg.MetadataValue[str]:
    """Where a person opens an object: Google's console for a bucket, else the file."""
    if uri.startswith("gs://"):
        return dg.MetadataValue.url(uri.replace("gs://", "https://storage.cloud.google.com/", 1))
    return dg.MetadataValue.path(uri)


def batch_facts(facts: Mapping[str, Any]) -> dict[str, Any]:
    """What an engine tells of a run's batch, addresses as links."""
    return {f"run_{name}": _linked(value) for name, value in facts.items() if value != ""}


def _linked(value: Any) -> Any:  # noqa: ANN401 - metadata is anything
    if not isinstance(value, str):
        return value
    if value.startswith("gs://"):
        return link(value)
    return dg.MetadataValue.url(value) if value.startswith("https://") else value


def _png(rows: "pd.DataFrame") -> str:
    from matplotlib.figure import Figure  # noqa: PLC0415 - heavy import

    figure = Figure(figsize=(8, 3.6), layout="constrained")
    axes = figure.add_subplot()
    longest = rows["Ticker"].value_counts().index[:_PLOTTED_TICKERS]
    for ticker in sorted(longest):
        series = rows[rows["Ticker"] == ticker]
        grown = 100 * series["Price"] / series["Price"].iloc[0]
        axes.plot(series["Day"], grown, label=ticker, linewidth=1.2)
    axes.set_ylabel("total return, first week = 100")
    axes.grid(visible=True, alpha=0.3)
    if len(longest):
        figure.legend(loc="outside upper center", ncols=len(longest), frameon=False)
    image = io.BytesIO()
    figure.savefig(image, format="png", dpi=80)
    return f"data:image/png;base64,{base64.b64encode(image.getvalue()).decode()}"


def _markdown(rows: Any) -> dg.MarkdownMetadataValue:  # noqa: ANN401 - a frame
    return dg.MetadataValue.md(rows.to_markdown(index=False))
