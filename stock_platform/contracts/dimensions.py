"""The dimensions: companies, exchanges, days and trading sessions."""

from typing import Final

from stock_platform.contracts.table import Column, Table

_COMPANY_STATE: Final = (
    Column("ItemId", "STRING", "The ERP's identity of the instrument; outlives its symbols."),
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
    Column("IsActive", "BOOL", "Whether prices are fetched for it."),
    Column("IsVanished", "BOOL", "Whether the newest ERP export lacks it."),
)
_COMPANY_SOURCE: Final = (
    Column("SourceFile", "STRING", "The ERP file that told it first as it stands."),
    Column("LoadedAt", "TIMESTAMP", "When that file was read, UTC."),
)

DIM_COMPANY: Final = Table(
    name="dim_company",
    description="Each symbol that companies have or had, in its newest state.",
    grain="one symbol",
    key=("Symbol",),
    columns=(
        Column("Symbol", "STRING", "Yahoo's symbol of the instrument."),
        *_COMPANY_STATE,
        Column("EffectiveFrom", "DATE", "Since when this state holds, by the ERP."),
        *_COMPANY_SOURCE,
    ),
)

DIM_COMPANY_HISTORY: Final = Table(
    name="dim_company_history",
    description="Every state of every company that the ERP told (type 2).",
    grain="one company and day since which a state held",
    key=("ItemId", "EffectiveFrom"),
    columns=(
        Column("Symbol", "STRING", "Yahoo's symbol of the instrument in that state."),
        Column("EffectiveFrom", "DATE", "The first day of the state, by the ERP."),
        Column(
            "EffectiveTo",
            "DATE",
            "The first day after it; null while it holds. The same day where another company "
            "claims the symbol with better right: the state never held.",
            nullable=True,
        ),
        Column("IsCurrent", "BOOL", "Whether it holds."),
        *_COMPANY_STATE,
        *_COMPANY_SOURCE,
    ),
)

DIM_EXCHANGE: Final = Table(
    name="dim_exchange",
    description="Stock exchanges as the ERP tells them now.",
    grain="one exchange",
    key=("ExchangeCode",),
    columns=(
        Column("ExchangeCode", "STRING", "ISO 10383 market identifier code (MIC)."),
        Column("ExchangeName", "STRING", "Name of the market."),
        Column("Country", "STRING", "ISO 3166 alpha-2 country.", nullable=True),
        Column("City", "STRING", "Seat of the market.", nullable=True),
        Column("Timezone", "STRING", "IANA time zone of its hours."),
        Column("Currency", "STRING", "In which Yahoo quotes it; may be a minor unit (GBp)."),
        Column("YahooSuffix", "STRING", "What Yahoo appends to its symbols, such as .L."),
        Column(
            "CalendarCode",
            "STRING",
            "Its calendar in exchange_calendars; null where none is known.",
            nullable=True,
        ),
        Column("IsVanished", "BOOL", "Whether the newest ERP export lacks it."),
    ),
)

DIM_DATE: Final = Table(
    name="dim_date",
    description="Calendar days, whole years.",
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
    description="When each exchange was open, for every exchange with a known calendar.",
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
        Column("IsHalfDay", "BOOL", "Whether the exchange closed early."),
        Column("CalendarVersion", "STRING", "The package and version that told it."),
    ),
)
