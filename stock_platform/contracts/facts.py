"""Contracts of the facts: prices and corporate actions by session, and the adjusted view."""

from typing import Final

from stock_platform.contracts.table import Column, Table

_DATE_KEY: Final = Column(
    "DateKey", "INT64", "The session, as yyyymmdd.", references="dim_date.DateKey"
)
_SECURITY_ID: Final = Column(
    "SecurityId", "STRING", "Id of the security in the ERP, which never changes."
)
_TICKER: Final = Column(
    "Ticker", "STRING", "Symbol of the instrument at Yahoo.", references="dim_company.Symbol"
)
_FETCHED_AT: Final = Column(
    "FetchedAt", "TIMESTAMP", "Time at which Yahoo first returned this value, UTC."
)
_BATCH_ID: Final = Column("BatchId", "STRING", "The Spark batch that processed the row.")
_CURRENCY: Final = Column(
    "Currency", "STRING", "Currency of the prices: ISO 4217, or a minor unit such as GBp (pence)."
)

FACT_STOCK_PRICE: Final = Table(
    name="fact_stock_price",
    description="Daily prices as traded: not adjusted for later splits or dividends.",
    grain="one security and session",
    key=("DateKey", "SecurityId"),
    session_column="TradeDate",
    partition_by_month="TradeDate",
    cluster_by=("Ticker",),
    columns=(
        _DATE_KEY,
        Column("TradeDate", "DATE", "The session, in the local time of the exchange."),
        _SECURITY_ID,
        _TICKER,
        Column(
            "ExchangeCode",
            "STRING",
            "ISO 10383 MIC of the listing.",
            references="dim_exchange.ExchangeCode",
        ),
        Column("Open", "FLOAT64", "First price of the session, as traded.", unit="Currency"),
        Column("High", "FLOAT64", "Highest price of the session, as traded.", unit="Currency"),
        Column("Low", "FLOAT64", "Lowest price of the session, as traded.", unit="Currency"),
        Column("Close", "FLOAT64", "Last price of the session, as traded.", unit="Currency"),
        Column("Volume", "INT64", "Shares traded in the session.", unit="shares as traded"),
        Column(
            "YahooAdjClose",
            "FLOAT64",
            "Yahoo's close adjusted for splits and dividends known at FetchedAt.",
            unit="Currency",
            nullable=True,
        ),
        _CURRENCY,
        _FETCHED_AT,
        _BATCH_ID,
    ),
)

FACT_CORPORATE_ACTION: Final = Table(
    name="fact_corporate_action",
    description="Dividends, splits and capital gains, by ex-date.",
    grain="one security, ex-date and type of action",
    key=("DateKey", "SecurityId", "ActionType"),
    session_column="TradeDate",
    partition_by_month="TradeDate",
    cluster_by=("Ticker",),
    columns=(
        _DATE_KEY,
        Column("TradeDate", "DATE", "The ex-date: first session without the entitlement."),
        _SECURITY_ID,
        _TICKER,
        Column("ActionType", "STRING", "dividend, split or capital_gain."),
        Column(
            "Value",
            "FLOAT64",
            "Cash per share as traded (dividend, capital_gain), or new per old shares (split).",
            unit="Currency per share, or shares per share",
        ),
        Column(
            "Currency",
            "STRING",
            "Currency of the cash; null if Yahoo gave none.",
            nullable=True,
        ),
        _FETCHED_AT,
        _BATCH_ID,
    ),
)

STOCK_PRICE_ADJUSTED: Final = Table(
    name="stock_price_adjusted",
    description=(
        "Prices adjusted for all splits and payouts in the warehouse. A new split adds one row "
        "to fact_corporate_action and changes every earlier row of its security here."
    ),
    grain="one security and session",
    key=("DateKey", "SecurityId"),
    view=True,
    columns=(
        _DATE_KEY,
        Column("TradeDate", "DATE", "The session, in the local time of the exchange."),
        _SECURITY_ID,
        _TICKER,
        Column("ExchangeCode", "STRING", "ISO 10383 MIC of the listing."),
        Column(
            "SplitFactor",
            "FLOAT64",
            "Shares today per share of the session: product of the later splits.",
            unit="shares per share",
        ),
        Column("SplitAdjustedOpen", "FLOAT64", "Open / SplitFactor.", unit="Currency"),
        Column("SplitAdjustedHigh", "FLOAT64", "High / SplitFactor.", unit="Currency"),
        Column("SplitAdjustedLow", "FLOAT64", "Low / SplitFactor.", unit="Currency"),
        Column("SplitAdjustedClose", "FLOAT64", "Close / SplitFactor.", unit="Currency"),
        Column("SplitAdjustedVolume", "FLOAT64", "Volume * SplitFactor.", unit="shares of today"),
        *(
            Column(
                f"TotalReturn{price}",
                "FLOAT64",
                f"SplitAdjusted{price} times the product over later ex-dates of "
                "1 - cash / close before.",
                unit="Currency",
            )
            for price in ("Open", "High", "Low", "Close")
        ),
        _CURRENCY,
    ),
)
