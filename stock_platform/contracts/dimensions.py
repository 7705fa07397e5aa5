"""Contracts of the dimensions: companies, exchanges, days and trading sessions."""

from typing import Final

from stock_platform.contracts.table import Column, Table

_COMPANY_STATE: Final = (
    Column("SecurityId", "STRING", "Permanent identifier of the instrument in the ERP."),
    Column("CompanyName", "STRING", "Name of the issuer."),
    Column(
        "ExchangeCode",
        "STRING",
        "ISO 10383 MIC of the listing.",
        references="dim_exchange.ExchangeCode",
    ),
    Column("Sector", "STRING", "GICS sector.", nullable=True),
    Column("Country", "STRING", "Country of the issuer, ISO 3166 alpha-2.", nullable=True),
    Column(
        "Currency",
        "STRING",
        "Currency of the listing: ISO 4217, or Yahoo's GBp, ZAc, ILA for hundredths.",
        nullable=True,
    ),
    Column("Isin", "STRING", "ISO 6166 identification number.", nullable=True),
    Column("IsActive", "BOOL", "True if prices are fetched."),
    Column("IsMissingFromExport", "BOOL", "True if the newest ERP export does not contain it."),
)
_COMPANY_SOURCE: Final = (
    Column("SourceFile", "STRING", "The first ERP file with this state."),
    Column("LoadedAt", "TIMESTAMP", "Time at which that file was loaded, UTC."),
)

DIM_COMPANY: Final = Table(
    name="dim_company",
    description="Every current and former symbol, in its newest state.",
    grain="one symbol",
    key=("Symbol",),
    columns=(
        Column("Symbol", "STRING", "Symbol of the instrument at Yahoo."),
        *_COMPANY_STATE,
        Column("EffectiveFrom", "DATE", "Date from which this row is valid, according to the ERP."),
        *_COMPANY_SOURCE,
    ),
)

DIM_COMPANY_HISTORY: Final = Table(
    name="dim_company_history",
    description="Every state of every company in the ERP (slowly changing dimension, type 2).",
    grain="one company and first day of a state",
    key=("SecurityId", "EffectiveFrom"),
    columns=(
        Column("Symbol", "STRING", "Symbol of the instrument at Yahoo in that state."),
        Column("EffectiveFrom", "DATE", "First day of the state, according to the ERP."),
        Column(
            "EffectiveTo",
            "DATE",
            "First day after the state; null for the current one. Equal to EffectiveFrom if the "
            "symbol belonged to another company: the state was never valid.",
            nullable=True,
        ),
        Column("IsCurrent", "BOOL", "True for the row that is currently valid."),
        *_COMPANY_STATE,
        *_COMPANY_SOURCE,
    ),
)

DIM_EXCHANGE: Final = Table(
    name="dim_exchange",
    description="Stock exchanges, as in the newest ERP export.",
    grain="one exchange",
    key=("ExchangeCode",),
    columns=(
        Column("ExchangeCode", "STRING", "ISO 10383 market identifier code (MIC)."),
        Column("ExchangeName", "STRING", "Name of the market."),
        Column("Country", "STRING", "ISO 3166 alpha-2 country.", nullable=True),
        Column("City", "STRING", "Seat of the market.", nullable=True),
        Column("Timezone", "STRING", "IANA time zone of its hours."),
        Column("Currency", "STRING", "Currency of quotes at Yahoo; may be a minor unit (GBp)."),
        Column("YahooSuffix", "STRING", "Suffix of symbols at Yahoo, such as .L."),
        Column(
            "CalendarCode",
            "STRING",
            "Calendar in the package exchange_calendars; null if there is none.",
            nullable=True,
        ),
        Column("IsMissingFromExport", "BOOL", "True if the newest ERP export does not contain it."),
    ),
)

DIM_DATE: Final = Table(
    name="dim_date",
    description="Calendar days, in whole years.",
    grain="one day",
    key=("DateKey",),
    columns=(
        Column("DateKey", "INT64", "The day, as yyyymmdd."),
        Column("FullDate", "DATE", "The day."),
        Column("DayOfWeek", "INT64", "ISO 8601: 1 is Monday, 7 is Sunday."),
        Column("DayName", "STRING", "English name of the weekday."),
        Column("Month", "INT64", "1 to 12."),
        Column("MonthName", "STRING", "English name of the month."),
        Column("Quarter", "INT64", "1 to 4."),
        Column("Year", "INT64", "Four digits."),
        Column("IsWeekend", "BOOL", "Saturday or Sunday."),
    ),
)

DIM_TRADING_SESSION: Final = Table(
    name="dim_trading_session",
    description="Trading sessions with their hours, for every exchange with a known calendar.",
    grain="one exchange and session",
    key=("ExchangeCode", "DateKey"),
    columns=(
        Column(
            "ExchangeCode",
            "STRING",
            "ISO 10383 MIC.",
            references="dim_exchange.ExchangeCode",
        ),
        Column("DateKey", "INT64", "The session, as yyyymmdd.", references="dim_date.DateKey"),
        Column("OpenUtc", "TIMESTAMP", "Opening of the regular session, UTC."),
        Column("CloseUtc", "TIMESTAMP", "Close of the regular session, UTC."),
        Column("IsHalfDay", "BOOL", "True if the exchange closed early."),
        Column("CalendarVersion", "STRING", "Package and version that the session comes from."),
    ),
)
